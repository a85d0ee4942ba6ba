"""Clusters beside the control plane, as a person would join them: rights there, a kubeconfig here, and a pool."""

from __future__ import annotations

import base64
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import yaml
from hack.local.chart import SYSTEM, WAIT, apply, kubectl

from controlplane.credentials import write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

RIGHTS: Final = Path(__file__).parents[2] / "examples" / "clusters" / "member-rbac.yaml"
POOL: Final = "members"
API_VERSION: Final = "headgate.dev/v1alpha1"


def join(kubeconfig: Path, clusters: Mapping[str, Mapping[str, Any]]) -> None:
    """Make a pool of clusters (as `daemon` describes them, by name) with a queue, and return when it is ready."""
    secrets = [secret(name, credentials(cluster)) for name, cluster in clusters.items()]
    references = [
        {"name": name, "kubeconfigSecretRef": {"namespace": SYSTEM, "name": f"cluster-{name}"}}
        for name in clusters
    ]
    pool = manifest("ClusterPool", {"clusters": references})
    queue = manifest("JobQueue", {"pool": POOL, "runConcurrency": 0, "actionConcurrency": 0})
    apply(kubeconfig, [*secrets, pool, queue])
    for kind in ("clusterpool", "jobqueue"):
        kubectl(kubeconfig, "wait", "--for=condition=Ready", WAIT, f"{kind}/{POOL}")


def credentials(cluster: Mapping[str, Any]) -> str:
    """Grant Headgate in a cluster what it needs there, and return a kubeconfig with just that."""
    admin = Path(cluster["kubeconfig"])
    objects = [body for body in yaml.safe_load_all(RIGHTS.read_text()) if body]
    apply(admin, objects)
    (name,) = [body["metadata"]["name"] for body in objects if body["kind"] == "Secret"]
    kubectl(admin, "wait", "-n", SYSTEM, "--for=jsonpath={.data.token}", WAIT, f"secret/{name}")
    token = kubectl(admin, "get", "-n", SYSTEM, f"secret/{name}", "-o", "jsonpath={.data.token}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        authority = Path(cluster["ca"]).read_bytes()
        text = base64.b64decode(token).decode()
        write_kubeconfig(path, server=cluster["server"], ca=authority, user=name, token=text)
        return path.read_text()


def secret(cluster: str, kubeconfig: str) -> dict[str, Any]:
    """Return the Secret that holds the kubeconfig of a cluster."""
    metadata = {"name": f"cluster-{cluster}", "namespace": SYSTEM}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"kubeconfig": kubeconfig},
    }


def manifest(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a resource of Headgate's with the name of the pool."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": POOL}, "spec": spec}
