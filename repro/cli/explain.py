"""`repro explain`: why what diverges does, of a comparison that was written, or what a rule looks at."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import click

from repro.diagnose import RULES
from repro.diagnose.rule import Rule
from repro.model import trace as traces
from repro.model.comparison import Comparison, Divergence, decode
from repro.model.errors import InvalidInput
from repro.model.text import printable
from repro.model.trace import Trace
from repro.report import facts

_WIDTH = 80
_ASKED = {"clock": "the time", "listing": "a folder's listing", "random": "randomness", "uname": "uname"}


@click.command("explain")
@click.argument("what", metavar="COMPARISON.json|RULE|/PATH", required=False)
@click.option("--list", "list_rules", is_flag=True, help="List the rules: label and what each looks at.")
@click.option(
    "--trace",
    "trace_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who wrote what, from `repro build --trace`.  [default: trace.json beside the comparison, where there is one]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(what: str | None, *, list_rules: bool, trace_path: Path | None, as_json: bool) -> int:
    """Say why each divergence of COMPARISON.json is there, what RULE looks at, or who wrote /PATH.

    A comparison is what `repro compare` and `repro verify` write (comparison.json, --report json=FILE). For each
    divergence: its file and package, each cause with confidence and evidence, and what settles it. With a trace, which
    `repro build --trace` writes: also which program wrote the file last, up to the maintainer script or the hook that
    started it, and whether it asked for the time, randomness, uname or the listing of a folder.

    \b
    Examples:
      repro explain out/unstable/comparison.json
      repro explain timestamps_in_text
      repro explain --list
      repro explain --trace out/unstable/trace.json /etc/ld.so.cache
    """
    if list_rules == bool(what):
        raise click.UsageError("give a comparison or a rule, or --list")
    if list_rules:
        _say(list(RULES.values()), as_json)
    elif what in RULES:
        _say([RULES[what]], as_json)
    elif trace_path and (what or "").startswith("/") and not (what or "").endswith(".json"):
        _written(what or "", _trace(trace_path), as_json)
    else:
        beside = Path(what or "").parent / traces.FILE
        seen = _trace(trace_path) if trace_path else _trace(beside) if beside.is_file() else None
        _explain(_read(what or ""), seen, as_json)
    return 0


def _trace(path: Path) -> Trace:
    try:
        return traces.decode(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def _written(path: str, trace: Trace, as_json: bool) -> None:
    if not trace.chain(path):
        hint = "a folder, a link that was there before, or a file that no traced program wrote"
        raise InvalidInput(f"{printable(path)}: nobody was seen to write it", hint=hint)
    if as_json:
        click.echo(json.dumps({"path": path, **_writers(path, trace)}, indent=1))
    else:
        click.echo(printable(path))
        _say_writers(path, trace)


def _writers(path: str, trace: Trace) -> dict[str, object]:
    return {"writers": traces.writers(trace.chain(path)), "asked": trace.asked(path)}


def _say_writers(path: str, trace: Trace) -> None:
    _paragraph("written", printable("by " + " ← ".join(traces.writers(trace.chain(path)))))
    asked = [f"{_ASKED[what]} ({program})" for what, program in sorted(trace.asked(path).items())]
    _paragraph("", printable(f"which asked for {', '.join(asked)}") if asked else "")


def _read(what: str) -> Comparison:
    path = Path(what)
    try:
        return decode(path.read_bytes())
    except FileNotFoundError as error:
        near = difflib.get_close_matches(what, RULES, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "`repro explain --list` shows the rules"
        raise InvalidInput(f"{printable(what)}: neither a file nor a rule", hint=hint) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def _say(rules: list[Rule], as_json: bool) -> None:
    if as_json:
        rows = [
            {"label": rule.label, "looks_at": rule.looks_at, "remedy": rule.remedy, "link": rule.link} for rule in rules
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for number, rule in enumerate(rules):
        click.echo("\n" * bool(number) + rule.label)
        _paragraph("looks at", rule.looks_at)
        if len(rules) == 1:
            _paragraph("remedy", rule.remedy)
            _paragraph("more", rule.link)


def _explain(comparison: Comparison, trace: Trace | None, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_row(divergence, trace) for divergence in comparison.divergences], indent=1))
        return
    click.echo(f"{comparison.verdict}: {len(comparison.divergences)} divergences")
    for divergence in comparison.divergences:
        package = f"  [{printable(divergence.package)}]" if divergence.package else ""
        click.echo(f"\n{facts.place(divergence.location)}{package}")
        if not divergence.causes:
            _paragraph("cause", "not asked: the comparison was written without causes")
        for cause in divergence.causes:
            _paragraph(cause.confidence, cause.label)
            for said in cause.evidence:
                _paragraph("", printable(said))
            _paragraph("remedy", cause.remedy)
            _paragraph("more", cause.link)
        if trace and (path := _traced(divergence, trace)):
            _say_writers(path, trace)


def _traced(divergence: Divergence, trace: Trace) -> str:
    """The path of the tree that diverges, as the trace has it; empty where nobody was seen to write it."""
    return next((part for part in divergence.location if trace.chain(part)), "")


def _row(divergence: Divergence, trace: Trace | None) -> dict[str, object]:
    causes = [asdict(cause) for cause in divergence.causes]
    seen = _writers(path, trace) if trace and (path := _traced(divergence, trace)) else {}
    return {"location": divergence.location, "package": divergence.package, "causes": causes, **seen}


def _paragraph(title: str, text: str) -> None:
    """`text` below `title`, nothing where there is none; a word longer than a line stays whole, as links must."""
    lines = wrap(text, _WIDTH - 12, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        click.echo(f"  {title if not number else '':<9} {line}")
