"""Whole journeys, run for real and printed as a transcript."""
