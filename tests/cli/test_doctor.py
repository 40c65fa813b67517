"""`repro doctor`, as root and as an ordinary user, on a host that has everything and on one that lacks things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schemas import check
from tests.users import ROOT, OrdinaryUser

MAIN = "; from repro.cli.main import main; main()"


def doctor(tmp_path: Path, *args: str, code: str = "pass") -> subprocess.CompletedProcess[str]:
    """`repro doctor`, after `code` has taken something away from the process."""
    argv = [sys.executable, "-c", code + MAIN, "--store", str(tmp_path / "store"), "doctor", *args]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "USER": "somebody"}
    return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def states(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in check(done.stdout)["checks"]}


def test_this_host_can_build_and_the_backends_were_really_tried(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(done)
    assert check(done.stdout)["backend"] in ("root", "subuid", "fakeroot")
    assert found["backend fakeroot"]["state"] == "ok"
    assert "made a sandbox in" in found["backend fakeroot"]["detail"]
    if os.getuid() == 0:
        assert check(done.stdout)["backend"] == "root"
        assert found["backend root"]["state"] == "ok"
    assert not (tmp_path / "store").exists()  # it looks, and makes nothing


def test_an_ordinary_user(ordinary_user: OrdinaryUser) -> None:
    done = ordinary_user.run("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(done)
    assert check(done.stdout)["backend"] in ("subuid", "fakeroot")
    assert (found["backend root"]["state"], found["backend root"]["detail"]) == ("limited", "this is not root")
    assert found["backend fakeroot"]["state"] == "ok"


def test_the_table_fits_80_columns_and_ends_with_the_answer(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    table, *_, conclusion = done.stdout.strip().split("\n\n")
    assert max(len(line) for line in table.splitlines()) <= 80
    assert conclusion.startswith("A build can be made here, with backend ")


TAKEN_AWAY = {
    "libarchive": (
        "import ctypes; real = ctypes.CDLL.__init__\n"
        "def fake(self, name, *a, **k):\n"
        "    if 'libarchive' in str(name): raise OSError('no such library')\n"
        "    real(self, name, *a, **k)\n"
        "ctypes.CDLL.__init__ = fake",
        "libarchive13",
    ),
    "memory": ("import repro.system.host as host; host.available = host._swap = lambda: 10**9", "3.0 GB"),
    "user namespaces": (
        # the agent, a process of its own, is made to fail where the kernel would refuse
        "import subprocess; real = subprocess.Popen\n"
        "refuse = 'import repro.sandbox.kernel as k\\ndef no(flags): raise OSError(1, \"no\")\\nk.unshare = no\\n'\n"
        "def patched(argv, **how):\n"
        "    return real([a.replace('import repro.sandbox.agent', '\\n' + refuse + 'import repro.sandbox.agent')\n"
        "                 for a in argv], **how)\n"
        "subprocess.Popen = patched",
        "container",
    ),
    "store": ("import os; os.access = lambda *a, **k: False", "--store"),
}


@pytest.mark.parametrize("what", TAKEN_AWAY)
def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path, what: str) -> None:
    code, remedy = TAKEN_AWAY[what]
    done = doctor(tmp_path, "--json", code=code + "\nNone")
    assert done.returncode == 3, done.stdout + done.stderr
    row = states(done)[what]
    assert row["state"] == "missing"
    assert row["purpose"] == "build"
    assert remedy in row["remedy"]
    table = doctor(tmp_path, code=code + "\nNone")
    assert table.returncode == 3
    assert row["remedy"] in table.stdout
    assert "No build can be made here" in table.stdout


def test_what_can_be_done_without_does_not_forbid_a_build(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    code = f"import os; os.environ['PATH'] = {str(empty)!r}; os.environ['REPRO_MIRROR_DEBIAN'] = '-'"
    done = doctor(tmp_path, "--json", code=code)
    assert done.returncode == 0, done.stderr
    found = states(done)
    assert (found["qemu"]["state"], found["qemu"]["remedy"]) == ("missing", "install the package qemu-system-x86")
    assert found["debian mirror"]["state"] == "limited"
    assert "snapshot" in found["debian mirror"]["detail"]
    assert "uidmap" in found["backend subuid"]["remedy"]


@pytest.mark.parametrize("command", ["lock", "build", "verify"])
def test_other_commands_point_to_the_doctor_where_libarchive_is_missing(tmp_path: Path, command: str) -> None:
    take = TAKEN_AWAY["libarchive"][0] + f"\nimport sys; sys.argv[3:] = [{command!r}, "
    done = doctor(tmp_path, code=take + "'minimal']")
    assert done.returncode == 3, done.stderr
    assert "libarchive.so.13 is missing" in done.stderr
    assert "repro doctor" in done.stderr
    assert doctor(tmp_path, code=take + "'--help']").returncode == 0


def test_settings_that_forbid_namespaces_to_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "sys" / "kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    code = f"import pathlib, repro.sandbox.probe as p; p._SYSCTL = pathlib.Path({str(tmp_path / 'sys')!r})"
    row = states(doctor(tmp_path, "--json", code=code))["user namespaces"]
    assert row["state"] == "ok"
    assert "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in row["detail"]
    assert json.dumps(row)
