"""What is wrong with a cluster, in words that may be shown to everybody.

They go into a pool's status, into events and logs. None is ever made of what a Secret holds, nor of what a server
that a Secret names has said: a name, an address and a token look alike from here. Why a server refuses a Job is said on
that Job alone, in its own words, cut short (`trouble`).
"""

from __future__ import annotations

import os
from typing import Final

import aiohttp

from headgate.kube.client import ApiError

RBAC_EXAMPLE: Final = "examples/clusters/member-rbac.yaml"

# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH: its words for them repeat the name.
_WRONG_NAME: Final = frozenset({62, 64})


class ClusterError(Exception):
    """Why a cluster cannot be used, and what would be right."""


class CredentialsError(ClusterError):
    """The cluster does not know who asks, which newer credentials may change."""


def failure(error: BaseException, doing: str) -> ClusterError:
    """Return what a failed request to a cluster means; `doing` is what it was for ("list Jobs")."""
    if isinstance(error, ApiError) and error.status == 401:
        return CredentialsError(
            "does not accept the credentials (401): put a kubeconfig with current ones into the Secret"
        )
    return ClusterError(_words(error, doing))


def _words(error: BaseException, doing: str) -> str:
    if isinstance(error, ApiError):
        return _refusal(error.status, doing)
    if isinstance(error, TimeoutError):
        return f"does not answer in time (asked to {doing})"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not accepted: {_certificate(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy of the kubeconfig answers {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy of the kubeconfig cannot be reached: {_system(error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name in the kubeconfig cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {_system(error)}"
    if isinstance(error, aiohttp.ClientSSLError):
        return "cannot be reached: TLS failed"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"does not answer as a Kubernetes API server does (asked to {doing})"
    return f"the connection broke (asked to {doing})"


def _refusal(status: int, doing: str) -> str:
    if status == 403:
        return f"its user may not {doing} (403): grant what {RBAC_EXAMPLE} grants"
    return f"answers {status} (asked to {doing})"


def _certificate(error: Exception) -> str:
    code, words = getattr(error, "verify_code", 0), getattr(error, "verify_message", "")
    if code in _WRONG_NAME:
        return "it is for another name than the kubeconfig's; tls-server-name can say for which"
    return words or "it cannot be verified"


def _system(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    return os.strerror(number).lower() if number else "no connection"
