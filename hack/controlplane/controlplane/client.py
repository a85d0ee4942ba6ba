"""A few blocking requests to an API server, for start-up and for tests of the control plane itself.

Not a Kubernetes client: the project has one. This one needs only the standard library, so that `make up`
works before anything is installed.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path


class Client:
    """JSON over HTTPS with a bearer token, one connection a request."""

    def __init__(self, server: str, ca_file: Path, token: str) -> None:
        parts = urlsplit(server)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 443
        self._ca_file = ca_file
        self._token = token

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the decoded body; status 0 when there is no server to talk to."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
            if method == "PATCH":
                headers["Content-Type"] = "application/merge-patch+json"
        try:
            context = ssl.create_default_context(cafile=str(self._ca_file))
            connection = http.client.HTTPSConnection(self._host, self._port, context=context, timeout=30)
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                return response.status, decoded(response.read())
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):  # no certificate yet, refused, reset
            return 0, None

    def get(self, path: str) -> Any:
        """Return an object, or None where the answer is not a success."""
        status, body = self.request("GET", path)
        return body if 200 <= status < 300 else None


def decoded(body: bytes) -> Any:
    """Return what a JSON body says, or its text where it is not JSON (``ok`` of a health check)."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
