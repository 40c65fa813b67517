"""Frozen dataclasses and their versioned file codecs. No I/O; imports no other room."""
