"""Pins, archive trust (signature, dates, hashes), clients for mirrors and snapshot archives."""
