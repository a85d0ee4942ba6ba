"""`headgate doctor`: whether everything is in place that queues need.

It looks with the user's own rights. What those do not show is said to be unknown, and is nothing wrong.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Literal, NamedTuple

import typer

from headgate import __version__
from headgate.api.names import CONDITION_STALLED, GROUP, VERSION
from headgate.cli.output.ages import duration
from headgate.cli.output.visible import visible
from headgate.cli.verb import Session, verb
from headgate.client import (
    AsyncClient,
    ConfigurationError,
    ForbiddenError,
    HeadgateError,
    NotAuthenticatedError,
    NotFoundError,
    UnreachableError,
)

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
OURS: Final = "app.kubernetes.io/part-of=headgate"
KUBERNETES: Final = (1, 36)
"""The oldest that has all that Headgate needs: MutatingAdmissionPolicy in v1."""
INDISPENSABLE: Final = ("job-submit", "job-intake", "job-admit", "job-fence")
"""How the names of the policies end without which queues do not hold Jobs."""
RIGHTS: Final = (
    ("look at queues", "list", "jobqueues", GROUP, ""),
    ("change queues", "update", "jobqueues", GROUP, ""),
    ("submit Jobs here", "create", "jobs", "batch", ""),
    ("cancel Jobs here and keep them", "patch", "jobs", "batch", "status"),
)

Result = Literal["ok", "wrong", "unknown"]


class Finding(NamedTuple):
    """What was found, and where it is wrong, what to do about it."""

    result: Result
    text: str
    remedy: str = ""


Check = Callable[[AsyncClient], AsyncIterator[Finding]]


@verb(namespaced=True)
async def doctor(session: Session) -> None:
    """Check CRDs, policies, operator, versions and rights.

    Each line is ok, wrong, with what to do about it, or unknown where your rights do not show it. It ends with 1 if
    something is wrong.
    """
    for title, check in CHECKS.items():
        try:
            async for finding in check(session.client):
                typer.echo(visible(f"{finding.result:<9}{finding.text}"))
                if finding.remedy:
                    typer.echo(visible(f"{'':<9}{finding.remedy}"))
                session.failed |= finding.result == "wrong"
        except ForbiddenError as error:
            typer.echo(f"{'unknown':<9}{title}: you may not {error.right}")
        except (ConfigurationError, NotAuthenticatedError, UnreachableError):
            raise
        except HeadgateError as error:
            # What is missing for one check is not to keep the others from being made.
            session.failed = True
            typer.echo(f"{'wrong':<9}{title}: {visible(str(error))}")


async def server(client: AsyncClient) -> AsyncIterator[Finding]:
    """Look whether the API server is new enough."""
    told = await client.request("GET", "/version")
    version = tuple(int("".join(filter(str.isdigit, told[part])) or 0) for part in ("major", "minor"))
    text = f"Kubernetes {told['gitVersion']} at {client.server}"
    if version < KUBERNETES:
        oldest = ".".join(map(str, KUBERNETES))
        yield Finding("wrong", text, f"Headgate needs Kubernetes {oldest} or newer: upgrade the cluster")
    else:
        yield Finding("ok", text)


async def kinds(client: AsyncClient) -> AsyncIterator[Finding]:
    """Look whether all kinds are served."""
    from headgate.api.crds import KINDS

    try:
        served = await client.request("GET", f"/apis/{GROUP}/{VERSION}")
    except NotFoundError:
        yield Finding(
            "wrong", f"{GROUP}/{VERSION} is not served", "install the chart, or: kubectl apply -f crds/"
        )
        return
    names = {resource["name"] for resource in served["resources"]}
    if missing := [kind.plural for kind in KINDS if kind.plural not in names]:
        yield Finding("wrong", f"{', '.join(missing)} not served", "install the CRDs: kubectl apply -f crds/")
    else:
        yield Finding("ok", f"{GROUP}/{VERSION} is served, with all of its kinds")


async def schemas(client: AsyncClient) -> AsyncIterator[Finding]:
    """Compare the CRDs with this program's."""
    from headgate.api.crds import KINDS, definition

    different = []
    for kind in KINDS:
        there = await client.request("GET", f"{CRDS}/{kind.plural}.{GROUP}")
        wanted = definition(kind)["spec"]["versions"][0]["schema"]
        served = [version["schema"] for version in there["spec"]["versions"] if version["name"] == VERSION]
        if served != [wanted]:
            different.append(kind.plural)
    if different:
        yield Finding(
            "wrong",
            f"the CRDs of {', '.join(different)} are not those of headgate {__version__}",
            "upgrade the chart, or this program: they have to be of one version",
        )
    else:
        yield Finding("ok", f"the CRDs are those of headgate {__version__}")


