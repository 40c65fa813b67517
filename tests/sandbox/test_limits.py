"""What has no end comes to one: a full disk, endless forks, output and time; and however we end, nothing stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from repro.model.errors import BuildFailed
from repro.sandbox.session import LOGGED, PROCESSES
from tests.sandbox.world import TINY, Factory, Sandbox, gone, marked, until

MB = 1 << 20
# Each process does so under another id: a limit for each id alone would be none.
BOMB = """
use POSIX;
my $ids = (split " ", `cat /proc/self/uid_map`)[2];
while (1) {
    my $child = fork;
    if (!defined $child) { select undef, undef, undef, 0.05 }  # at the limit; try again, and leave the host some air
    elsif (!$child && $ids > 1) { POSIX::setuid($$ % ($ids - 1) + 1) }
}
"""


def shared_memory() -> int:
    """Bytes in tmpfs on this host."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no Shmem in /proc/meminfo")


def free_on_disk() -> int:
    found = os.statvfs("/tmp")
    return found.f_bavail * found.f_frsize


def test_a_full_disk_fails_the_build_and_leaves_the_host_alone(factory: Factory) -> None:
    before = free_on_disk()
    with factory(only=TINY, size=600 * MB) as sandbox:
        with pytest.raises(BuildFailed) as failed:
            sandbox.run(["/bin/sh", "-c", "cat /dev/zero > /tmp/fill"], what="hook 10-fill")
        assert "hook 10-fill exited with 1" in failed.value.message
        assert "scratch" in failed.value.hint
        with pytest.raises(BuildFailed, match="No space left") as failed:
            sandbox.put(b"x" * MB, "/tmp/more")
        assert "scratch" in failed.value.hint
        full = shared_memory()
        assert before - free_on_disk() < 200 * MB
    assert until(lambda: full - shared_memory() > 300 * MB), "the memory was not given back"


@pytest.mark.parametrize("ends", [False, True], ids=["it stays", "its parent ends"])
def test_a_fork_bomb(factory: Factory, ends: bool) -> None:
    """Either the time is over, or what is left behind is killed; the sandbox still answers and closes."""
    with factory(only=TINY, timeout=60 if ends else 5) as sandbox:
        script = f'perl -e "$1" {sandbox.mark} ' + ("& sleep 5" if ends else "")
        sandbox.ask("run", ["/bin/sh", "-c", script, "sh", BOMB])
        grown = until(lambda: len(marked(sandbox.mark)) > 20, 30)
        if ends:
            sandbox.answer()
        else:
            with pytest.raises(BuildFailed, match="ran longer than 5 s"):
                sandbox.answer()
        assert grown
        assert gone(sandbox.mark)
        assert sandbox.call("repro.image.root_inside", "exists", path="/tmp")


def test_the_limit_on_processes_holds_for_all_ids_together(factory: Factory) -> None:
    """By count, inside: each id has the limit of its own, and the sum of all has it too."""
    count = """
        use POSIX;
        my $ids = (split " ", `cat /proc/self/uid_map`)[2];
        for my $id (1..3) {
            next if fork;
            POSIX::setuid($id) if $ids > 1;
            while (defined(my $child = fork)) { if (!$child) { POSIX::pause; exit } }
            POSIX::pause;
        }
        my ($before, $now) = (-1, 0);
        while ($before != $now) { sleep 1; $before = $now; $now = () = glob "/proc/[0-9]*" }
        print "$now\n";
    """
    with factory(only=TINY, timeout=60) as sandbox:
        most = int(sandbox.run(["perl", "-e", count], env={"LC_ALL": "C"}).output.split()[-1])
        assert PROCESSES - 50 < most <= PROCESSES + 20


def test_what_stays_behind_is_killed_with_the_run(sandbox: Sandbox) -> None:
    script = f"setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.1; done' {sandbox.mark} & setsid sleep 987 &"
    sandbox.run(["/bin/sh", "-c", script])
    assert gone(sandbox.mark, 0.5)
    assert sandbox.run(["/bin/sh", "-c", "ls -d /proc/[0-9]*"]).output.count("\n") <= 4


def test_a_program_that_takes_too_long(any_factory: Factory) -> None:
    with any_factory(only=TINY, timeout=1) as sandbox:
        with pytest.raises(BuildFailed, match="hook sleeper ran longer than 1 s"):
            sandbox.run(["/bin/sh", "-c", f": {sandbox.mark}; trap '' TERM; sleep 30"], what="hook sleeper")
        assert gone(sandbox.mark)


