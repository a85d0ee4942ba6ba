"""What can go wrong with the image."""

from controlplane.errors import BuildError


class ImageError(BuildError):
    """The image could not be built; the message says which step failed, and what it printed last."""
