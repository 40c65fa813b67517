"""Who wrote what, of real programs of this host in a lent room: each way to write a file, and each thing asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from repro.model import trace as traces
from repro.model.errors import BuildFailed, InvalidInput
from repro.model.trace import Process, Trace
from repro.sandbox import lent, toolchain, tracer
from repro.sandbox.backend import choose
from repro.sandbox.environment import Environment
from repro.sandbox.session import Session, open_session
from tests import schemas

EPOCH = 1700000000
TOP = "/build"


@dataclass
class Room:
    """A session with this host's programs, whose folder TOP is traced."""

    session: Session

    def run(self, script: str, title: str = "test", shell: str = "/bin/sh") -> Trace:
        self.session.traced = [TOP]
        self.session.run([shell, "-c", script], cwd=TOP, what=title)
        return self.trace()

    def trace(self) -> Trace:
        with tempfile.TemporaryFile() as target:
            self.session.get(tracer.REPORT, target)
            target.seek(0)
            return traces.made(target.read(), "test", 1.0)


def opened(environment: Environment, log: IO[bytes]) -> Iterator[Room]:
    modules = (toolchain.MODULE, tracer.__name__)
    with open_session(environment, choose("auto"), log=log, preload=modules, timeout=60, lend=lent.FOLDERS) as session:
        session.call(toolchain.MODULE, "temporary_folders")
        session.call(toolchain.MODULE, "make_folder", path=TOP)
        yield Room(session)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open(tmp_path / "log", "wb") as log:
        yield from opened(Environment(EPOCH), log)


def who(trace: Trace, path: str) -> str:
    return " ← ".join(traces.writers(trace.chain(path)))


def test_each_way_to_write(room: Room) -> None:
    trace = room.run(
        """
        echo one > redirected
        touch touched
        cp /etc/os-release copied
        mkdir -p folder/inner
        ln -s target symbolic
        ln redirected hard
        mkfifo pipe
        python3 -c 'open("python", "w").write("x")'
        perl -e 'open my $f, ">", "perl"; print $f "x"'
        echo two | tee teed > /dev/null
        dd if=/dev/zero of=zeros bs=1 count=1 2> /dev/null
        truncate -s 9 shortened
        """
    )
    assert {path: who(trace, path) for path in sorted(trace.files)} == {
        "copied": "cp ← sh ← test",
        "folder": "mkdir ← sh ← test",
        "folder/inner": "mkdir ← sh ← test",
        "hard": "sh ← test",  # the content's writer, as under its other name
        "perl": "perl ← sh ← test",
        "pipe": "mkfifo pipe ← sh ← test",
        "python": "python3 ← sh ← test",
        "redirected": "sh ← test",
        "shortened": "truncate ← sh ← test",
        "symbolic": "ln ← sh ← test",
        "teed": "tee teed ← sh ← test",
        "touched": "touch touched ← sh ← test",
        "zeros": "dd ← sh ← test",
    }


def test_who_moves_a_file_did_not_write_it(room: Room) -> None:
    trace = room.run('python3 -c \'open("new", "w")\'; mv new final; mkdir a; python3 -c \'open("a/x", "w")\'; mv a b')
    assert who(trace, "final") == who(trace, "b/x") == "python3 ← sh ← test"
    assert set(trace.files) == {"final", "b", "b/x"}  # what is not there any more is not told


def test_the_last_one_counts_also_across_programs(room: Room) -> None:
    room.run("touch x", "first")
    room.run("touch y; mv x z", "second")
    trace = room.run('python3 -c \'open("y", "w")\'', "third")
    assert (who(trace, "z"), who(trace, "y")) == ("touch x ← sh ← first", "python3 ← sh ← third")
    room.session.call(tracer.__name__, "laid", top=TOP, title="overlay", paths=["y"])
    assert who(room.trace(), "y") == "overlay"


def test_what_is_not_written_is_not_told(room: Room) -> None:
    trace = room.run(
        "touch x; cat x; ls > /dev/null; echo > /tmp/elsewhere; (set -C; echo > x) 2> /dev/null; mkdir -p ."
    )
    assert {path: who(trace, path) for path in trace.files} == {"x": "touch x ← sh ← test"}


def test_links_to_folders_are_resolved(room: Room) -> None:
    trace = room.run(
        f"mkdir -p usr/lib; ln -s usr/lib lib; touch lib/a {TOP}/lib/b; ln -s /usr top; touch usr/../lib/c"
    )
    assert {path for path in trace.files if path.startswith("usr/lib/")} == {"usr/lib/a", "usr/lib/b", "usr/lib/c"}


def test_below_another_root(room: Room) -> None:
    """A program that was chrooted names its files from there; the tree's own links lead it."""
    trace = room.run(
        """
        for folder in bin lib lib64 usr; do
          if [ -L /$folder ]; then ln -s "$(readlink /$folder)" $folder; fi
        done
        mkdir -p usr/bin usr/lib etc
        python3 - <<END
        import os
        os.chroot(".")
        os.chdir("/")
        open("/etc/inside", "w").close()
        os.symlink("/etc", "/link")
        open("link/through", "w").close()
        END
        """.replace("\n        ", "\n")
    )
    assert who(trace, "etc/inside") == who(trace, "etc/through") == "python3 ← sh ← test"


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        ("date > x", {"clock": "date"}),
        ('python3 -S -c \'import time; open("x", "w").write(str(time.time()))\'', {"clock", "random"}),
        ("perl -e 'print time' > x", {"clock"}),
        ("uname -r > x", {"uname"}),
        ("ls > x", {"listing"}),
        ("mktemp -u > x", {"random"}),
        ("echo constant > x", set()),
        ("cat /etc/os-release > x", set()),
    ],
)
def test_what_is_asked_for(room: Room, script: str, asked: set[str] | dict[str, str]) -> None:
    found = room.run(script, shell="/bin/bash" if "bash" in script else "/bin/sh").asked("x")
    if isinstance(asked, dict):
        assert found == asked
    else:
        assert (
            asked <= set(found) and set(found) - asked <= {"listing", "clock", "random"} and bool(asked) == bool(found)
        )


