"""In what two members may differ: the words that comparisons, baselines and reports share (docs/comparing.md)."""

from __future__ import annotations

ASPECTS = ("content", "mode", "owner", "mtime", "order", "xattr", "presence", "structure", "link", "device", "type")
