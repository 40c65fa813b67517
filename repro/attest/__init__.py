"""Statements that a rebuilder signs and others check: keys, envelopes, links."""
