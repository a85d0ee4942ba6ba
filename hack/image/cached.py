"""The image for whoever needs it and not a new one: built once for everything that decides what is in it."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Final

from hack.image import builder

from controlplane import binaries

KEPT: Final = 4
"""Images of earlier sources that are kept: somebody may be using them."""


def operator_image() -> Path:
    """Return the operator's image as an archive, `headgate:<appVersion of the chart>`, of the sources as they are now.

    It is built when there is none of these sources yet, which takes a minute; others who ask meanwhile wait for it.
    Debian's packages are those of the day when it was built.

    Raises
    ------
    ImageError
        If it has to be built and cannot be.
    """
    cache = binaries.cache() / "image"
    archive = cache / f"headgate-{key()}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with binaries.locked(cache / "lock"):
        builder.clear(cache)
        if not archive.exists():
            builder.build(archive, cache)
        archive.touch()
        newest_first = sorted(
            cache.glob("headgate-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for old in newest_first[KEPT:]:
            old.unlink()
    return archive


def key() -> str:
    """Return a name for everything that decides what the image is, but for Debian's packages."""
    digest = hashlib.sha256(platform.machine().encode())
    builders = Path(__file__).parent.glob("*.py")
    for path in (*(builder.ROOT / name for name in builder.inputs()), *sorted(builders)):
        digest.update(f"\0{path.relative_to(builder.ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
