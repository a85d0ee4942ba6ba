"""The command lines of the Kubernetes components, tuned for throughput on a small machine.

What is switched off here is what nobody misses in a cluster without machines, volumes or certificates. What
decides about Jobs (admission, quotas, garbage collection, the scheduler's plugins) is as in any cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

UNNEEDED_CONTROLLERS = (
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "device-taint-eviction-controller",
    "endpointslice-mirroring-controller",
    "ephemeral-volume-controller",
    "horizontal-pod-autoscaler-controller",
    "legacy-serviceaccount-token-cleaner-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "podcertificaterequest-cleaner-controller",
    "resourceclaim-controller",
    "service-cidr-controller",
    "ttl-controller",
    "volumeattributesclass-protection-controller",
)

# what makes Jobs run in a cluster where people create nothing else, and what its service accounts need
JOB_CONTROLLERS = (
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "ttl-after-finished-controller",
)
ALL_CONTROLLERS = ("*", *(f"-{name}" for name in UNNEEDED_CONTROLLERS))

# every write, once, when it is answered: what a benchmark needs to count the writes of a user
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
"""


@dataclass(frozen=True)
class Files:
    """Where the files of one cluster are."""

    directory: Path

    @property
    def pki(self) -> Path:
        """The folder of the certificate and the signing key."""
        return self.directory / "pki"

    @property
    def serving(self) -> Path:
        """The API server's certificate, followed by the one-off CA that signed it; it writes both itself."""
        return self.pki / "apiserver.crt"

    @property
    def ca(self) -> Path:
        """That CA alone: what clients verify the API server with."""
        return self.pki / "ca.crt"

    @property
    def signing_key(self) -> Path:
        """The key of service account tokens."""
        return self.pki / "service-account.key"

    @property
    def kubelet_client(self) -> Path:
        """The certificate that the API server shows to kubelets; its key is beside it, with the suffix ``.key``."""
        return self.pki / "kubelet-client.crt"

    @property
    def tokens(self) -> Path:
        """The static tokens."""
        return self.pki / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        """What is written to the audit log."""
        return self.directory / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """The audit log, where one was asked for."""
        return self.directory / "audit.log"

    def kubeconfig(self, name: str) -> Path:
        """Return the kubeconfig of a user or component."""
        return self.directory / f"{name}.kubeconfig"


def api_server(
    files: Files,
    *,
    etcd: str,
    etcd_prefix: str,
    port: int,
    audit: bool,
    client_ca: Path | None,
    kubelets: bool,
) -> list[str]:
    """Return the arguments of kube-apiserver."""
    arguments = [
        f"--etcd-servers={etcd}",
        f"--etcd-prefix={etcd_prefix}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={files.pki}",
        f"--token-auth-file={files.tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={files.signing_key}",
        f"--service-account-signing-key-file={files.signing_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        "--max-requests-inflight=1600",
        "--max-mutating-requests-inflight=800",
        "--shutdown-delay-duration=0s",
    ]
    if audit:
        arguments += [f"--audit-policy-file={files.audit_policy}", f"--audit-log-path={files.audit_log}"]
    if client_ca:
        arguments.append(f"--client-ca-file={client_ca}")
    if kubelets:
        arguments += [
            f"--kubelet-client-certificate={files.kubelet_client}",
            f"--kubelet-client-key={files.kubelet_client.with_suffix('.key')}",
            "--kubelet-preferred-address-types=InternalIP",
        ]
    return arguments


def controller_manager(files: Files, controllers: tuple[str, ...]) -> list[str]:
    """Return the arguments of kube-controller-manager."""
    return [
        f"--kubeconfig={files.kubeconfig(CONTROLLER_MANAGER)}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",  # without it the Job controller has no rights
        f"--root-ca-file={files.ca}",
        f"--service-account-private-key-file={files.signing_key}",
        f"--controllers={','.join(controllers)}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-job-syncs=20",
        "--concurrent-gc-syncs=10",
        "--concurrent-ttl-after-finished-syncs=5",
        "--node-monitor-grace-period=10m",  # KWOK's heartbeat is every two minutes
        "--node-monitor-period=10s",
    ]


def scheduler(files: Files) -> list[str]:
    """Return the arguments of kube-scheduler."""
    return [
        f"--config={files.directory / 'scheduler.yaml'}",
        "--secure-port=0",
    ]


def scheduler_configuration(files: Files) -> str:
    """Return the file that takes the place of most of the scheduler's flags."""
    return f"""\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: {files.kubeconfig(SCHEDULER)}
  qps: 500
  burst: 1000
leaderElection:
  leaderElect: false
"""


def kwok(files: Files, stages: Path) -> list[str]:
    """Return the arguments of KWOK."""
    return [
        f"--kubeconfig={files.kubeconfig(KWOK)}",
        f"--config={files.directory / 'kwok.yaml'}",
        f"--config={stages}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=0",  # heartbeats are in the stages; a lease per node would be writes
    ]


KWOK_CONFIGURATION = """\
apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 8
  enablePodsOnNodeSyncStreamWatch: true
"""
