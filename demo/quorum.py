"""`make quorum-demo`: five rebuilders rebuild an image, sign and publish, and a person counts what they say.

Five homes and stores, five places, four users, three backends, two clocks; then an image with one altered bit, forged,
replayed and expired statements. Everything is done by `repro` itself, each rebuilder in processes of their own. What
they do is printed as a transcript; the exit code is 1 where a count is not what it should be.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.pipeline.bench import Bench, Clone, Person
from tests.users import ROOT

RECIPE = "minimal"
PASSPHRASE = "correct horse battery staple"
PAST = "-30d"  # the other clock


@dataclass(frozen=True)
class Rebuilder:
    """Somebody who rebuilds: where, as whom, how, by which clock."""

    name: str
    person: Person
    backend: str
    clock: str
    clone: Clone
    home: Path
    store: Path
    out: Path

    @property
    def site(self) -> Path:
        return self.home / "public"


class Stage:
    """The bench that all stand at, and the transcript."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.failures: list[str] = []

    def say(self, text: str = "") -> None:
        """Print `text`, with names that are the same in every run for addresses and folders."""
        text = re.sub(r"http://127\.0\.0\.1:\d+/home-(\w+)/[^…\s]*", r"https://\1.example.org/", text)
        print(text.replace(str(self.bench.folder), "…"), flush=True)

    def repro(self, who: Rebuilder | None, *args: str, shown: Sequence[str] = (), code: int = 0) -> str:
        """`repro ARGS` by `who`, or by a person in the project; standard output. Anything but `code` is a failure."""
        self.say(f"$ repro {' '.join(shown or args)}")
        env = {"REPRO_SNAPSHOT_URL": "http://127.0.0.1:9", "COLUMNS": "80"}
        if who:
            env["HOME"] = str(who.home)
        done = self.bench.run(
            *("-q", *args),
            clone=who.clone if who else ROOT,
            person=who.person if who else None,
            store=who.store if who else None,
            env=env,
        )
        if done.returncode != code:
            self.failures.append(f"repro {' '.join(args)}: exit {done.returncode}, not {code}")
            self.say(done.stderr)
        return done.stdout + (done.stderr if code else "")

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        good = found == wanted
        self.say(f"  {'ok' if good else 'WRONG'}: {what}: {found}" + ("" if good else f", not {wanted}"))
        if not good:
            self.failures.append(what)

    def counts(self, what: str, document: str, **wanted: int) -> dict[str, Any]:
        """Hold the counts in what `quorum --json` wrote against `wanted`."""
        found: dict[str, Any] = json.loads(document[: document.rindex("}") + 1])
        self.expect(what, found["counts"], wanted)
        return found


