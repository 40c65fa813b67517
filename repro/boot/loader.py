"""Choosing in GRUB's menu over the serial console, and telling the kernel more than the menu does."""

from __future__ import annotations

from repro.boot.console import Console

_MENU = r"GNU GRUB"
_DOWN, _END, _BOOT = "\x0e", "\x05", "\x18"  # GRUB manual, 14.1 "Shell-like screen editing"
_EDITOR = r"setparams"


def choose(console: Console, *, entry: int = 0, append: str = "", timeout: float = 120) -> None:
    """Start the `entry`th entry of the menu (from 0), with `append` behind its kernel's words.

    `timeout` in seconds is for the menu to come. Raises BootFailed where it does not.
    """
    console.expect(_MENU, timeout)
    console.type(_DOWN * entry)
    if not append:
        console.type("\n")
        return
    console.type("e")
    console.expect(_EDITOR, timeout)
    # below the line that GRUB adds and an empty one is the one that loads the kernel
    console.type(_DOWN * 2 + _END + " " + append)
    console.type(_BOOT)
