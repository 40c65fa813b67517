"""`--help` of every command: within 80 columns, with words of its own, and the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from repro.cli.main import COMMANDS, cli
from tests.users import ROOT


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from commands(found, (*path, name))


ALL = dict(commands(cli))


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "repro")
def test_help_fits_and_explains(path: tuple[str, ...]) -> None:
    command = ALL[path]
    with cli.make_context("repro", ["doctor"]) as root:
        text = click.Context(command, parent=root, info_name=" ".join(path), terminal_width=80).get_help()
    assert max(len(line) for line in text.splitlines()) <= 80, text
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            told = parameter.help or parameter.show_default
            assert told, f"{' '.join(path)} {parameter.opts[0]} is not explained"


def test_the_roots_list_names_commands_that_are_there_and_fits() -> None:
    for name, line in COMMANDS.items():
        assert isinstance(import_module(f"repro.cli.{name}").command, click.Command)
        assert line.endswith(".")
        assert len(line) <= 66


def test_help_through_a_process_is_quick_and_loads_no_room() -> None:
    code = (
        "import sys; sys.argv = ['repro', '--help']\n"
        "import atexit; atexit.register(lambda: sys.stderr.write(' '.join(m for m in sys.modules if 'repro.' in m)))\n"
        "from repro.cli.main import main; main()"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Usage: repro [OPTIONS] COMMAND [ARGS]...")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not [room for room in ("snapshot", "sandbox", "image", "compare") if f"repro.{room}" in done.stderr]
    assert time.monotonic() - started < 5


def test_a_command_of_each_kind_through_a_process() -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    for args in (["-h"], ["doctor", "-h"], ["pin", "--help"], ["pin", "add", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "repro.cli.main", *args], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: repro")
        assert not done.stderr