def another_time(shift: str) -> tuple[str, ...]:
    """Settings by which libfaketime shows a program another time."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        sys.exit("libfaketime is missing (package faketime)")
    return f"LD_PRELOAD={found[0]}", f"FAKETIME={shift}", "FAKETIME_DONT_FAKE_MONOTONIC=1"


def rebuilders(stage: Stage) -> Iterator[Rebuilder]:
    """Five of them; where this is no root, all are the same user and no backend is `root`."""
    bench = stage.bench
    store = bench.folder / "fetched"
    first = bench.clone("fetching")
    first.project(RECIPE)
    stage.say(f"$ repro fetch {RECIPE}")
    done = bench.run("fetch", RECIPE, clone=first, store=store)
    stage.say(done.stdout.strip() or done.stderr)
    root = os.getuid() == 0
    for number, (name, backend, clock, place) in enumerate(
        (
            ("alice", "root" if root else "subuid", "", "alice"),
            ("bob", "root" if root else "fakeroot", PAST, "a place of bob's, with blanks in its name"),
            ("carol", "subuid", "", "carol"),
            ("dave", "fakeroot", PAST, "dave/below/another/folder"),
            ("erin", "fakeroot", "", "erin"),
        )
    ):
        person = bench.me if backend == "root" else bench.ordinary(number)
        if clock:
            person = replace(person, prefix=(*person.prefix, "env", *another_time(clock)))
        (bench.folder / place).parent.mkdir(parents=True, exist_ok=True)
        clone = bench.clone(place)
        clone.project(RECIPE)
        shutil.copytree(ROOT / "reports", clone.folder / "reports")
        home = bench.new_folder(f"home-{name}", person.uid)
        theirs = bench.clone_store(store, f"store-{name}", person.uid)
        yield Rebuilder(name, person, backend, clock, clone, home, theirs, home / "out")


def rebuild(stage: Stage, who: Rebuilder) -> str:
    """Rebuild, sign, publish; the digest of the claim."""
    clock = f"clock {who.clock}" if who.clock else "clock of today"
    stage.say(
        f"\n{who.name}: user {who.person.name}, backend {who.backend}, {clock}, {clock and who.clone.folder.name!r}"
    )
    key, secret = who.home / "key", who.home / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    os.chown(secret, who.person.uid, -1)
    signing = ("--passphrase-file", str(secret))
    stage.repro(who, "attest", "keygen", str(key), *signing, shown=("attest", "keygen", "key"))
    verify = ("verify", RECIPE, "--rebuilds", "1", "--backend", who.backend, "-o", str(who.out))
    said = stage.repro(who, *verify, shown=(*verify[:-1], "out"))
    stage.say("\n".join(f"  {line}" for line in said.splitlines() if line.startswith(("rebuild-1", "verdict"))))
    create = ("attest", "create", RECIPE, "-o", str(who.out), "--key", f"{key}.key", *signing)
    stage.repro(who, *create, shown=("attest", "create", RECIPE, "-o", "out", "--key", "key.key"))
    statement = who.out / f"{RECIPE}.rebuild.intoto.json"
    publish = ("attest", "publish", str(who.site), str(statement), str(who.out / f"{RECIPE}.iso.link"))
    stage.repro(who, *publish, shown=("attest", "publish", "public", f"out/{statement.name}", f"out/{RECIPE}.iso.link"))
    claim = payload(statement)["predicate"]["claim"]
    return json.dumps(claim, sort_keys=True)


def payload(statement: Path) -> dict[str, Any]:
    """What a statement says, whoever signed it."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(statement.read_bytes())["payload"]))
    return found


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`folder` on a web server of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def policy(folder: Path, people: Sequence[Rebuilder], statements: Sequence[str]) -> Path:
    """Three of five."""
    lines = ['schema = "repro/policy/v1"', "threshold = 3", f"statements = {json.dumps(list(statements))}"]
    lines += ["[artifact]", f'name = "{RECIPE}.iso"', f'recipe = "{RECIPE}"']
    for who in people:
        shutil.copy(who.home / "key.pub", folder / f"{who.name}.pub")
        lines += ["[[rebuilder]]", f'name = "{who.name}"', f'keys = ["{who.name}.pub"]']
    path = folder / "policy.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def spoil(stage: Stage, people: Sequence[Rebuilder], folder: Path) -> None:
    """Alice's, Bob's and Carol's statements as they are; two forged ones, one replayed, one expired."""
    alice, bob, carol, dave, _ = people
    names = {who.name: who.out / f"{RECIPE}.rebuild.intoto.json" for who in people}
    for who in (alice, bob, carol):
        shutil.copy(names[who.name], folder / f"{who.name}.intoto.json")
    envelope = json.loads(names["dave"].read_bytes())
    said = payload(names["dave"])
    said["predicate"]["run"]["signed"] = "2026-11-24T00:00:00Z"
    envelope["payload"] = base64.b64encode(json.dumps(said).encode()).decode()
    (folder / "dave-altered.intoto.json").write_text(json.dumps(envelope))
    mine = json.loads(names["alice"].read_bytes())
    mine["signatures"][0]["keyid"] = json.loads(names["erin"].read_bytes())["signatures"][0]["keyid"]
    (folder / "erin-by-another-key.intoto.json").write_text(json.dumps(mine))
    shutil.copy(names["alice"], folder / "alice-again.intoto.json")
    secret = ("--passphrase-file", str(dave.home / "passphrase"))
    create = ("attest", "create", RECIPE, "-o", str(dave.out), "--key", str(dave.home / "key.key"))
    stage.repro(dave, *create, "--valid-for", "7", *secret, shown=("attest", "create", "…", "--valid-for", "7"))
    shutil.copy(names["dave"], folder / "dave-expired.intoto.json")


