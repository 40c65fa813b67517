"""FAT file systems, by mtools of the toolchain: a serial that is told, a clock that stands, entries in sorted order."""

from __future__ import annotations

import time

from repro.image.steps import FAT_SERIAL, FAT_TIMES
from repro.sandbox.session import Session
from repro.sandbox.toolchain import FAKETIME, preloads


def make_fat(
    session: Session,
    image: str,
    tree: str,
    *,
    serial: int,
    without: frozenset[str],
    options: tuple[str, ...],
    label: str = "",
) -> None:
    """Make a file system in `image` (a path, or `PATH@@OFFSET` of a file that is there) and copy `tree` into it.

    `serial` has 32 bits, `options` are mformat's; `without` names normalizers that are switched off.
    Raises BuildFailed.
    """
    env = _clock(session, without)
    identity = () if FAT_SERIAL.name in without else ("-N", f"{serial:08x}")
    named = ("-v", label) if label else ()
    session.run(["mformat", "-i", image, *options, *identity, *named, "::"], env=env, what="mformat")
    for path, is_folder in session.call("repro.image.files_inside", "listing", tree=tree):
        if is_folder:
            session.run(["mmd", "-i", image, f"::/{path}"], env=env, what="mmd")
        else:
            session.run(["mcopy", "-m", "-i", image, f"{tree}/{path}", f"::/{path}"], env=env, what="mcopy")


def _clock(session: Session, without: frozenset[str]) -> dict[str, str]:
    """mmd stamps folders with the time of day, in local time: a still clock is the only way to tell it otherwise."""
    if FAT_TIMES.name in without:
        return preloads(session)
    still = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(session.environment.source_date_epoch))
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": still, "FAKETIME_DISABLE_SHM": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
