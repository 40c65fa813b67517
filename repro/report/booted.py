"""What a booted image answered, for a terminal."""

from __future__ import annotations

from repro.model.booted import Booted
from repro.model.text import printable

_LINES = 12  # of an answer that fails


def render(booted: Booted) -> str:
    """A line an answer; of those that do not hold what was asked, what was said, and what is wrong with it."""
    lines = []
    for answer in booted.answers:
        lines.append(f"{'holds' if answer.holds else 'FAILS'}  {printable(answer.name)}")
        if not answer.holds:
            lines += [f"       {printable(answer.why)}", f"       $ {printable(answer.run)}"]
            said = answer.output.splitlines()
            lines += [f"       | {printable(line)}" for line in said[-_LINES:]]
    failed = sum(not answer.holds for answer in booted.answers)
    how = f"{booted.firmware}, {booted.attach}, {booted.accelerator}"
    lines.append(f"{printable(booted.image.name)} booted ({how}): somebody can log in after {booted.seconds:.0f} s")
    if booted.answers:
        lines.append(f"{len(booted.answers) - failed} of {len(booted.answers)} checks hold")
    return "\n".join(lines)
