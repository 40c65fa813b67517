"""One module a container format: its members, its metadata, and which byte belongs to what.

`opened` picks the module by magic number; `base` is the protocol that all of them share.
"""

from repro.formats.detect import opened, reconciled

__all__ = ["opened", "reconciled"]
