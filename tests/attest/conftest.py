"""Keys that several tests share, for they take a while to make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attest.world import KINDS, GnuPG, Key, all_kinds, ssh_key


@pytest.fixture(scope="session")
def keys() -> dict[str, Key]:
    return all_kinds()


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A private key of each kind by ssh-keygen."""
    folder = tmp_path_factory.mktemp("ssh")
    return {kind: ssh_key(folder, kind) for kind in KINDS}


@pytest.fixture(scope="session")
def gpg() -> Iterator[GnuPG]:
    """GnuPG with keys `ed` (ed25519), `rsa` (certifies, and has a subkey that signs and one that encrypts)."""
    gpg = GnuPG()
    try:
        gpg.make("ed", "ed25519")
        rsa = gpg.make("rsa", "rsa2048", "cert")
        gpg("--quick-add-key", rsa, "ed25519", "sign", "0")
        gpg("--quick-add-key", rsa, "rsa2048", "encr", "0")
        yield gpg
    finally:
        gpg.close()
