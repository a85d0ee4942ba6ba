"""A Job from a command and an image: the manifest that somebody would otherwise write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from headgate.api import names
from headgate.client._keywords import check_keywords

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

SHELL = ("/bin/sh", "-c")


class JobOptions(TypedDict, total=False):
    """What a Job may be given as it is submitted; all are optional."""

    name: str | None
    """Without one, it is made from the queue's name."""
    priority: int | None
    """0 to 9999, for a queue whose execution mode is PRIORITY."""
    share: str | None
    project: str | None
    run: str | None
    depends_on: str | Sequence[str]
    """Names of Jobs of the namespace that have to succeed first."""
    retry_of: str | None
    hold: bool
    """It waits until its annotation headgate.dev/hold is removed."""
    cpu: str | float | None
    """What each Pod requests: ``2``, ``"500m"``."""
    memory: str | None
    """What each Pod requests: ``"4Gi"``."""
    requests: Mapping[str, str]
    """What else each Pod requests: ``{"nvidia.com/gpu": "1"}``."""
    parallelism: int | None
    completions: int | None
    deadline: int | None
    """How many seconds it may run."""
    retries: int
    """How many Pods may fail before the Job does; 0 unless given."""
    ttl: int | None
    """After how many seconds Kubernetes deletes it once it is finished."""
    env: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    service_account: str | None


def job_manifest(
    image: str,
    command: str | Sequence[str] | None = None,
    *,
    queue: str,
    **options: Unpack[JobOptions],
) -> dict[str, Any]:
    """Return a Job that runs a command in a container, as `jobs.submit` creates it.

    A command that is one string is given to the image's shell; without one the image's own is run. Raises TypeError for
    an option that does not exist.
    """
    check_keywords(options, JobOptions.__annotations__, "a Job has")
    name = options.get("name")
    spec = {
        "parallelism": options.get("parallelism"),
        "completions": options.get("completions"),
        "activeDeadlineSeconds": options.get("deadline"),
        "backoffLimit": options.get("retries", 0),
        "ttlSecondsAfterFinished": options.get("ttl"),
    }
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": options.get("service_account"),
        "containers": [_container(image, command, options)],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **({"name": name} if name else {"generateName": f"{queue}-"}),
            "labels": {**options.get("labels", {}), **_labels(queue, options)},
            "annotations": {**options.get("annotations", {}), **_annotations(options)},
        },
        "spec": {**_given(spec), "template": {"spec": _given(pod)}},
    }


def in_queue(manifest: Mapping[str, Any], queue: str | None) -> Json:
    """Return a manifest with what makes it a Job of a queue; raises ValueError where it is none, or names none."""
    if manifest.get("kind", "Job") != "Job":
        raise ValueError(f"kind: must be Job, not {manifest['kind']!r}")
    metadata = _mapping(manifest, "metadata", "metadata")
    labels = _mapping(metadata, "labels", "metadata.labels")
    if queue is not None:
        labels[names.QUEUE_LABEL] = queue
    if not labels.get(names.QUEUE_LABEL):
        raise ValueError(f"metadata.labels['{names.QUEUE_LABEL}']: is required: name a queue")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        **manifest,
        "metadata": {**metadata, "labels": labels},
    }


def _mapping(body: Mapping[str, Any], field: str, path: str) -> Json:
    value = body.get(field) or {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{path}: must be a mapping of names to values, not {value!r:.80}")
    return dict(value)


def _container(image: str, command: str | Sequence[str] | None, options: JobOptions) -> Json:
    cpu = options.get("cpu")
    requests = _given({"cpu": None if cpu is None else str(cpu), "memory": options.get("memory")})
    requests |= options.get("requests", {})
    # Kubernetes takes a request for a device only with a limit of the same size.
    limits = {
        name: amount for name, amount in requests.items() if "/" in name or name.startswith("hugepages-")
    }
    env = [{"name": key, "value": value} for key, value in options.get("env", {}).items()]
    return _given(
        {
            "name": "main",
            "image": image,
            "command": [*SHELL, command] if isinstance(command, str) else list(command or ()) or None,
            "env": env or None,
            "resources": _given({"requests": requests or None, "limits": limits or None}) or None,
        }
    )


def _labels(queue: str, options: JobOptions) -> Json:
    return _given(
        {
            names.QUEUE_LABEL: queue,
            names.RUN_LABEL: options.get("run"),
            names.PROJECT_LABEL: options.get("project"),
            names.SHARE_LABEL: options.get("share"),
        }
    )


def _annotations(options: JobOptions) -> Json:
    priority, depends_on = options.get("priority"), options.get("depends_on") or ()
    return _given(
        {
            names.PRIORITY_ANNOTATION: None if priority is None else str(priority),
            names.DEPENDS_ON_ANNOTATION: depends_on if isinstance(depends_on, str) else ",".join(depends_on),
            names.RETRY_OF_ANNOTATION: options.get("retry_of"),
            names.HOLD_ANNOTATION: "true" if options.get("hold") else None,
        }
    )


def _given(values: Json) -> Json:
    return {key: value for key, value in values.items() if value not in (None, "")}
