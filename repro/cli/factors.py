"""`FACTOR[=VALUE]` on the command line."""

from __future__ import annotations

from repro.sandbox.variations import known


def parsed_factors(given: tuple[str, ...]) -> dict[str, str | None]:
    """Each factor with its value, None for the standard one. Raises InvalidInput for one that is not known, or for a
    value that it cannot take."""
    pairs = (text.partition("=") for text in given)
    factors = {name: value if equals else None for name, equals, value in pairs}
    for name, value in factors.items():
        known(name).setting(value)
    return factors
