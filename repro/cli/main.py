"""`repro`: the command line's root. Options that every command shares, and the one place that maps errors to exits."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
from importlib import import_module

import click

from repro import __version__
from repro.cli.context import Context, default_store
from repro.cli.exits import EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE, EXIT_UNAVAILABLE, complain, exit_code
from repro.model.errors import BuildFailed, ReproError
from repro.system.progress import observer

_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT)

# One module a command: `repro.cli.NAME` defines `command`. Loaded only when it is asked for: `--help` is instant, and
# `doctor` works where others cannot.
COMMANDS = {
    "pin": "Pin archive suites by snapshot time, InRelease hash and signers.",
    "lock": "Resolve a recipe to the exact packages that it installs.",
    "fetch": "Bring everything that a recipe's lock names into the store.",
    "build": "Make an image once.",
    "compare": "Say where two artifacts differ.",
    "verify": "Rebuild an image and say whether the bits are the same.",
    "hunt": "Find which factor diverges which file.",
    "explain": "Say why what diverges does, and what settles it.",
    "lint": "Say what in a root tree would differ from build to build.",
    "attest": "Sign what was found; count what other rebuilders say.",
    "report": "Render a comparison that was made before.",
    "boot": "Start an image in a virtual machine, and ask it questions.",
    "serve": "A snapshot archive of one's own, from the store.",
    "store": "Look at the store of fetched and built things.",
    "doctor": "Say what this host has and lacks.",
}

SANDBOXED = ("lock", "build", "verify", "hunt")  # these unpack packages, at the latest after minutes of fetching


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"repro.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--store", type=click.Path(file_okay=False), help="Where fetched and built things are kept.")
@click.option("--offline", is_flag=True, help="Never open a socket; fail (exit 4) where something is missing.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "json", "none"]),
    default="auto",
    show_default=True,
    help="How progress is shown, on standard error.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more; on a bug, show the traceback.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes; results and errors only.")
@click.version_option(__version__, prog_name="repro")
@click.pass_context
def cli(ctx: click.Context, store: str | None, offline: bool, progress: str, verbose: bool, quiet: bool) -> None:
    """Rebuild a Debian-based live image from pinned inputs and prove whether the bits are the same.

    \b
    Exit codes: 0 identical or the check holds; 1 different or stale; 2 usage or
    invalid recipe, pin or lock; 3 a build step failed; 4 inputs unavailable;
    5 wrong hash or signature; 6 policy not met; 7 inconclusive; 130 interrupted.
    """
    if ctx.invoked_subcommand in SANDBOXED and not {"-h", "--help"} & set(sys.argv):
        from repro.system.host import LIBARCHIVE, can_load  # noqa: PLC0415  (dear, and the other commands do without)

        if not can_load(LIBARCHIVE):
            hint = "`repro doctor` says what to install"
            raise BuildFailed(f"{LIBARCHIVE} is missing, which unpacks packages", hint=hint)
    ctx.obj = Context(
        store_path=default_store(store),
        offline=offline,
        observer=observer("none" if quiet else progress),
        verbose=verbose,
    )


def main() -> None:
    """Run the command line and exit as DESIGN section 5 says."""
    gc.set_threshold(10_000, 20, 50)  # a comparison makes many small objects without cycles: looking for them is dear
    try:
        code = _run()
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except ReproError as error:
        complain(error)
        code = exit_code(error)
    except (KeyboardInterrupt, click.Abort):
        print("repro: interrupted; what was finished is kept", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except OSError as error:
        code = _output_failed(error) if error.errno in _OUTPUT_ERRORS else _bug(error)
    except Exception as error:  # everything else is a bug of ours, and must not look like a verdict
        code = _bug(error)
    sys.exit(code)


def _run() -> int:
    """The exit code that the command returned. Not click's own `main`: that one takes EOFError for Ctrl-C and exits
    with 1, which here means "different", where nobody reads the output."""
    if "_REPRO_COMPLETE" in os.environ:
        cli.main(prog_name="repro")  # a shell asks for completions
    with cli.make_context("repro", sys.argv[1:]) as ctx:
        result = cli.invoke(ctx)
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _output_failed(error: OSError) -> int:
    """Standard output cannot take more: full, or read by nobody. What is left in its buffer is dropped."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return EXIT_PIPE
    print(f"repro: cannot write the output: {error.strerror}", file=sys.stderr)
    return EXIT_UNAVAILABLE


def _bug(error: Exception) -> int:
    if "-v" in sys.argv or "--verbose" in sys.argv:
        import traceback  # noqa: PLC0415  (only a bug needs it)

        traceback.print_exc()
    print(f"repro: internal error: {type(error).__name__}: {error}", file=sys.stderr)
    print("hint: this is a bug in repro; run again with -v and report the traceback", file=sys.stderr)
    return EXIT_BUG


if __name__ == "__main__":
    main()