def test_the_daemons_of_the_sandbox_outlive_a_run_and_are_missed(light: Sandbox) -> None:
    light.daemon(["/bin/sh", "-c", f": {light.mark}; while :; do sleep 1; done"])
    assert light.run(["/bin/echo", "one"]).output == "one\n"
    assert light.run(["/bin/echo", "two"]).output == "two\n"
    assert marked(light.mark)
    with pytest.raises(BuildFailed, match="was killed"):
        light.run(["/bin/sh", "-c", "kill -9 -1; :"])
    with pytest.raises(BuildFailed, match="was killed"):
        light.run(["/bin/echo", "three"])
    assert gone(light.mark)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_however_the_outside_ends_nothing_stays(factory: Factory, how: signal.Signals) -> None:
    """Also in the middle of a program, of whoever's id, that ignores what it can."""
    with factory(only=TINY, timeout=300) as sandbox:
        script = f"setsid sh -c 'trap \"\" INT TERM HUP; while :; do sleep 0.1; done' {sandbox.mark} & sleep 300"
        sandbox.ask("run", ["/bin/sh", "-c", script])
        assert until(lambda: marked(sandbox.mark))
        sandbox.process.send_signal(how)
        assert gone(sandbox.mark, 5)
        assert until(lambda: sandbox.process.poll() is not None, 5)


def test_the_agent_killed(factory: Factory) -> None:
    """As the kernel does where memory runs out."""
    with factory(only=TINY, timeout=300) as sandbox:
        sandbox.ask("run", ["/bin/sh", "-c", f": {sandbox.mark}; sleep 300; :"])
        assert until(lambda: marked(sandbox.mark))
        children = Path(f"/proc/{sandbox.process.pid}/task/{sandbox.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        with pytest.raises(BuildFailed, match="ended unexpectedly"):
            sandbox.answer()
        assert gone(sandbox.mark)


def test_output_without_end(any_factory: Factory) -> None:
    assert LOGGED == 64 * MB
    with any_factory(only=TINY) as sandbox:
        ran = sandbox.run(["/bin/sh", "-c", f"head -c {80 * MB} /dev/zero | tr '\\0' x; echo; echo the end"])
        assert ran.output.endswith("the end\n")
        assert len(ran.output) <= MB
        assert sandbox.log.stat().st_size < 65 * MB
        assert b"left out" in sandbox.log.read_bytes()[-200:]
        sandbox.run(["/bin/echo", "the next program"])
        assert sandbox.log.read_bytes().endswith(b"the next program\n")


def test_last_words_cannot_speak_to_the_terminal(sandbox: Sandbox) -> None:
    evil = r"printf 'before\n\033]0;title\007\033[2Jgone\r\342\200\256flipped\n\377\n\n%s\n' $(seq 5000 | tr '\n' x)"
    evil += "; exit 3"
    with pytest.raises(BuildFailed) as failed:
        sandbox.run(["/bin/sh", "-c", evil], what="hook")
    message = failed.value.message
    assert "exited with 3" in message
    assert r"\x1b]0;title\x07\x1b[2Jgone" in message
    assert "\\u202e" in message
    assert all(char.isprintable() or char == "\n" for char in message)
    assert max(len(line) for line in message.splitlines()) < 300
    with pytest.raises(BuildFailed) as failed:
        sandbox.run(["/bin/sh", "-c", "seq 100000; exit 1"])
    assert len(failed.value.message.splitlines()) < 20


def test_what_cannot_be_run(sandbox: Sandbox) -> None:
    with pytest.raises(BuildFailed, match=r"cannot run /nonexistent"):
        sandbox.run(["/nonexistent"])
    with pytest.raises(BuildFailed, match="exited with -9"):
        sandbox.run(["/bin/sh", "-c", "kill -9 $$"])
    with pytest.raises(BuildFailed, match="exited with -11"):
        sandbox.run(["/bin/sh", "-c", "kill -SEGV $$"])


@pytest.mark.parametrize("size", [10, 1 << 16, 1 << 21])
def test_messages_of_any_size(sandbox: Sandbox, size: int) -> None:
    text = "é" * size
    path = f"/tmp/{'x' * 10}"
    assert sandbox.call("repro.image.root_inside", "exists", path=text) is False
    sandbox.put(text.encode(), path)
    assert sandbox.get(path) == text.encode()
    names = [f"{number:0200}" for number in range(size // 200)]
    sandbox.run(["/bin/sh", "-c", f"rm -rf /many; mkdir /many; cd /many; seq {len(names)} | xargs -r touch"])
    matches = sandbox.call("repro.image.normalize", "_below", top="/many", name_pattern="*")
    assert len(matches) == len(names)
