"""What a program inside finds around it: made from nothing, whatever the caller has about it."""

from __future__ import annotations

import json
import os
import re
import textwrap
import time
from dataclasses import asdict
from typing import Any

import pytest

from repro.model.errors import InvalidInput
from repro.sandbox.disorder import ORDERS
from repro.sandbox.environment import Environment
from repro.sandbox.variations import VARIATIONS, vary
from tests.sandbox.world import LIGHT, STRANGE, Factory, Sandbox, minimal_lock

OBSERVE = """
import json, locale, os, resource, socket, time
locale.setlocale(locale.LC_ALL, "")
umask = os.umask(0)
os.umask(umask)
print(json.dumps({
    "argv0": open("/proc/self/cmdline").read().split("\\0")[0],
    "env": dict(os.environ),
    "cwd": os.getcwd(),
    "umask": umask,
    "ids": [os.getresuid(), os.getresgid()],
    "stdin": os.read(0, 1).decode(),
    "terminal": [os.isatty(n) for n in (0, 1, 2)],
    "fds": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")),
    "hostname": socket.gethostname(),
    "machine": os.uname().machine,
    "release": os.uname().release,
    "domain": open("/proc/sys/kernel/domainname").read().strip(),
    "memory": [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), open("/proc/meminfo").readline().split()[1]],
    "sorted": sorted("zéaZ", key=locale.strxfrm),
    "cpus": len(os.sched_getaffinity(0)),
    "zone": time.strftime("%Z %z", time.localtime(1700000000)),
    "now": time.time(),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_NPROC")},
    "stack": resource.getrlimit(resource.RLIMIT_STACK)[0],
    "personality": open("/proc/self/personality").read().strip(),
    "session": os.getsid(0) == os.getpid(),
    "niceness": os.nice(0),
}))
"""


def observe(sandbox: Sandbox, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sandbox.python(OBSERVE, **how))
    return found


def test_the_baseline(sandbox: Sandbox) -> None:
    seen = observe(sandbox)
    expected = Environment(minimal_lock().source_date_epoch).variables()
    assert seen["env"].pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own
    assert seen["env"] == expected
    assert not set(STRANGE) & set(expected) - {"LC_ALL", "TZ", "SOURCE_DATE_EPOCH"}
    assert seen["cwd"] == "/"
    assert seen["umask"] == 0o022
    assert seen["ids"] == [[0, 0, 0], [0, 0, 0]]
    assert seen["stdin"] == ""
    assert seen["terminal"] == [False, False, False]
    assert seen["fds"] == [0, 1, 2]
    assert seen["hostname"] == "repro"
    assert seen["cpus"] == len(os.sched_getaffinity(0))
    assert seen["zone"] == "UTC +0000"
    assert seen["limits"] == {
        "RLIMIT_CORE": [0, 0],
        "RLIMIT_NOFILE": [1024, 4096],
        "RLIMIT_NPROC": [2048, 2048],
    }
    assert seen["stack"] == 8 << 20
    assert seen["personality"] == "00000000"
    assert seen["session"]
    assert (seen["release"], seen["domain"]) == (os.uname().release, "(none)")
    assert seen["memory"][0] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert seen["sorted"] == ["Z", "a", "z", "é"]
    assert abs(seen["now"] - time.time()) < 60


def test_what_is_asked_for_one_program(sandbox: Sandbox) -> None:
    seen = observe(sandbox, cwd="/usr", env={"ONE": "more", "TZ": "Asia/Tokyo"})
    assert (seen["cwd"], seen["env"]["ONE"], seen["env"]["TZ"]) == ("/usr", "more", "Asia/Tokyo")
    assert "ONE" not in observe(sandbox)["env"]


