"""From a tar to a squashfs, by mksquashfs of the toolchain.

Read from the tar, so that its sorted order alone decides the layout; times and owners are those of the tar.
"""

from __future__ import annotations

from repro.sandbox.session import Session


def make_squashfs(
    session: Session, source: str, target: str, compression: str, level: int = 0, *, dated: bool = True
) -> None:
    """Write the squashfs `target` from the tar `source`; `level` 0 leaves it to mksquashfs;
    `dated`: its own time is SOURCE_DATE_EPOCH. Raises BuildFailed."""
    epoch = session.environment.source_date_epoch
    # of a tar mksquashfs takes everything but the root's own entry: left alone, that would be writable by all
    root = ["-root-mode", "0755", "-root-uid", "0", "-root-gid", "0", "-root-time", str(epoch)]
    options = ["-tar", "-noappend", "-no-progress", "-quiet", "-exports", "-comp", compression, *root]
    if level:
        options += ["-Xcompression-level", str(level)]
    unset = "" if dated else "unset SOURCE_DATE_EPOCH; "
    script = unset + 'source=$1; shift; exec mksquashfs - "$@" < "$source"'
    session.run(["/bin/sh", "-c", script, "sh", source, target, *options], what="mksquashfs")