async def policies(client: AsyncClient) -> AsyncIterator[Finding]:
    """Look whether policies hold Jobs, in every queue."""
    found, bindings = [], []
    for kind in ("validating", "mutating"):
        found += await _items(client, f"{ADMISSION}/{kind}admissionpolicies", labelSelector=OURS)
        bindings += await _items(client, f"{ADMISSION}/{kind}admissionpolicybindings")
    names = [policy["metadata"]["name"] for policy in found]
    missing = [end for end in INDISPENSABLE if not any(name.endswith(end) for name in names)]
    if missing:
        yield Finding(
            "wrong",
            f"no admission policy {', '.join(missing)}: nothing makes Jobs wait",
            "install the chart with policies.enabled",
        )
        return
    bound = {binding["spec"]["policyName"] for binding in bindings}
    if unbound := sorted(name for name in names if name not in bound):
        yield Finding(
            "wrong",
            f"policies without a binding: {', '.join(unbound)}",
            "upgrade the chart; those of queues are bound by the operator, look at its log",
        )
    else:
        yield Finding("ok", f"{len(found)} admission policies, all of them bound")
    versions = {(policy["metadata"].get("labels") or {}).get("app.kubernetes.io/version") for policy in found}
    if versions != {__version__}:
        said = ", ".join(sorted(str(version) for version in versions))
        yield Finding("wrong", f"the policies are of version {said}, not {__version__}", "upgrade the chart")
    intake = next(name for name in names if name.endswith("job-intake"))
    made = {binding["metadata"]["name"] for binding in bindings}
    open_queues = [name for name in await client.queues.names() if f"{intake}-{name}" not in made]
    if open_queues:
        yield Finding(
            "wrong",
            f"queues that take Jobs without being asked: {', '.join(open_queues)}",
            "the operator binds the policies of a queue: look whether it runs, and at its log",
        )


async def operator(client: AsyncClient) -> AsyncIterator[Finding]:
    """Look whether an operator leads; where the lead just changes hands, a little later, as after an upgrade."""
    leader = await client.leader()
    while leader is not None and leader.changes_hands(time.time()):
        await asyncio.sleep(1)
        leader = await client.leader()
    if leader is None:
        yield Finding("unknown", "the operator: no policy says which Lease is its own")
        return
    log = f"kubectl logs -n {leader.namespace} deployment/{leader.lease}"
    ago = None if leader.renewed is None else duration(time.time() - leader.renewed)
    if not leader.holder and ago is None:
        lease = f"{leader.namespace}/{leader.lease}"
        yield Finding("wrong", f"no operator has ever led: nobody has Lease {lease}", f"look at {log}")
    elif not leader.leads(time.time()):
        last = "" if ago is None else f", for {ago}"
        yield Finding("wrong", f"no operator leads{last}: waiting Jobs stay where they are", f"look at {log}")
    else:
        yield Finding("ok", f"the operator leads: {leader.holder}, renewed {ago} ago")


async def resources(client: AsyncClient) -> AsyncIterator[Finding]:
    """Look for what is stalled."""
    count = 0
    for kind, source in (
        ("queue", client.queues),
        ("pool", client.pools),
        ("environment", client.environments),
    ):
        async for each in source.list():
            count += 1
            for condition in each.status.conditions:
                if condition.type == CONDITION_STALLED and condition.status == "True":
                    yield Finding("wrong", f"{kind} {each.name}: {condition.reason}", condition.message)
    yield Finding("ok", f"{count} queues, pools and environments looked at")


async def rights(client: AsyncClient) -> AsyncIterator[Finding]:
    """Say what the user may do."""
    yield Finding("ok", f"you are {(await client.whoami()).username}, in namespace {client.namespace}")
    for what, verb_, resource, group, subresource in RIGHTS:
        namespace = client.namespace if group == "batch" else ""
        may = await client.can(verb_, resource, group=group, subresource=subresource, namespace=namespace)
        yield Finding("ok", f"you {'may' if may else 'may not'} {what}")
    may = await client.can("list", "jobs", group="batch")
    yield Finding("ok", f"you {'may' if may else 'may not'} ask why a Job waits")


CHECKS: Final[dict[str, Check]] = {
    "the API server": server,
    "the kinds": kinds,
    "the version of the CRDs": schemas,
    "the admission policies": policies,
    "the operator": operator,
    "what is stalled": resources,
    "your rights": rights,
}


async def _items(client: AsyncClient, path: str, **params: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.request("GET", path, params=params))["items"]
    return items