def run(stage: Stage) -> None:
    bench = stage.bench
    people = list(rebuilders(stage))
    claims = [rebuild(stage, who) for who in people]
    stage.say("\nFive claims, byte for byte:")
    stage.expect("different ones", len(set(claims)), 1)
    with served(bench.folder) as address:
        sites = [f"{address}/{who.site.relative_to(bench.folder)}" for who in people]
        folder = bench.new_folder("person")
        rules = policy(folder, people, sites)
        image = people[0].out / f"{RECIPE}.iso"
        ask = ("attest", "quorum", "--policy", str(rules), "--artifact")

        stage.say("\nA person counts, 3 of 5:")
        shown = (*ask[:3], "policy.toml", "--artifact", image.name)
        stage.say(stage.repro(None, *ask, str(image), shown=shown))

        stage.say("The same without building anything, from the addresses of image and statements:")
        verify = ("verify", RECIPE, "--against", f"{address}/{image.relative_to(bench.folder)}", "--quorum", str(rules))
        shown = ("verify", RECIPE, "--against", "https://…/minimal.iso", "--quorum", "policy.toml")
        out = ("-o", str(bench.folder / "person-out"))
        stage.say(stage.repro(None, *verify, *out, shown=shown).splitlines()[-1])

        stage.say("\nThe image with one altered bit:")
        broken = folder / f"{RECIPE}.iso"
        shutil.copy(image, broken)
        with open(broken, "r+b") as file:
            file.seek(broken.stat().st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
        stage.say(
            stage.repro(None, *ask, str(broken), shown=(*ask[:3], "policy.toml", "--artifact", image.name), code=6)
        )
        document = stage.repro(None, *ask, str(broken), "--json", shown=("attest", "quorum", "…", "--json"), code=6)
        found = stage.counts("counts", document, agreeing=0, dissenting=5, unknown=0, invalid=0)
        names = [voice["rebuilder"] for voice in found["voices"] if voice["counted"]]
        stage.expect("the dissent is named", names, [who.name for who in people])

        stage.say("\nTwo forged statements, one replayed, one expired beside three good ones:")
        mixed = bench.new_folder("mixed")
        spoil(stage, people, mixed)
        shown = (*ask[:3], "policy.toml", "--artifact", image.name, "mixed/")
        stage.say(stage.repro(None, *ask, str(image), str(mixed), shown=shown))
        document = stage.repro(None, *ask, str(image), str(mixed), "--json", shown=("attest", "quorum", "…", "--json"))
        stage.counts("counts", document, agreeing=3, dissenting=0, unknown=0, invalid=4)

        stage.say("\nWithout Carol's:")
        (mixed / "carol.intoto.json").unlink()
        document = stage.repro(None, *ask, str(image), str(mixed), "--json", shown=(*shown, "--json"), code=5)
        stage.counts("counts", document, agreeing=2, dissenting=0, unknown=0, invalid=4)


def main() -> int:
    stage = Stage()
    try:
        run(stage)
    finally:
        stage.bench.close()
    for failure in stage.failures:
        stage.say(f"WRONG: {failure}")
    stage.say("\neverything is as it should be" if not stage.failures else f"\n{len(stage.failures)} things are wrong")
    return 1 if stage.failures else 0


if __name__ == "__main__":
    sys.exit(main())
