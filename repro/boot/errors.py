"""What can go wrong when an image is started."""

from __future__ import annotations

from repro.model.errors import BuildFailed


class HostLacks(BuildFailed):
    """This host has no virtual machine, or no firmware for it; the hint names the package."""

    reason = "host-lacks"


class BootFailed(BuildFailed):
    """The image did not do what was waited for; the message ends with the last lines of its console."""

    reason = "boot-failed"
