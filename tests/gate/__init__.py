"""The gate: judging by a baseline of known divergences, and keeping that."""
