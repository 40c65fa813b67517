"""`verify` for any number of recipes: which of them, where each one writes, and what they exit with together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from repro import pipeline
from repro.cli.exits import EXIT_INTERRUPTED, complain, exit_code, worst
from repro.cli.project import find_project
from repro.model.errors import InvalidInput, ReproError
from repro.model.project import Project

# Options that are about one image.
_ALONE = ("against", "publish", "update_baseline")
_SAID = {0: "as it should be", 1: "different", 6: "a policy is not met", 7: "inconclusive"}


def verify_each(one: Callable[..., int], named: Sequence[str], revision: str | None, options: dict[str, Any]) -> int:
    """Call `one(recipe=…, **options)` for each recipe that is `named`, or for all of the project where only `revision`
    is given; with `revision` only for those that the change since then can touch. The worst of their exit codes.

    Where more than one could be meant, each gets an output folder and reports of its own, and what one of them raises
    is said and counted while the others go on. Raises InvalidInput where nothing is named, or what is unknown.
    """
    if not named and revision is None:
        raise InvalidInput(
            "no RECIPE is named", hint="name one or more, or give --changed-since for all that it touches"
        )
    project = find_project()
    names = _known(project, named)
    alone = len(names) == 1 and bool(named)
    if not alone and (given := [option for option in _ALONE if options.get(option)]):
        option = f"--{given[0].replace('_', '-')}"
        raise InvalidInput(f"{option} takes exactly one RECIPE", hint=f"name the one that {option} is about")
    wanted = frozenset(names) if revision is None else pipeline.changed_recipes(project, names, revision)
    codes: dict[str, int] = {}
    for name in names:
        if name not in wanted:
            click.echo(f"{name}: untouched since {revision}")
        elif alone:
            return one(recipe=name, **options)
        else:
            click.echo(f"{name}:")
            codes[name] = _guarded(one, name, options)
            if codes[name] == EXIT_INTERRUPTED:
                return EXIT_INTERRUPTED
    for name, code in codes.items():
        click.echo(f"{name}: exit {code} ({_SAID.get(code, 'no verdict')})")
    return worst(codes.values())


def _known(project: Project, named: Sequence[str]) -> list[str]:
    """`named`, each once, or every recipe there is. Raises InvalidInput before anything is built for the others."""
    known = pipeline.recipe_names(project)
    for name in named:
        if name not in known:
            raise InvalidInput(f"there is no recipe {name!r}", hint=f"there are: {', '.join(known) or 'none'}")
    return list(dict.fromkeys(named)) or known


def _guarded(one: Callable[..., int], name: str, options: dict[str, Any]) -> int:
    output: Path | None = options["output"]
    reports = [(form, path.with_name(f"{path.stem}.{name}{path.suffix}")) for form, path in options["reports"]]
    try:
        return one(recipe=name, **{**options, "output": output and output / name, "reports": reports})
    except ReproError as error:
        complain(error, f"{name}: ")
        return exit_code(error)
