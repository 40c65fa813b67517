"""A quorum as text: who agrees, who dissents, what does not count, each with its reason; the answer last."""

from __future__ import annotations

from collections.abc import Iterator

from repro.model.quorum import AGREEING, DISSENTING, STANDINGS, Quorum, Voice
from repro.model.text import printable
from repro.report.layout import fit, wrap

_SHOWN = 20  # voices of one standing that are listed


def render(quorum: Quorum, *, width: int = 80) -> str:
    """`quorum` in lines of at most `width` columns, ending in a newline."""
    parts = (_about(quorum, width), _voices(quorum, width), _unreached(quorum, width), _answer(quorum, width))
    return "\n".join(line for part in parts for line in part) + "\n"


def answer(quorum: Quorum) -> str:
    """The answer in one sentence."""
    agree, against = len(quorum.counted(AGREEING)), len(quorum.counted(DISSENTING))
    state = "met" if quorum.met else "NOT met"
    needed = f"{quorum.threshold} {'is' if quorum.threshold == 1 else 'are'} needed"
    said = f"quorum {state}: {agree} of {quorum.rebuilders} rebuilders agree, {needed}"
    if against:
        said += f"; {against} {'dissents' if against == 1 else 'dissent'}{', with a veto' if quorum.veto else ''}"
    if quorum.unreached:
        said += f"; {len(quorum.unreached)} {'source' if len(quorum.unreached) == 1 else 'sources'} not reached"
    if quorum.forged:
        said += f"; {quorum.forged} {'signature is' if quorum.forged == 1 else 'signatures are'} wrong"
    return said


def _about(quorum: Quorum, width: int) -> Iterator[str]:
    yield fit(f"artifact  {printable(quorum.artifact) or '(no name known)'}", width)
    yield fit(f"sha256    {quorum.sha256 or 'none: no digest has more voices than any other'}", width)


def _voices(quorum: Quorum, width: int) -> Iterator[str]:
    for standing in STANDINGS:
        voices = quorum.of(standing)
        counted = quorum.counted(standing)
        listed = [voice for voice in voices if voice.counted or voice.rebuilder not in counted]
        yield ""
        yield f"{standing}: {len(counted) if standing in (AGREEING, DISSENTING) else len(voices)}"
        for voice in listed[:_SHOWN]:
            yield from _voice(voice, width)
        if len(listed) > _SHOWN:
            yield f"  … and {len(listed) - _SHOWN} more; --json has all of them"
        if again := len(voices) - len(listed):
            yield f"  and {again} more by those who are counted already; --json has them"


def _voice(voice: Voice, width: int) -> Iterator[str]:
    who = printable(voice.rebuilder) or (f"key {printable(voice.keyid)[:16]}…" if voice.keyid else "(unsigned)")
    if voice.standing in (AGREEING, DISSENTING) and not voice.counted:
        who = f"({who}, not counted)"
    when = f"  {voice.signed[:10]}" if voice.signed else ""
    yield fit(f"  {who}{when}", width)
    yield from wrap(printable(voice.reason), width, indent="    ")
    yield fit(f"    {printable(voice.where)}", width)


def _unreached(quorum: Quorum, width: int) -> Iterator[str]:
    if quorum.unreached:
        yield ""
        yield f"not reached: {len(quorum.unreached)}"
    for source in quorum.unreached:
        yield from wrap(printable(source), width, indent="  ")


def _answer(quorum: Quorum, width: int) -> Iterator[str]:
    yield ""
    yield from wrap(answer(quorum), width)
