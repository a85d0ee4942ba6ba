"""Reading a kubeconfig out of the hub's Secret that a pool refers to."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from headgate.kube.client import ApiError
from headgate.members.errors import ClusterError

if TYPE_CHECKING:
    from headgate.api.clusterpool import KubeconfigSecretRef
    from headgate.kube.client import Api


async def read_kubeconfig(hub: Api, ref: KubeconfigSecretRef) -> bytes:
    """Return what a Secret holds now.

    Raises `ClusterError` where it holds nothing or may not be read; `ApiError` or one of `UNREACHABLE` when the hub
    does not tell.
    """
    secret = f"Secret {ref.namespace}/{ref.name}"
    try:
        body = await hub.call("GET", f"/api/v1/namespaces/{ref.namespace}/secrets/{ref.name}")
    except ApiError as error:
        if error.status == 404:
            raise ClusterError(
                f'{secret} does not exist: create it, with a kubeconfig under the key "{ref.key}"'
            ) from None
        if error.status == 403:
            raise ClusterError(
                f"the operator may not read {secret}: add the namespace to the chart's clusters.secretNamespaces"
            ) from None
        raise
    text = (body.get("data") or {}).get(ref.key)
    if not text:
        raise ClusterError(
            f'{secret} has nothing under the key "{ref.key}": put a kubeconfig there, or correct the key in '
            "kubeconfigSecretRef"
        )
    return base64.b64decode(text)
