"""Where files are fetched from and how hosts are treated, as the user set it: one TOML table, or the environment.

The file is `repro/sources.toml` in the XDG configuration folder. Each key but `mirrors` and `hosts` may be given in the
environment too, which wins: REPRO_SNAPSHOT_PAUSE for `snapshot_pause`, and so on.

    [sources]
    mirrors.debian = ["https://mirror.example.org/debian"]   # besides those of the host's apt sources
    snapshot_url = "https://snapshot.debian.org"
    snapshot_pause = 1.5          # seconds between two requests to the snapshot archive
    snapshot_connections = 1
    mirror_pause = 0
    mirror_connections = 4
    attempts = 5                  # fruitless requests in a row to one address
    backoff = 0.5                 # seconds before the second; doubles
    longest_wait = 120            # seconds: a host that asks for more is passed over
    minimum_rate = 500            # bytes a second over slow_after seconds
    slow_after = 30
    deadline = 0                  # seconds for all of a fetch; 0 is none
    hosts."slow.example.org" = { pause = 2, connections = 1 }
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from repro.model.errors import InvalidInput
from repro.snapshot.hosts import SNAPSHOT, Mirrors, base_address, mirrors
from repro.snapshot.politeness import Budget, Patience

_NUMBERS: dict[str, tuple[float, float]] = {  # the least and the most that each may be
    "snapshot_pause": (0, 3600),
    "snapshot_connections": (1, 16),
    "mirror_pause": (0, 3600),
    "mirror_connections": (1, 64),
    "attempts": (1, 100),
    "backoff": (0, 600),
    "longest_wait": (0, 86400),
    "minimum_rate": (0, 1e12),
    "slow_after": (0.1, 3600),
    "deadline": (0, 1e9),
}
_PATIENCE = ("attempts", "backoff", "longest_wait", "minimum_rate", "slow_after", "deadline")


@dataclass(frozen=True)
class Settings:
    """Base addresses of mirrors by archive and of the snapshot archive, and how to treat them: seconds between two
    requests and connections at once, with exceptions by host."""

    mirrors: Mirrors
    snapshot: str = SNAPSHOT
    of_mirrors: tuple[float, int] = (0.0, 4)
    of_snapshot: tuple[float, int] = (1.5, 1)
    hosts: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    def budget(self, base: str) -> Budget:
        """How the host of `base` is to be treated."""
        usual = self.of_snapshot if base == self.snapshot else self.of_mirrors
        return Budget(*self.hosts.get(urlsplit(base).netloc, usual))


def load_settings(environment: Mapping[str, str] = os.environ, apt: Path = Path("/etc/apt")) -> Settings:
    """The user's settings. Raises InvalidInput where the file or a variable is not valid, saying which."""
    path = _path(environment)
    table = _table(path)
    where = str(path)
    configured = table.pop("mirrors", {})
    if not isinstance(configured, dict) or not all(isinstance(uris, list) for uris in configured.values()):
        raise InvalidInput(f"{where}: mirrors.ARCHIVE is a list of addresses")
    checked = {archive: [base_address(uri, where) for uri in uris] for archive, uris in configured.items()}
    hosts = table.pop("hosts", {})
    if not isinstance(hosts, dict):
        raise InvalidInput(f'{where}: hosts."HOST" is a table')
    numbers = _numbers(table, where, environment)
    snapshot = base_address(table.pop("snapshot_url", SNAPSHOT), where)
    if given := environment.get("REPRO_SNAPSHOT_URL"):
        snapshot = base_address(given, "REPRO_SNAPSHOT_URL")
    if table:
        known = ", ".join(sorted(("hosts", "mirrors", "snapshot_url", *_NUMBERS)))
        raise InvalidInput(f"{where}: there is no setting {sorted(table)[0]!r}", hint=f"there are: {known}")
    patient = {key: numbers[key] for key in _PATIENCE if key in numbers}
    return Settings(
        mirrors(environment, apt, checked),
        snapshot.rstrip("/"),
        (numbers.get("mirror_pause", 0.0), int(numbers.get("mirror_connections", 4))),
        (numbers.get("snapshot_pause", 1.5), int(numbers.get("snapshot_connections", 1))),
        {host: _host(raw, f'{where}: hosts."{host}"') for host, raw in hosts.items()},
        Patience(int(patient.pop("attempts", 5)), **patient),
    )


def _path(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", "/"), ".config")
    return Path(home, "repro", "sources.toml")


def _table(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}") from error
    table = document.pop("sources", {})
    if document or not isinstance(table, dict):
        raise InvalidInput(f"{path}: expected the one table [sources]", hint="see docs/fetching.md")
    return table


def _numbers(table: dict[str, Any], where: str, environment: Mapping[str, str]) -> dict[str, float]:
    found = {key: _number(table.pop(key), f"{where}: {key}", *_NUMBERS[key]) for key in _NUMBERS if key in table}
    for key, bounds in _NUMBERS.items():
        variable = f"REPRO_{key.upper()}"
        if text := environment.get(variable):
            try:
                value: object = float(text)
            except ValueError:
                value = text
            found[key] = _number(value, variable, *bounds)
    return found


def _number(value: object, where: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidInput(f"{where}: {value!r} is not a number from {least:g} to {most:g}")
    return value


def _host(raw: object, where: str) -> tuple[float, int]:
    if not isinstance(raw, dict) or set(raw) - {"pause", "connections"}:
        raise InvalidInput(f"{where}: expected {{ pause = SECONDS, connections = NUMBER }}")
    pause = _number(raw.get("pause", 0.0), f"{where}.pause", *_NUMBERS["mirror_pause"])
    return pause, int(_number(raw.get("connections", 1), f"{where}.connections", *_NUMBERS["mirror_connections"]))
