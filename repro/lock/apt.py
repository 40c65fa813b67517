"""apt as the solver: an isolated apt state that knows the given Packages indexes and nothing else.

apt runs either on the host or in the locked toolchain; a `Room` says where. Both see the same files and options,
neither the host's sources nor its installed set.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from repro.model.errors import BuildFailed, InvalidInput
from repro.system.run import CommandFailed, run


@dataclass(frozen=True)
class Room:
    """A place where apt can run: `base` is a folder there, `write` makes a file, `run` returns standard output."""

    base: str
    write: Callable[[str, bytes], None]
    run: Callable[[Sequence[str], Mapping[str, str]], str]


@dataclass(frozen=True)
class Repository:
    """What apt shall know: a Packages file (uncompressed), and of its Release the fields that preferences go by."""

    packages: bytes
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def release(self) -> bytes:
        """A Release document of a flat repository with this one index."""
        row = f" {hashlib.sha256(self.packages).hexdigest()} {len(self.packages)} Packages\n"
        return "".join((*(f"{key}: {value}\n" for key, value in self.facts.items()), "SHA256:\n", row)).encode()


def configuration(base: str, architectures: Sequence[str]) -> bytes:
    """An apt.conf that moves every path below `base`, so that nothing of the surrounding system is read; the first of
    `architectures` is the system's own."""
    listed = " ".join(f'"{architecture}";' for architecture in architectures)
    return f"""
Dir "{base}";
Dir::Etc::main "{base}/none";
Dir::Etc::parts "{base}/none.d";
Dir::Etc::sourcelist "{base}/sources.list";
Dir::Etc::sourceparts "{base}/none.d";
Dir::Etc::preferences "{base}/none";
Dir::Etc::preferencesparts "{base}/none.d";
Dir::Etc::trusted "{base}/none";
Dir::Etc::trustedparts "{base}/none.d";
Dir::State "{base}/state";
Dir::State::status "{base}/state/status";
Dir::Cache "{base}/cache";
Dir::Log "{base}/log";
APT::Architecture "{architectures[0]}";
APT::Architectures {{ {listed} }};
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "true";
Acquire::Languages "none";
Acquire::ForceHash "sha256";
Acquire::AllowInsecureRepositories "true";
Binary::apt-get::Acquire::AllowInsecureRepositories "true";
""".encode()


def solve(
    room: Room, repositories: Sequence[Repository], architectures: Sequence[str], wanted: Sequence[str]
) -> list[str]:
    """The SHA-256 of every .deb that apt would install for `wanted` on an empty system, sorted.

    The first of `repositories` has the highest priority among equal versions; one that is NotAutomatic gives only what
    is asked of it. The first of `architectures` is the system's own, the others are foreign.
    Raises InvalidInput with apt's own words where it finds no solution, BuildFailed where apt cannot work at all.
    """
    base = room.base
    for number, repository in enumerate(repositories):
        room.write(f"{base}/repo/{number}/Packages", repository.packages)
        room.write(f"{base}/repo/{number}/Release", repository.release)
    sources = (f"deb [trusted=yes] copy:{base}/repo/{number} ./\n" for number in range(len(repositories)))
    room.write(f"{base}/sources.list", "".join(sources).encode())
    room.write(f"{base}/apt.conf", configuration(base, architectures))
    for empty in ("state/status", "state/lists/partial/.keep", "cache/archives/partial/.keep", "none.d/.keep"):
        room.write(f"{base}/{empty}", b"")
    env = {"APT_CONFIG": f"{base}/apt.conf"}
    room.run(["apt-get", "-q", "update"], env)
    essential = "?essential" if len(architectures) == 1 else f"?and(?essential, ?architecture({architectures[0]}))"
    try:
        plan = room.run(["apt-get", "-q", "-y", "--print-uris", "install", essential, *wanted], env)
    except BuildFailed as error:
        said = _words_of(error)
        if "E: " not in said:
            raise
        raise InvalidInput(f"apt finds no solution:\n{said[-1500:]}") from error
    hashes = sorted(set(re.findall(r"^'[^']+' \S+ \d+ SHA256:([0-9a-f]{64})$", plan, re.MULTILINE)))
    counted = re.search(r"(?m)^\d+ upgraded, (\d+) newly installed", plan)  # lest a plan that was cut passes for one
    if counted is None or int(counted[1]) != len(hashes):
        planned = counted[1] if counted else "no"
        raise BuildFailed(f"apt planned {planned} packages and named {len(hashes)} with a hash")
    return hashes


def _words_of(error: BuildFailed) -> str:
    """What apt wrote: all of it where it ran on the host, its last lines where in a sandbox."""
    if isinstance(error, CommandFailed):
        return (error.done.stdout + error.done.stderr).decode(errors="replace").strip()
    return error.message


@contextmanager
def host_room() -> Iterator[Room]:
    """apt of the host, in a temporary folder. Raises BuildFailed where the host has none."""
    with tempfile.TemporaryDirectory(prefix="repro-apt-") as folder:
        hint = "without apt on the host, `repro lock` needs a recipe.lock whose toolchain has it"

        def write(path: str, data: bytes) -> None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(data)

        def execute(argv: Sequence[str], env: Mapping[str, str]) -> str:
            return run(argv, env=env, hint=hint).stdout.decode(errors="replace")

        yield Room(folder, write, execute)
