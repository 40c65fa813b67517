"""An ext4 file system in memory, for builds that shall see another file system than tmpfs; real root makes it.

The host's mkfs.ext4 writes it: it decides where blocks lie, which no build may care about. UUID and hash seed are
fixed, since the order in which folders list their entries follows from them (ext4's hashed directories).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Sequence

from repro.sandbox import kernel

_ATTEMPTS, _PAUSE = 50, 0.002  # seconds more after each
_LOOP_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_AUTOCLEAR = 4  # the device goes when its last user does, however that ends
_INFO = 232  # bytes of struct loop_info64
_IDENTITY = "7a1e0b1c-5d3f-4f0e-9d2a-2c6b8f4e1d30"


def mount(folder: str, size: int, owner: Sequence[int]) -> None:
    """Mount a new ext4 of `size` bytes at `folder`, whose top belongs to `owner` (uid, gid). Raises OSError."""
    image = os.memfd_create("repro-ext4", 0)
    try:
        os.truncate(image, size)
        _format(f"/proc/self/fd/{image}", image, owner)
        device = _loop(image)
        try:
            kernel.mount(device[0], folder, "ext4", kernel.MS_NOSUID)
        finally:
            os.close(device[1])
    finally:
        os.close(image)
    os.rmdir(f"{folder}/lost+found")
    os.chmod(folder, 0o755)


def _format(path: str, descriptor: int, owner: Sequence[int]) -> None:
    options = f"root_owner={owner[0]}:{owner[1]},hash_seed={_IDENTITY},lazy_itable_init=1,lazy_journal_init=1"
    argv = ["mkfs.ext4", "-q", "-F", "-m", "0", "-U", _IDENTITY, "-O", "^has_journal", "-E", options, path]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, env=env, pass_fds=[descriptor], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise OSError(f"mkfs.ext4 failed: {done.stderr.decode(errors='replace').strip()[:200]}")


def _loop(image: int) -> tuple[str, int]:
    """A loop device for `image`: its path, and the descriptor that holds it until it is mounted (loop(4)).

    One that is free when we ask may be somebody else's when we take it: then another is asked for, as losetup(8) does.
    """
    info = bytearray(_INFO)
    struct.pack_into("I", info, 52, _AUTOCLEAR)  # lo_flags
    for attempt in range(_ATTEMPTS):
        with open("/dev/loop-control", "rb", buffering=0) as control:
            number = fcntl.ioctl(control, _LOOP_GET_FREE)
        path = f"/dev/loop{number}"
        with contextlib.suppress(FileExistsError):
            os.mknod(path, 0o060600, os.makedev(7, number))
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _LOOP_CONFIGURE, struct.pack("II", image, 0) + bytes(info) + bytes(64))
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE * attempt)
        else:
            return path, device
    raise AssertionError("not reached")
