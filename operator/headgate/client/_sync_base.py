"""What the synchronous client has besides the methods that are generated from the asynchronous one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from headgate.client._client import AsyncClient
from headgate.client._portal import Portal

if TYPE_CHECKING:
    from types import TracebackType


class ClientBase:
    """Opens, closes, and owns the thread in which everything is done."""

    def __init__(self, wrapped: AsyncClient) -> None:
        self._async = wrapped
        self._portal = Portal()

    @classmethod
    def connect(
        cls, kubeconfig: str | None = None, context: str | None = None, namespace: str | None = None
    ) -> Self:
        """Return a client for a kubeconfig (KUBECONFIG, ~/.kube/config), or for the Pod that this runs in.

        `namespace` is where Jobs are made and looked for unless a call says otherwise: else it is the context's, or the
        Pod's. It connects when it is entered, or at the first call, which raise `ConfigurationError` where there is
        nothing to connect to.
        """
        return cls(AsyncClient.connect(kubeconfig, context, namespace))

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            # Nobody leaves what was never entered.
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and end the thread; the client is of no use afterwards."""
        if self._portal.is_open:
            self._portal.call(self._async.close())
            self._portal.close()

    def _open(self) -> None:
        """Connect if that is not done yet."""
        self._portal.call(self._async.__aenter__())
