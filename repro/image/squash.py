"""The squashfs stage: `root.tar` to `filesystem.squashfs`, by mksquashfs of the toolchain.

Read from the tar, so that its sorted order alone decides the layout; times and owners are those of the tar.
"""

from __future__ import annotations

from repro.image.root import OUTPUT
from repro.sandbox.session import Session

NAME = "filesystem.squashfs"


def make_squashfs(session: Session, compression: str) -> None:
    """Write OUTPUT/filesystem.squashfs from OUTPUT/root.tar. Raises BuildFailed."""
    command = [
        'exec mksquashfs - "$1" -tar -noappend -no-progress -quiet -exports -comp "$2" < "$3"',
        "mksquashfs",
        f"{OUTPUT}/{NAME}",
        compression,
        f"{OUTPUT}/root.tar",
    ]
    session.run(["/bin/sh", "-c", *command], what="mksquashfs")
