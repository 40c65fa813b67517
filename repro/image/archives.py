"""The root tree as other tools take it: a compressed tar, and an OCI image (opencontainers/image-spec 1.0) in a tar."""

from __future__ import annotations

import time
from typing import Any

from repro.image.order import Order
from repro.image.pack import pack
from repro.image.root import OUTPUT
from repro.model.text import canonical_json
from repro.sandbox.session import Session

_LAYOUT = "/oci"
_INSIDE = "repro.image.files_inside"
_THREADS = 2  # always: what zstd writes depends on whether it has threads
_TYPE = "application/vnd.oci.image."
_ARCHITECTURES = {"amd64": "amd64"}  # Debian's name: Go's, which OCI takes


def make_tarball(session: Session, order: Order, name: str) -> None:
    """Write OUTPUT/`name`, root.tar compressed by zstd. Raises BuildFailed."""
    level = order.recipe.compression_level if order.recipe.compression == "zstd" else 0
    options = ["--quiet", f"--threads={_THREADS}", f"-{level or 9}"]
    options += ["--ultra"] if level > 19 else []
    session.run(["zstd", *options, "-o", f"{OUTPUT}/{name}", f"{OUTPUT}/root.tar"], what="zstd")


def make_oci(session: Session, order: Order, name: str) -> None:
    """Write OUTPUT/`name`, an OCI image layout of one layer, as a tar (what skopeo and podman call oci-archive).

    The layer is gzip's, which every reader knows. Raises BuildFailed.
    """
    script = 'gzip --no-name --stdout < "$1" > "$2"'
    session.run(["/bin/sh", "-c", script, "sh", f"{OUTPUT}/root.tar", "/layer"], what="gzip")
    diff = session.call(_INSIDE, "digest", path=f"{OUTPUT}/root.tar")[0]
    layer, size = session.call(_INSIDE, "adopt", source="/layer", layout=_LAYOUT)
    epoch = session.environment.source_date_epoch
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    notes = {
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.description": order.recipe.summary,
        "org.opencontainers.image.revision": order.build_id,
        "org.opencontainers.image.title": order.recipe.name,
    }
    config = {
        "architecture": _ARCHITECTURES[order.recipe.architecture],
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "created": created,
        "history": [{"created": created, "created_by": f"repro build {order.recipe.name}"}],
        "os": "linux",
        "rootfs": {"diff_ids": [f"sha256:{diff}"], "type": "layers"},
    }
    manifest = {
        "annotations": notes,
        "config": _blob(session, "config.v1+json", config),
        "layers": [{"digest": f"sha256:{layer}", "mediaType": f"{_TYPE}layer.v1.tar+gzip", "size": size}],
        "mediaType": f"{_TYPE}manifest.v1+json",
        "schemaVersion": 2,
    }
    named = {"org.opencontainers.image.ref.name": order.recipe.name}
    index = {
        "manifests": [{**_blob(session, "manifest.v1+json", manifest), "annotations": named}],
        "mediaType": f"{_TYPE}index.v1+json",
        "schemaVersion": 2,
    }
    session.put_bytes(canonical_json(index), f"{_LAYOUT}/index.json")
    session.put_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}), f"{_LAYOUT}/oci-layout")
    session.call(_INSIDE, "settle", top=_LAYOUT, epoch=epoch)
    pack(session, _LAYOUT, f"{OUTPUT}/{name}", order.without)


def _blob(session: Session, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Put `value` into the layout; its descriptor."""
    session.put_bytes(canonical_json(value), "/blob")
    digest, size = session.call(_INSIDE, "adopt", source="/blob", layout=_LAYOUT)
    return {"digest": f"sha256:{digest}", "mediaType": _TYPE + kind, "size": size}
