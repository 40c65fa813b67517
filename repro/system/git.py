"""What git knows of a work tree: where it is, and which files are not as they were at a commit.

Git runs without the hooks, pager, watcher, external diffs and display settings of whoever uses it, and takes no lock.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from repro.model.errors import BuildFailed, InvalidInput
from repro.system.run import Completed, run

_SETTINGS = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("core.pager", "cat"),
    ("core.fileMode", "true"),
    ("core.ignoreStat", "false"),
    ("core.untrackedCache", "false"),
    ("diff.orderFile", os.devnull),
)
_DIFF = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative", "--no-color")
_LIMIT = 256 << 20  # bytes of names


def work_tree(folder: Path) -> Path:
    """The top of the git work tree that `folder` lies in. Raises InvalidInput where it is in none, or git refuses."""
    done = _git(folder, "rev-parse", "--show-toplevel", ok=range(256))
    if done.code:
        hint = "--changed-since asks git; verify without it, or work in a clone"
        raise InvalidInput(f"{folder}: {_said(done)}", hint=hint)
    return Path(os.fsdecode(done.stdout.removesuffix(b"\n")))


def merge_bases(top: Path, revision: str) -> tuple[str, ...]:
    """The best common ancestors of `revision` and HEAD: ids of commits, at least one.

    Raises InvalidInput where one of the two names no commit, or they have no ancestor in common.
    """
    theirs = _commit(top, revision)
    bases = _git(top, "merge-base", "--all", theirs, _commit(top, "HEAD"), ok=(0, 1)).stdout.decode().split()
    if not bases:
        raise InvalidInput(f"{revision!r} and HEAD have no commit in common", hint=_more_history(top))
    return tuple(bases)


def changed_paths(top: Path, bases: Collection[str], others: Collection[str]) -> frozenset[str]:
    """The files that are not what they were at one of the commits `bases`, as paths below `top`.

    A renamed file counts by both names. Files that git does not track count where they lie below one of the paths
    `others`; also those that it ignores. A repository within this one is one path.
    """
    found: set[bytes] = set()
    for base in bases:
        done = _git(top, "diff", *_DIFF, "--ignore-submodules=none", base, "--")
        found.update(done.stdout.split(b"\0"))
    if others:
        done = _git(top, "ls-files", "-z", "--others", "--", *sorted(others))
        found.update(name.rstrip(b"/") for name in done.stdout.split(b"\0"))
    return frozenset(os.fsdecode(name) for name in found if name)


def _commit(top: Path, revision: str) -> str:
    """The id of the commit that `revision` names. Raises InvalidInput."""
    if not revision or revision.startswith("-"):
        raise InvalidInput(f"{revision!r} is not a revision", hint="name a commit, a branch or a tag")
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    done = _git(top, *words, ok=range(256))
    if done.code:
        raise InvalidInput(f"git knows no commit {revision!r}", hint=_more_history(top))
    return done.stdout.decode().strip()


def _more_history(top: Path) -> str:
    shallow = _git(top, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
    how = "fetch more history (fetch-depth: 0 on GitHub, GIT_DEPTH: 0 on GitLab, or `git fetch --unshallow`)"
    return f"this clone is shallow: {how}" if shallow else f"see `git log --all`; in a clone for CI, {how}"


def _git(folder: Path, *words: str, ok: Collection[int] = (0,)) -> Completed:
    """Git's answer. Raises InvalidInput where it cannot be run, exits with another code, or says too much."""
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ}  # safe.directory
    quiet = {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
    }
    settings = (word for name, value in _SETTINGS for word in ("-c", f"{name}={value}"))
    try:
        done = run(
            ["git", "--no-pager", *settings, *words],
            env={**kept, **quiet},
            cwd=folder,
            limit=_LIMIT,
            ok=range(-64, 256),
        )
    except BuildFailed as error:
        raise InvalidInput(error.message, hint="install git, or verify without --changed-since") from error
    if done.code not in ok:
        raise InvalidInput(f"git {words[0]} failed: {_said(done)}", hint="verify without --changed-since")
    if done.truncated:
        raise InvalidInput("git names too many changed files", hint="verify without --changed-since")
    return done


def _said(done: Completed) -> str:
    """The first line of git's complaint."""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else f"git exited with {done.code}"
