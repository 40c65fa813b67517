"""The normalizers that are part of how a stage is made: options and variables without which bits would follow the
surroundings of the build. Those of the tree itself are in `normalize`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.image.normalizers import NORMALIZERS
from repro.model.errors import InvalidInput

ALL = "all"


@dataclass(frozen=True)
class Step:
    """`what` is done, and `reason`: what would differ without it."""

    name: str
    what: str
    reason: str


TEX_FORMATS = Step(
    "tex-formats", "FORCE_SOURCE_DATE=1 for whatever runs in the tree", "TeX's formats carry the day of their making"
)
MEMBER_ORDER = Step("member-order", "tar --sort=name", "members come as the file system lists them")
CLAMPED_TIMES = Step("clamped-times", "tar --clamp-mtime", "what a build writes carries the time of writing")
SQUASHFS_TIME = Step("squashfs-time", "SOURCE_DATE_EPOCH for mksquashfs", "the superblock carries the time of day")
ISO_DATES = Step(
    "iso-dates", "xorriso --modification-date, --set_all_file_dates", "volume, files and boot.catalog carry the time"
)
ISO_TIMEZONE = Step("iso-timezone", "TZ=UTC for xorriso", "some dates are written as local time")
FAT_SERIAL = Step("fat-serial", "mformat -N", "the serial of the EFI system partition follows the time of day")
FAT_TIMES = Step("fat-times", "a clock that stands for mtools", "mtools stamp folders with the local time of day")
STEPS = (TEX_FORMATS, MEMBER_ORDER, CLAMPED_TIMES, SQUASHFS_TIME, ISO_DATES, ISO_TIMEZONE, FAT_SERIAL, FAT_TIMES)
NAMES = (*(each.name for each in NORMALIZERS), *(step.name for step in STEPS))


def chosen(names: Iterable[str]) -> frozenset[str]:
    """The normalizers that `names` mean, `all` being every one. Raises InvalidInput for one that there is not."""
    wanted = set(names)
    if unknown := sorted(wanted - {ALL, *NAMES}):
        raise InvalidInput(f"no normalizer is called {unknown[0]!r}", hint=f"there are: {', '.join((*NAMES, ALL))}")
    return frozenset(NAMES) if ALL in wanted else frozenset(wanted)
