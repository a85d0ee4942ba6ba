"""The operator's image, built on this machine from the Dockerfile, without a registry.

Buildah builds the same Dockerfile that Docker would. What Docker would download is made here first: Debian's base image
by mmdebstrap, the wheels by pip, with their hashes. The result is an archive as `docker save` writes it, and the same
bytes as long as the sources, the lock and Debian's packages are the same.
"""

from hack.image.builder import build, reference
from hack.image.cached import operator_image
from hack.image.errors import ImageError
from hack.image.requirements import missing

__all__ = ["ImageError", "build", "missing", "operator_image", "reference"]
