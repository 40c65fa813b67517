"""Results of stages by their id: `stages/ID.json` names the blobs that the stage with that id gave."""

from __future__ import annotations

import io
import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from repro.model.errors import IntegrityFailure, InvalidInput, ReproError
from repro.model.text import readable_json
from repro.store.blobs import Blob, Store
from repro.store.files import open_locked, publish, writing

SCHEMA = "repro/stage/v1"
_ID = re.compile(r"[0-9a-f]{8,128}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_LIMIT = 1 << 20


class StageCache:
    """What stages gave, kept in `store`. `say` is told why something that should be here cannot be used."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store, self._say = store, say

    def get(self, stage: str) -> Mapping[str, Blob] | None:
        """The outputs of the stage with the id `stage` (hex digits), each hashed now; None for a miss."""
        path = self._path(stage)
        try:
            with open(path, "rb") as stream:
                data = stream.read(_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._say(f"stage {stage[:12]} is done again: {path}: {error.strerror}")
            return None
        try:
            outputs = _decode(data)
            for blob in outputs.values():
                self._store.open_verified(blob.sha256, blob.size).close()
        except ReproError as error:
            self._say(f"stage {stage[:12]} is done again: {error.message}")
            return None
        return outputs

    def put(self, stage: str, outputs: Mapping[str, Path | Blob | bytes]) -> Mapping[str, Blob]:
        """Keep `outputs` (a file is copied, a Blob is in the store already) as the result of `stage`.

        The manifest appears only when all blobs are there. Raises as `Store.add_stream` does.
        """
        blobs: dict[str, Blob] = {}
        for name, output in sorted(outputs.items()):
            if not _NAME.fullmatch(name):
                raise InvalidInput(f"{name!r} cannot name the output of a stage")
            if isinstance(output, Path):
                blobs[name] = self._store.add_file(output)
            elif isinstance(output, bytes):
                blobs[name] = self._store.add_stream(io.BytesIO(output))
            elif self._store.has(output.sha256, output.size):
                blobs[name] = output
            else:
                raise IntegrityFailure(f"output {name} of stage {stage[:12]}: {output.sha256} is not in the store")
        path = self._path(stage)
        rows = {name: {"sha256": blob.sha256, "size": blob.size} for name, blob in blobs.items()}
        with writing(self._store.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._store.root / "incoming" / uuid.uuid4().hex
            temporary.parent.mkdir(exist_ok=True)
            fd = open_locked(temporary)
            try:
                os.write(fd, readable_json({"schema": SCHEMA, "outputs": rows}))
                publish(fd, temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
                os.close(fd)
        return blobs

    def _path(self, stage: str) -> Path:
        if not _ID.fullmatch(stage):
            raise InvalidInput(f"{stage!r} is not a stage id")
        return self._store.root / "stages" / f"{stage}.json"


def stage_blobs(path: Path) -> frozenset[str]:
    """The SHA-256 of the blobs that the manifest at `path` names; none where it cannot be read, and so not used."""
    try:
        with open(path, "rb") as stream:
            return frozenset(blob.sha256 for blob in _decode(stream.read(_LIMIT)).values())
    except (OSError, ReproError):
        return frozenset()


def _decode(data: bytes) -> dict[str, Blob]:
    try:
        raw = json.loads(data)
        if raw["schema"] != SCHEMA:
            raise InvalidInput(f"its manifest is not a {SCHEMA} document")
        return {name: Blob(str(row["sha256"]), int(row["size"])) for name, row in raw["outputs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"its manifest is damaged ({type(error).__name__})") from error
