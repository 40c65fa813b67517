"""A folder whose entries come in another order: disorderfs in between."""

from __future__ import annotations

from repro.sandbox import toolchain
from repro.sandbox.session import Session

# disorderfs' options; unasked it reverses
ORDERS = {
    "reverse": ("--reverse-dirents=yes",),
    "shuffle": ("--reverse-dirents=no", "--shuffle-dirents=yes"),
    "sorted": ("--reverse-dirents=no", "--sort-dirents=yes"),
}


def view(session: Session, tree: str, folder: str, order: str) -> None:
    """Show `tree` at `folder`, which is made for it, in `order`. Raises BuildFailed."""
    session.call(toolchain.MODULE, "make_folder", path=folder)
    users = f"--multi-user={'no' if session.backend.fake else 'yes'}"  # needs setgroups, which a single id has not
    session.daemon(["disorderfs", users, "-f", *ORDERS[order], tree, folder], privileged=True)
    session.call(toolchain.MODULE, "wait_for_mount", path=folder)