def test_the_time_is_seen_though_the_vdso_would_answer(room: Room) -> None:
    """date asks by clock_gettime, which without us never reaches the kernel; and gets the right answer still."""
    trace = room.run("date +%s > x; cat x")
    assert trace.asked("x") == {"clock": "date"}


def test_many_processes_at_once(room: Room) -> None:
    trace = room.run(
        'for n in $(seq 60); do (python3 -S -c \'open("f" + __import__("sys").argv[1], "w")\' $n &) ; done; '
        "while [ $(ls | grep -c f) -lt 60 ]; do sleep 0.1; done"
    )
    assert sum(who(trace, path).startswith("python3") for path in trace.files) == 60


def test_threads_and_signals(room: Room) -> None:
    """Programs that stop, go on, are killed, or write from threads behave as ever."""
    trace = room.run(
        """
        sleep 30 & victim=$!
        kill -STOP $victim; kill -CONT $victim; kill $victim; wait $victim; echo $? > status
        trap 'echo caught > trapped' USR1; kill -USR1 $$
        python3 - <<END
        import threading
        threads = [threading.Thread(target=lambda n=n: open(f"t{n}", "w").close()) for n in range(8)]
        [t.start() for t in threads]; [t.join() for t in threads]
        END
        """.replace("\n        ", "\n")
    )
    assert {f"t{n}" for n in range(8)} <= set(trace.files)
    assert who(trace, "trapped") == "sh ← test"
    with tempfile.TemporaryFile() as target:
        room.session.get(f"{TOP}/status", target)
        target.seek(0)
        assert target.read() == b"143\n"


def test_exit_codes_and_output_pass_through(room: Room) -> None:
    room.session.traced = [TOP]
    with pytest.raises(BuildFailed, match=r"exited with 3(.|\n)*last word"):
        room.session.run(["/bin/sh", "-c", "echo last word; exit 3"], cwd=TOP)
    with pytest.raises(BuildFailed, match="exited with -9"):
        room.session.run(["/bin/sh", "-c", "kill -9 $$"], cwd=TOP)


def test_one_that_never_ends(room: Room) -> None:
    room.session.timeout = 1.0
    room.session.traced = [TOP]
    with pytest.raises(BuildFailed, match="longer than 1 s"):
        room.session.run(["/bin/sh", "-c", "sleep 60"], cwd=TOP)


def test_with_another_release_and_another_clock(tmp_path: Path) -> None:
    """The filter that answers uname and the one that watches live side by side."""
    with open(tmp_path / "log", "wb") as log:
        for room in opened(Environment(EPOCH, release="5.5.5-5-varied"), log):
            trace = room.run("uname -r > x; touch y")
            assert who(trace, "y") == "touch y ← sh ← test"
            with tempfile.TemporaryFile() as target:
                room.session.get(f"{TOP}/x", target)
                target.seek(0)
                assert target.read() == b"5.5.5-5-varied\n"


def process(command: str, parent: int | None = 0) -> Process:
    return Process(parent, command, ())


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/bin/sh /var/lib/dpkg/info/ca-certificates.postinst configure 20230311", "ca-certificates.postinst"),
        ("/var/lib/dpkg/info/libc6:amd64.postinst triggered ldconfig", "libc6.postinst (triggered)"),
        ("/usr/bin/perl /usr/sbin/update-alternatives --install /usr/bin/x", "update-alternatives"),
        ("/bin/sh /usr/sbin/update-ca-certificates", "update-ca-certificates"),
        ("openssl rehash .", "openssl rehash"),
        ("sh -c echo", "sh"),
        ("", ""),
    ],
)
def test_names(command: str, name: str) -> None:
    assert traces.named(process(command)) == name


def test_the_chain_ends_at_the_maintainer_script() -> None:
    chain = (
        process("openssl rehash ."),
        process("/bin/sh /usr/sbin/update-ca-certificates"),
        process("/bin/sh /var/lib/dpkg/info/ca-certificates.postinst configure"),
        process("dpkg --configure -a"),
        process("mmdebstrap", None),
    )
    assert traces.writers(chain) == ("openssl rehash", "update-ca-certificates", "ca-certificates.postinst")


def test_a_compiler(room: Room) -> None:
    """A program of many processes: who opens the object is the assembler, the archive ar."""
    trace = room.run("for n in 1 2; do echo 'int x;' > $n.c; gcc -c $n.c; done; ar rcD lib.a *.o; tar cf t.tar *.o")
    assert set(trace.files) == {"1.c", "2.c", "1.o", "2.o", "lib.a", "t.tar"}
    assert who(trace, "1.o").startswith("as ") and " ← gcc ← sh" in who(trace, "1.o").replace("x86_64-linux-gnu-", "")
    assert who(trace, "lib.a").startswith("ar") and who(trace, "t.tar").startswith("tar")


def test_the_document(room: Room) -> None:
    trace = room.run("touch x")
    document = traces.encode(trace)
    schemas.check(document)
    assert traces.decode(document, "x") == trace
    for wrong in (b"{}", document.replace(b'"x":2', b'"x":99'), document.replace(b'"parent":0', b'"parent":7')):
        with pytest.raises(InvalidInput):
            traces.decode(wrong, "x")
