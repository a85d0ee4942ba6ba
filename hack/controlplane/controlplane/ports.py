"""Free ports that stay ours, with several control planes starting at once.

Asking the kernel for a free port, closing it and handing the number on is a race, against other control
planes and against every outgoing connection of the machine. So: ports come from below the kernel's ephemeral
range, which outgoing connections never use, and a lock file per port (released by the kernel when its holder
dies) keeps two control planes from choosing the same one, also while a component is stopped and will come
back on its port. A stranger can still take the port first; `ControlPlane.start` tries again then.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from controlplane.errors import ControlPlaneError

LOWEST, HIGHEST = 20000, 32000


class Ports:
    """The ports one control plane holds."""

    def __init__(self) -> None:
        self._locks: list[int] = []
        self._folder = Path(tempfile.gettempdir()) / f"headgate-ports-{os.getuid()}"
        self._folder.mkdir(exist_ok=True)

    def take(self) -> int:
        """Return a port that is free and that no other control plane will choose until `release`."""
        for _ in range(200):
            port = random.randint(LOWEST, HIGHEST)
            lock = os.open(self._folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if is_free(port):
                self._locks.append(lock)
                return port
            os.close(lock)
        raise ControlPlaneError(f"found no free port between {LOWEST} and {HIGHEST}")

    def release(self) -> None:
        """Give the ports back."""
        while self._locks:
            os.close(self._locks.pop())


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