def test_every_variation_is_seen_inside(factory: Factory, sandbox: Sandbox) -> None:
    """All of them at once, by a program; what is not varied elsewhere is as in the baseline above."""
    factors = {name: None for name in VARIATIONS if name != "filesystem" or sandbox.backend == "root"}
    with factory(only=LIGHT, factors=factors) as varied:
        seen = observe(varied, env=varied.preloads())
        want = vary(Environment(minimal_lock().source_date_epoch), factors)
        assert abs(seen["now"] - time.time() - want.clock_shift) < 60
        assert seen["env"]["TZ"] == want.timezone == "GMT+12"
        assert seen["zone"] == "GMT -1200"
        assert seen["env"]["LC_ALL"] == seen["env"]["LANG"] == want.locale
        assert seen["hostname"] == want.hostname
        assert seen["umask"] == 0o077
        assert seen["cpus"] == 1
        assert (seen["env"]["HOME"], seen["env"]["USER"], seen["env"]["LOGNAME"]) == (want.home, "builder", "builder")
        assert (seen["env"]["SUDO_UID"], seen["env"]["SUDO_GID"]) == ("1234", "5678")
        assert (seen["machine"], seen["release"], seen["domain"]) == ("i686", want.release, want.domain)
        assert int(seen["personality"], 16) == 0x0040008
        assert seen["memory"] == [want.memory, str(want.memory // 1024)]
        assert seen["sorted"] == ["a", "é", "z", "Z"]
        assert seen["env"]["LANGUAGE"] == "fr_CH:fr"
        assert seen["env"]["PATH"].endswith(":/i/capture/the/path")
        assert seen["env"]["CAPTURED_ENVIRONMENT"] == "i capture the environment"
        assert seen["env"]["PYTHONHASHSEED"] == seen["env"]["PERL_HASH_SEED"] == want.hash_seed
        assert (seen["env"]["MAKEFLAGS"], seen["env"]["DEB_BUILD_OPTIONS"]) == ("-j3", "parallel=3")
        if want.filesystem == "ext4":
            assert varied.run(["stat", "-f", "-c", "%T", want.build_path]).output.strip() == "ext2/ext3"
        assert seen["ids"] == [[0, 0, 0], [0, 0, 0]]


def test_shifted_time_leaves_the_times_of_files_alone(factory: Factory) -> None:
    with factory(only=LIGHT, factors={"time": "100000000"}) as sandbox:
        script = "date +%s; echo > /tmp/now; stat -c %Y /tmp/now; perl -e 'print time, qq(\\n)'"
        date, mtime, perl = (
            int(word) for word in sandbox.run(["/bin/sh", "-c", script], env=sandbox.preloads()).output.split()
        )
        now = time.time()
        assert abs(date - now - 1e8) < 60
        assert abs(perl - now - 1e8) < 60
        assert abs(mtime - now) < 60
        plain = int(sandbox.run(["date", "+%s"]).output)
        assert abs(plain - now) < 60


def test_a_clock_that_stands_and_one_that_moves(factory: Factory) -> None:
    epoch = minimal_lock().source_date_epoch
    script = "for n in 1 2; do date +%s.%N; perl -e 'select undef, undef, undef, 1.1'; done"
    with factory(only=LIGHT, factors={"time": "still", "timezone": "Asia/Tokyo"}) as sandbox:
        shown = sandbox.run(["/bin/sh", "-c", script], env=sandbox.preloads()).output.split()
        assert shown == [f"{epoch}.000000000"] * 2
    with factory(only=LIGHT, factors={"time": "moving"}) as sandbox:
        first, second = sandbox.run(["/bin/sh", "-c", script], env=sandbox.preloads()).output.split()
        assert epoch <= float(first) < epoch + 60 and 1 <= float(second) - float(first) < 30


@pytest.mark.parametrize(
    ("name", "upper", "charset"),
    [("tr_TR.UTF-8", "İ", "UTF-8"), ("tr_TR", "İ", "ISO-8859-9"), ("C.UTF-8", "I", "UTF-8")],
)
def test_locales_are_there_with_their_data(any_factory: Factory, name: str, upper: str, charset: str) -> None:
    """Turkish has another capital of i; ISO-8859-9 is not UTF-8."""
    script = "echo i | sed 's/i/\\U&/' | iconv -f $(locale charmap) -t UTF-8; locale charmap"
    with any_factory(only=(*LIGHT, "sed"), factors={"locale": name}) as sandbox:
        assert sandbox.run(["/bin/sh", "-c", script]).output.split() == [upper, charset]


def test_a_locale_that_glibc_does_not_know(any_factory: Factory) -> None:
    with pytest.raises(InvalidInput, match="no locale 'xx_XX'"), any_factory(only=LIGHT, factors={"locale": "xx_XX"}):
        pass


def test_what_is_said_of_the_machine_reaches_static_programs_and_children(any_factory: Factory) -> None:
    """By the system call itself, from a grandchild that has changed its user."""
    code = """
        import ctypes, os
        if not os.fork():
            os.setresuid(7, 7, 7)
            buffer = ctypes.create_string_buffer(390)
            ctypes.CDLL(None).syscall(63 if os.uname().machine == "x86_64" else 160, buffer)
            print(buffer.raw[130:195].strip(b"\\0").decode(), flush=True)
            os._exit(0)
        os.wait()
    """
    release = {"kernel": "5.10.0-1-special"}
    with any_factory(only=LIGHT, factors=release) as sandbox:
        assert sandbox.python(textwrap.dedent(code)).strip() == "5.10.0-1-special"
        many = sandbox.run(["/bin/sh", "-c", "for n in 1 2 3 4 5 6 7 8; do uname -r & done; wait"]).output.split()
        assert many == ["5.10.0-1-special"] * 8
        assert sandbox.run(["uname", "-m"]).output.strip() == os.uname().machine


def test_sorted_directories(any_factory: Factory) -> None:
    with any_factory(only=LIGHT, factors={"directory_order": "sorted"}) as sandbox:
        sandbox.run(["/bin/sh", "-c", "mkdir /one /two; cd /one; touch c a f b e d"])
        mount(sandbox, "sorted")
        assert sandbox.run(["ls", "-U", "/two"]).output.split() == list("abcdef")


def test_reversed_directories(any_factory: Factory) -> None:
    with any_factory(only=LIGHT, factors={"directory_order": "reverse"}) as sandbox:
        sandbox.run(["/bin/sh", "-c", "mkdir /one /two; cd /one; touch c a f b e d"])
        mount(sandbox, "reverse")
        native = sandbox.run(["ls", "-U", "/one"]).output.split()
        assert sandbox.run(["ls", "-U", "/two"]).output.split() == native[::-1]


def test_shuffled_directories_and_what_a_hook_can_do_to_them(factory: Factory) -> None:
    with factory(only=LIGHT, factors={"directory_order": "shuffle"}) as sandbox:
        sandbox.run(["/bin/sh", "-c", "mkdir /one /two; cd /one; seq 50 | xargs touch"])
        mount(sandbox, "shuffle")
        assert sandbox.run(["ls", "-U", "/two"]).output != sandbox.run(["ls", "-U", "/one"]).output
        assert sandbox.run(["ls", "/two"]).output == sandbox.run(["ls", "/one"]).output
        mounting = "exec 3<>/dev/fuse; mkdir /three; mount -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 x /three"
        sandbox.run(["/bin/sh", "-c", f"! ({mounting}) && ! disorderfs /one /two && ! fusermount -u /two"])


def mount(sandbox: Sandbox, order: str) -> None:
    users = f"--multi-user={'no' if sandbox.backend == 'fakeroot' else 'yes'}"
    argv = ["disorderfs", users, "-f", *ORDERS[order], "/one", "/two"]
    if reason := sandbox.unavailable("directory_order"):
        pytest.skip(f"host: {reason}")
    sandbox.daemon(argv, privileged=True)
    sandbox.call("repro.sandbox.toolchain_inside", "wait_for_mount", path="/two")


# --- what can be varied, without a sandbox ---


BASELINE = Environment(1700000000)


@pytest.mark.parametrize("name", list(VARIATIONS))
def test_a_variation_changes_its_own_fields_alone(name: str) -> None:
    varied = vary(BASELINE, {name: None})
    changed = {key for key, value in asdict(varied).items() if value != asdict(BASELINE)[key]}
    assert changed == set(VARIATIONS[name].varied)
    assert vary(varied, {name: None}) == varied


def test_an_unknown_factor_names_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match="phase-of-the-moon") as refused:
        vary(BASELINE, {"phase-of-the-moon": None})
    assert all(name in refused.value.hint for name in VARIATIONS)


@pytest.mark.parametrize(
    ("factor", "value", "field", "becomes"),
    [
        ("time", "3600", "clock_shift", 3600),
        ("time", "-86400", "clock_shift", -86400),
        ("time", "+5", "clock_shift", 5),
        ("timezone", "Asia/Tokyo", "timezone", "Asia/Tokyo"),
        ("timezone", "<+0330>-3:30", "timezone", "<+0330>-3:30"),
        ("timezone", "EST5EDT,M3.2.0,M11.1.0", "timezone", "EST5EDT,M3.2.0,M11.1.0"),
        ("locale", "de_DE@euro", "locale", "de_DE@euro"),
        ("hostname", "a.b-c.example", "hostname", "a"),
        ("hostname", "a.b-c.example", "domain", "b-c.example"),
        ("hostname", "x" * 64, "hostname", "x" * 64),
        ("umask", "0", "umask", 0),
        ("umask", "0027", "umask", 0o027),
        ("cpus", "3", "cpus", 3),
        ("build_path", "/srv/build", "build_path", "/srv/build"),
        ("build_path", "/nonexistent/a/b.c+d_e-f", "build_path", "/nonexistent/a/b.c+d_e-f"),
        ("build_path", "/usrlocal", "build_path", "/usrlocal"),
        ("home", "/home/my user", "home", "/home/my user"),
        ("user", "alice", "user", "alice"),
        ("directory_order", "reverse", "directory_order", "reverse"),
        ("time", "still", "clock", "still"),
        ("time", "moving", "clock", "moving"),
        ("directory_order", "sorted", "directory_order", "sorted"),
        ("kernel", "linux32", "personality", ("linux32",)),
        ("kernel", "6.1.0-18-amd64", "release", "6.1.0-18-amd64"),
        ("environment", "DEBEMAIL=me@example.org", "extra", (("DEBEMAIL", "me@example.org"),)),
        ("aslr", "off", "aslr", False),
        ("hash_seed", "7", "hash_seed", "7"),
        ("backend", "subuid", "backend", "subuid"),
        ("filesystem", "ext4", "filesystem", "ext4"),
        ("parallelism", "8", "parallelism", 8),
        ("memory", "800M", "memory", 800 << 20),
        ("firmware", "uefi", "firmware", "uefi"),
        ("kernel", "linux32,no-randomize", "personality", ("linux32", "no-randomize")),
    ],
)
def test_values(factor: str, value: str, field: str, becomes: object) -> None:
    assert getattr(vary(BASELINE, {factor: value}), field) == becomes


BAD = {
    "time": ["", "now", "1e9", "10000000000", "1.5", "1_0", " 1"],
    "timezone": ["", "UTC\n", "a\0b", "a b", "x" * 65, "$(id)", "ü"],
    "locale": ["", "C\n", "a\0b", "a b", "x" * 65, "C;id", "ü"],
    "hostname": ["", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "x" * 65, "a\n", "a\0", "ü", "a/b"],
    "umask": ["", "999", "-1", "0o22", "22 ", "10000", "1777", "u=rwx", "0_2"],
    "cpus": ["", "zero", "-1", "0", "1.5", "+1", "1_0", "100000", "²"],
    "build_path": [
        *("", "build", "/", "//build", "/build/", "/a//b", "/a/./b", "/a/../b", "/..", "/.hidden", "/a b", "/a\nb"),
        *("/usr", "/usr/x", "/lib64", "/lib64/x", "/var/x", "/etc", "/proc/1", "/dev/shm", "/sys", "/run/x", "/bin/x"),
        *("/iso", "/iso-work/x", "/output", "/repository", "/hold", "/overlay-file", "/.repro", "/apt/x"),
        *("/a:b", "/a'b", "/a,b", "/$a", "/" + "x" * 200, "/a\0b"),
    ],
    "home": ["", "home", "/a\nb", "/a\0b"],
    "user": ["", "0", "a b", "A", "a\n", "x" * 33, "-a"],
    "directory_order": ["", "random", "sort", "shuffle\n", "shuffle-dirents=yes"],
    "environment": ["", "A", "=b", "a=b", "PATH=/x", "LD_PRELOAD=x", "LD_LIBRARY_PATH=x", "A=b\n", "A=b\0", "HOME=/"],
    "aslr": ["", "yes", "ON"],
    "hash_seed": ["", "-1", "01", "10000000000", "random"],
    "backend": ["", "auto", "docker"],
    "filesystem": ["", "btrfs", "ext4 "],
    "parallelism": ["", "0", "-1", "1000", "two"],
    "memory": ["", "0G", "12", "2T", "1.5G", "100000G"],
    "firmware": ["", "coreboot"],
    "kernel": ["", "nonsense", "linux32,nonsense", "linux32,", "linux32\n", "0x8"],
}


@pytest.mark.parametrize(("factor", "value"), [(factor, value) for factor, values in BAD.items() for value in values])
def test_values_that_no_factor_can_take(factor: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"variation {factor}: {re.escape(repr(value))}") as refused:
        vary(BASELINE, {factor: value})
    assert refused.value.hint


def test_every_factor_has_bad_values_here() -> None:
    assert set(BAD) == set(VARIATIONS)
    assert Environment(1).facts()["umask"] == "0022"
