"""Statements that others can check and count: keys, signatures, quorum, publishing."""
