"""The walls of a sandbox: ids, namespaces, and a root in memory that holds nothing of the host.

Each step runs in the agent, in the order of the functions here; what fails raises OSError.
"""

from __future__ import annotations

import os
import resource
from typing import Any

from repro.sandbox import blocks, kernel, pretend

DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
# What /proc tells of the host's devices and boot, hidden behind an empty file or folder.
HIDDEN = ("cmdline", "partitions", "diskstats", "swaps", "mdstat", "keys", "key-users", "kcore", "kallsyms", "modules",
          "timer_list", "sched_debug", "sysrq-trigger", "iomem", "ioports", "scsi", "acpi", "bus", "fs", "driver",
          "asound")  # fmt: skip
_OWN_PROCESSES = 16  # more than the most that programs may have: ours
_LENT = "/mnt"  # where real root puts what it lends to the sandbox


def become_first_user(config: dict[str, Any]) -> None:
    """Be 0 of the ids that the outside gave us, and nobody else."""
    if config["groups"]:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    kernel.set_dumpable()  # a change of ids makes /proc/PID root's, and the maps to come could not be written
    kernel.die_with_parent()  # a change of ids forgets it


def enter_namespaces(config: dict[str, Any]) -> None:
    """New namespaces of every kind, within a second user namespace with the same ids as ours.

    The limit on processes holds for each id alone. It is the limit in force when a user namespace is made that
    bounds all of its ids together, and only where its maker is not real root: hence two of them, one in the other.
    """
    most = config["processes"] + _OWN_PROCESSES
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    reader, writer = os.pipe()
    helper = os.fork()
    if not helper:  # stays in the outer of the two, from where the maps of the inner one can be written
        os.read(reader, 1)
        try:
            for kind in ("uid_map", "gid_map"):
                with open(f"/proc/{os.getppid()}/{kind}", "w", encoding="ascii") as ids:
                    ids.write(f"0 0 {config['ids']}\n")
        except OSError:
            os._exit(1)
        os._exit(0)
    kernel.unshare(
        kernel.CLONE_NEWUSER
        | kernel.CLONE_NEWNS
        | kernel.CLONE_NEWPID
        | kernel.CLONE_NEWNET
        | kernel.CLONE_NEWUTS
        | kernel.CLONE_NEWIPC
        | kernel.CLONE_NEWCGROUP
    )
    os.write(writer, b"!")
    os.close(writer)
    os.close(reader)
    if os.waitpid(helper, 0)[1]:
        raise OSError("the id maps of the inner user namespace were refused")


def lend(config: dict[str, Any]) -> None:
    """As real root, in a mount namespace of our own: a /dev/fuse that ids without privilege may open too, and a file
    system that only real root may mount."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", _LENT, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64k")
    if config["fuse"]:
        os.mknod(f"{_LENT}/fuse", 0o020666, os.stat("/dev/fuse").st_rdev)
        os.chmod(f"{_LENT}/fuse", 0o666)
    if config["filesystem"] != "tmpfs":
        os.mkdir(f"{_LENT}/tree")
        blocks.mount(f"{_LENT}/tree", config["size"], config["owner"])


def make_root(config: dict[str, Any]) -> None:
    """An empty tmpfs as root, with /proc of the new process namespace and a handful of device nodes."""
    new = "/tmp"
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", new, "tmpfs", kernel.MS_NOSUID, f"mode=755,uid=0,gid=0,size={config['size']}")
    os.umask(0o022)
    for folder in ("proc", "dev", "old", "sys"):
        os.mkdir(f"{new}/{folder}")
    for folder in config["lend"]:
        _show_host(folder, new + folder)
    device_folder(f"{new}/dev", "/dev", DEVICES)
    if config["fuse"]:
        own = f"{_LENT}/fuse"
        _bind(own if os.path.exists(own) else "/dev/fuse", f"{new}/dev/fuse")
    for name, target in LINKS.items():
        os.symlink(target, f"{new}/dev/{name}")
    kernel.mount("proc", f"{new}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    with open(f"{new}/proc/sys/user/max_user_namespaces", "w", encoding="utf-8") as limit:
        limit.write("0")  # a namespace of its own would give a hook back what the bounding set took
    if config["last_pid"]:
        with open(f"{new}/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
            last.write(str(config["last_pid"]))
    _hide(f"{new}/proc")
    if config["memory"]:
        _show(pretend.meminfo(config["memory"]), f"{new}/proc/meminfo", f"{new}/meminfo")
    if config["filesystem"] != "tmpfs":
        os.makedirs(new + config["build_path"])
        kernel.mount(f"{_LENT}/tree", new + config["build_path"], flags=kernel.MS_BIND)
    kernel.pivot_root(new, f"{new}/old")
    os.chdir("/")
    kernel.umount("/old")
    os.rmdir("/old")
    kernel.set_hostname(config["hostname"], config["domain"] or "(none)")


def device_folder(folder: str, source: str, names: tuple[str, ...]) -> None:
    kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID | kernel.MS_NOEXEC, "mode=755,size=64k,uid=0,gid=0")
    for name in names:
        _bind(f"{source}/{name}", f"{folder}/{name}")


def _show_host(folder: str, target: str) -> None:
    """Show `folder` of the host at `target`, read-only, or a link as it is; nothing where the host has it not."""
    if os.path.islink(folder):
        os.symlink(os.readlink(folder), target)
    elif os.path.isdir(folder):
        os.makedirs(target)
        kernel.mount(folder, target, flags=kernel.MS_BIND | kernel.MS_REC)
        kernel.make_readonly(target)


def _bind(source: str, target: str) -> None:
    """Show the file `source` at `target`, which is made for it."""
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o666))
    kernel.mount(source, target, flags=kernel.MS_BIND)


def _show(data: bytes, target: str, spool: str) -> None:
    """Show `data` in place of the file `target`; `spool` names a file that is gone afterwards."""
    with open(spool, "wb") as file:
        file.write(data)
    kernel.mount(spool, target, flags=kernel.MS_BIND)
    os.unlink(spool)


def _hide(proc: str) -> None:
    for name in HIDDEN:
        path = f"{proc}/{name}"
        if os.path.isdir(path):
            kernel.mount("/tmp/sys", path, flags=kernel.MS_BIND)  # the new root's empty folder
        elif os.path.exists(path):
            kernel.mount("/dev/null", path, flags=kernel.MS_BIND)
