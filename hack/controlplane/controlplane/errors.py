"""What can go wrong, as exceptions whose message tells the user what to do."""


class ControlPlaneError(Exception):
    """The control plane cannot do what was asked."""


class BuildError(ControlPlaneError):
    """A tool could not be built."""


class ProcessDied(ControlPlaneError):  # noqa: N818  it reads better than ProcessDiedError
    """A process of the control plane ended by itself."""


class PortTaken(ProcessDied):
    """Somebody else took the port between our choice and the process's start: try again with another."""
