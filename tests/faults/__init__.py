"""Fetching from servers that misbehave by a seeded plan, and processes that are killed.

`make faults` runs all of it; a sample of the same plans is in `make test`.
"""
