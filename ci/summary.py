"""Join what a gate found into one comment: `summary.md`, the word `verdict`, and SARIF runs that can be told apart.

Called by gate.sh with any Python 3; it needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

LIMIT = 60_000  # characters of the comment; GitHub takes 65,536
LOG = 30  # lines of a log that ended without a verdict
MEANING = {
    0: "the check holds",
    1: "different",
    2: "an invalid option, recipe, pin or lock",
    3: "a build step failed",
    4: "inputs are unavailable: try again or add a source",
    5: "a hash or a signature is wrong; nothing of it was used",
    6: "a policy is not met",
    7: "inconclusive: something could not be examined",
    70: "a bug in repro",
    130: "interrupted",
}
VERDICTS = {1: "different", 6: "policy", 7: "inconclusive"}
GOOD = ("known", "identical", "untouched")  # how exit code 0 came about; the first says least
LEFT_OUT = "\n… the rest is in the reports\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--code", type=int, required=True)
    parser.add_argument("folder", type=Path)
    parser.add_argument("results", nargs="+", metavar="RECIPE=CODE")
    args = parser.parse_args()
    codes = {recipe: int(code) for recipe, _, code in (result.partition("=") for result in args.results)}
    verdicts = {recipe: verdict(args.folder / recipe, recipe, code) for recipe, code in codes.items()}
    overall = VERDICTS.get(args.code, "none")
    if args.code == 0:
        overall = next(word for word in GOOD if word in verdicts.values())
    for recipe in codes:
        for path in pages(args.folder / recipe, "report*.sarif"):
            tell_apart(path, f"{args.name}/{recipe}/{path.stem}/")
    (args.folder / "summary.md").write_text(summary(args, codes, verdicts, overall), encoding="utf-8")
    (args.folder / "verdict").write_text(f"{overall}\n", encoding="utf-8")
    for recipe, code in codes.items():
        print(f"gate: {recipe}: {verdicts[recipe]} (exit {code})")
    print(f"gate: {overall}: {meaning(args.code)} (exit {args.code}); reports in {args.folder}")


def verdict(folder: Path, recipe: str, code: int) -> str:
    """One word for what `repro verify` found: of exit code 0 also how it came about."""
    if code:
        return VERDICTS.get(code, "none")
    if f"\n{recipe}: untouched since " in f"\n{log(folder)}":
        return "untouched"
    found = {json.loads(path.read_bytes())["verdict"] for path in pages(folder, "report*.json")}
    return "identical" if found <= {"identical"} else "known"


def meaning(code: int) -> str:
    return MEANING.get(code, "it ended without an answer")


def summary(args: argparse.Namespace, codes: dict[str, int], verdicts: dict[str, str], overall: str) -> str:
    """The comment, at most LIMIT characters: what it all means, then of each recipe as much as there is room for."""
    lines = [
        f"<!-- repro gate: {args.name} -->",
        f"## repro: {overall}",
        "",
        f"Exit code {args.code}: {meaning(args.code)}.",
        "",
        "| recipe | result | exit code |",
        "| --- | --- | --- |",
        *(f"| `{recipe}` | {verdicts[recipe]} | {code}: {meaning(code)} |" for recipe, code in codes.items()),
    ]
    text = "\n".join(lines) + "\n"
    if len(text) > LIMIT:  # some thousand recipes
        return text[: text.rindex("\n", 0, LIMIT - len(LEFT_OUT))] + "\n" + LEFT_OUT
    shown = [(recipe, body) for recipe in codes if (body := details(args.folder / recipe, verdicts[recipe]))]
    for number, (recipe, body) in enumerate(shown):
        head = f"\n### `{recipe}`\n\n"
        room = (LIMIT - len(text)) // (len(shown) - number)  # what one leaves is for those after it
        if room > len(head) + len(LEFT_OUT):
            text += head + cut(body, room - len(head))
    return text


def details(folder: Path, found: str) -> str:
    """The Markdown reports of one recipe; where there is no verdict the end of its log, fenced."""
    if found == "none":
        lines = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in log(folder)).splitlines()[-LOG:]
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", "\n".join(lines))), 3)
        return "\n".join([fence, *(line[:500] for line in lines), fence, ""])
    return "\n".join(path.read_text(encoding="utf-8") for path in pages(folder, "report*.md"))


def cut(text: str, room: int) -> str:
    """`text` within `room` characters: folds and fences whole or not at all, the rest by line."""
    if len(text) <= room:
        return text
    room -= len(LEFT_OUT)
    kept = ""
    for piece in pieces(text.splitlines(keepends=True)):
        if len(kept) + len(piece) <= room:
            kept += piece
        elif "<details>" not in piece:
            break  # a table or a list ends here; a fold can be left out and the next one be there
    return kept + LEFT_OUT


def pieces(lines: Sequence[str]) -> Iterator[str]:
    """`lines` joined to what must not be torn."""
    piece, fence, inside = "", "", False
    for line in lines:
        piece += line
        mark = re.match("`{3,}", line)
        if fence:
            fence = "" if line.rstrip("\n") == fence else fence
        elif mark:
            fence = mark[0]
        elif line.startswith("<details>"):
            inside = True
        elif line.startswith("</details>"):
            inside = False
        if not fence and not inside:
            yield piece
            piece = ""


def tell_apart(path: Path, identity: str) -> None:
    """Give the runs in the SARIF file `path` the category `identity`: GitHub refuses two runs of the same one."""
    document = json.loads(path.read_bytes())
    for run in document["runs"]:
        run["automationDetails"] = {"id": identity}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def pages(folder: Path, pattern: str) -> list[Path]:
    """The files of one form, one a comparison: report.md, report-2.md … report-10.md."""
    return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))


def log(folder: Path) -> str:
    path = folder / "log.txt"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


if __name__ == "__main__":
    main()
