"""`recipes/NAME/recipe.toml`: what a person asks for. TOML, `schema = "repro/recipe/v1"`."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from repro.model import reading
from repro.model.fields import Fields

SCHEMA = "repro/recipe/v1"
OUTPUTS = ("iso", "usb", "squashfs", "tar", "oci")
COMPRESSIONS = ("zstd", "xz", "gzip")
LEVELS = {"zstd": 22, "gzip": 9, "xz": 0}  # the highest; mksquashfs has none for xz
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(/[A-Za-z0-9][A-Za-z0-9.+_-]*)?")
_TITLE = re.compile(r"[A-Za-z0-9 ,.:()+-]{1,76}")  # a line of GRUB's menu
_CMDLINE = re.compile(r"[^\x00-\x1f\x7f-\U0010ffff\"'`\\${}<>|&;#]*")  # what GRUB takes for words, and nothing else
_ARCHITECTURE = re.compile(r"(?!all$|any$|source$)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class MenuEntry:
    """One way to start the system: its `title` in the boot menu, and what the kernel is told besides the recipe's
    `cmdline`; of parameters given twice the later one counts, for the kernel as for live-boot."""

    title: str
    cmdline: str


@dataclass(frozen=True)
class Recipe:
    """One image.

    `packages` are asked of apt (the lock holds their closure), as `NAME`, `NAME:ARCHITECTURE` for one of
    `foreign_architectures`, or with `/SUITE` behind it for what is not taken unasked (backports); `outputs` name the
    artifacts that are published; `compression_level` is the squashfs compressor's own (0: what mksquashfs takes);
    `volume` is the ISO's volume id (at most 32 of A-Z, 0-9 and `_`); `cmdline` what the kernel is started with;
    `menu` are more entries of the boot menu, behind the first, which has the recipe's `summary` and `cmdline` alone;
    `timeout` the most seconds a single build step may take; `scratch` the most bytes its file system may hold.
    """

    name: str
    summary: str
    pins: str
    architecture: str
    packages: tuple[str, ...]
    outputs: tuple[str, ...]
    compression: str = "zstd"
    compression_level: int = 0
    volume: str = "REPRO"
    cmdline: str = ""
    timeout: int = 1800
    scratch: int = 8 << 30
    foreign_architectures: tuple[str, ...] = ()
    menu: tuple[MenuEntry, ...] = ()

    @property
    def architectures(self) -> tuple[str, ...]:
        """Its own first, then the foreign ones."""
        return (self.architecture, *self.foreign_architectures)

    @property
    def asked(self) -> tuple[str, ...]:
        """`packages` without suites: what is to be installed from the lock."""
        return tuple(package.partition("/")[0] for package in self.packages)

    def material(self) -> dict[str, Any]:
        """Every value, for digests. A recipe without one of the later keys has the digest that it had before there were
        any."""
        values = asdict(self)
        for key in ("foreign_architectures", "menu"):
            if not values[key]:
                del values[key]
        return values


def decode(name: str, text: str, where: str) -> Recipe:
    """The recipe `name` written as TOML in `text`; `where` names the file in messages.

    Raises InvalidInput with the line or the key that is wrong.
    """
    raw = reading.toml(text, SCHEMA, where)
    read = Fields(raw, where)
    read.only({field.name for field in fields(Recipe)} - {"name"})
    compression = read.text("compression", re.compile("|".join(COMPRESSIONS)), "zstd")
    return Recipe(
        name=name,
        summary=read.text("summary", re.compile(r"[^\x00-\x1f]+")),
        pins=read.text("pins", _NAME),
        architecture=read.text("architecture", re.compile(r"amd64")),
        packages=read.words("packages", _PACKAGE),
        outputs=read.words("outputs", re.compile("|".join(OUTPUTS))),
        compression=compression,
        compression_level=read.number("compression_level", 0, least=0, most=LEVELS[compression]),
        volume=read.text("volume", re.compile(r"[A-Z0-9_]{1,32}"), "REPRO"),
        cmdline=read.text("cmdline", _CMDLINE, ""),
        timeout=read.number("timeout", 1800),
        scratch=read.number("scratch", 8 << 30),
        foreign_architectures=read.words("foreign_architectures", _ARCHITECTURE, ()),
        menu=tuple(_entry(each) for each in read.tables("menu")),
    )


def _entry(read: Fields) -> MenuEntry:
    read.only({"title", "cmdline"})
    return MenuEntry(read.text("title", _TITLE), read.text("cmdline", _CMDLINE))
