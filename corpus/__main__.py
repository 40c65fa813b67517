"""`make corpus` and `make corpus-score`: `python -m corpus make|score [FOLDER] [GROUP…]`.

`score` makes what is not there; of what the rules were written against it lists each wrong answer, of what was held
back only how many there are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from corpus import cases, images, score
from corpus.judging import answers
from corpus.plant import SIDES, SUFFIXES, plant

FOLDER = Path("out/corpus")


def main(argv: list[str]) -> int:
    what, *rest = argv
    folder = Path(rest[0]) if rest else FOLDER
    chosen = {name: group for name, group in cases.groups().items() if name in rest[1:] or not rest[1:]}
    for name, group in chosen.items():
        if what == "make" or not _made(folder / name):
            plant(name, group, folder / name)
            print(f"{name}: {len(group)} cases in {len(SUFFIXES)} containers", flush=True)
    pairs = folder / images.GROUP
    whole = images.GROUP in rest[1:] or not rest[1:]
    if whole and (what == "make" or not images.made(pairs)):
        images.make(pairs)
        print(f"{images.GROUP}: {len(images.FACTORS)} pairs of {images.RECIPE}", flush=True)
    if what == "make":
        return 0
    found = [each for name, group in chosen.items() for each in answers(name, group, folder / name)]
    found += images.answers(pairs) if whole else ()
    for each in found:
        if not each.correct and not each.held_back:
            print(f"{each.case}: {each.said} ({each.confidence}), not {' or '.join(sorted(each.right))}: {each.place}")
    for line in score.render(found):
        print(line)
    print(score.cases(found))
    print(score.summary(found))
    return 0 if score.good(found) else 1


def _made(folder: Path) -> bool:
    return all((folder / f"{side}{suffix}").exists() for side in SIDES for suffix in SUFFIXES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
