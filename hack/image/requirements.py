"""What a machine must have to build the image."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

PROGRAMS: Final = ("buildah", "mmdebstrap")


def missing() -> list[str]:
    """Return what is missing here, a sentence each; nothing where the image can be built."""
    if sys.platform != "linux":
        return ["Linux is needed to build the image."]
    sentences = [] if os.geteuid() == 0 else ["Root is needed to build the image."]
    return sentences + [
        f"{program} is needed to build the image: install the package of that name."
        for program in PROGRAMS
        if not shutil.which(program)
    ]
