"""A snapshot archive of one's own: a catalogue of imports over the store, and its HTTP service."""
