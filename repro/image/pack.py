"""Archives of folders in the sandbox, by tar of the toolchain: sorted members, clamped times, numbers for owners
(reproducible-builds.org/docs/archives)."""

from __future__ import annotations

from repro.image.steps import CLAMPED_TIMES, MEMBER_ORDER
from repro.sandbox.session import Session
from repro.sandbox.toolchain import preloads


def pack(session: Session, folder: str, target: str, without: frozenset[str]) -> None:
    """Write everything in `folder` to the tar `target`; `without` names normalizers that are switched off.

    Raises BuildFailed.
    """
    epoch = session.environment.source_date_epoch
    session.run(
        [
            "tar",
            "--create",
            f"--file={target}",
            "--format=pax",
            "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
            *(() if MEMBER_ORDER.name in without else ("--sort=name",)),
            *(() if CLAMPED_TIMES.name in without else (f"--mtime=@{epoch}", "--clamp-mtime")),
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=security.*",
            "--xattrs-include=user.*",
            "--one-file-system",
            f"--directory={folder}",
            ".",
        ],
        env=preloads(session),
        what="tar",
    )
