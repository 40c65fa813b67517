"""Typed errors carry a stable reason, a message and a hint."""

from __future__ import annotations

from repro.model import errors


def test_every_kind_has_a_reason_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReproError)]
    assert len({kind.reason for kind in kinds}) == len(kinds) == 7
    for kind in kinds:
        error = kind("what happened", hint="what to do")
        assert (str(error), error.message, error.hint) == ("what happened", "what happened", "what to do")
        assert kind("x").hint == ""
