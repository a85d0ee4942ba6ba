"""The chart as a person uses it: Helm itself, Pods, the rights of its ServiceAccount, upgrade, uninstall, and back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from controlplane import ControlPlane, tool
from headgate.api.crds import KINDS
from tests.cluster.harness.client import (
    ENDLESS,
    ENVIRONMENTS,
    JOBS,
    POLICIES,
    POOLS,
    QUEUES,
    Client,
    RefusedError,
    User,
    eventually,
)
from tests.cluster.harness.cluster import CHART, ROOT, Kubectl, kubectl_for
from tests.cluster.harness.invariants import recount
from tests.cluster.harness.operator import LOST_LEAD, OperatorProcess
from tests.cluster.harness.recorder import Recorder
from tests.cluster.harness.witness import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    "HEADGATE_CLUSTER" in os.environ, reason="it installs and uninstalls: on a control plane of its own only"
)

Json = dict[str, Any]
Done = subprocess.CompletedProcess[str]

RELEASE = "prod"
FULL_NAME = "prod-headgate"
SYSTEM = "gates"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:{FULL_NAME}"
WHERE = ("--namespace", SYSTEM)
WAIT = ("--wait", "--timeout=10m")
TEAM = "team"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{FULL_NAME}"
BINDINGS = "validatingadmissionpolicybindings,mutatingadmissionpolicybindings"
KEPT_POLICY = {"validatingadmissionpolicy", "validatingadmissionpolicybinding"}
"""What keeps the API server watching Leases: see templates/policies/keep-leases.yaml."""
KEPT = tuple(f"crd/{kind.plural}.headgate.dev" for kind in KINDS)
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Site:
    """A control plane, and what the tests do with it."""

    cluster: ControlPlane
    directory: Path

    @cached_property
    def kubectl(self) -> Kubectl:
        return kubectl_for(self.cluster)

    @cached_property
    def admin(self) -> Client:
        return self.client("admin")

    @cached_property
    def alice(self) -> User:
        """Who may edit in one namespace, and knows nothing of queues."""
        return User(self.client("alice"), TEAM)

    def client(self, user: str, token: str | None = None) -> Client:
        return Client(self.cluster.server, token or self.cluster.tokens[user], self.cluster.ca_file)

    def recorder(self) -> Recorder:
        return Recorder(self.cluster.server, self.cluster.tokens["admin"], self.cluster.ca_file)

    def helm(self, *arguments: str) -> str:
        command = [str(tool("helm")), "--kubeconfig", str(self.cluster.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def install(self, *arguments: str) -> str:
        return self.helm("install", RELEASE, str(CHART), *WHERE, "--create-namespace", *WAIT, *arguments)

    def upgrade(self, chart: Path, *arguments: str) -> str:
        return self.helm(
            "upgrade", RELEASE, str(chart), *WHERE, "--reset-then-reuse-values", *WAIT, *arguments
        )

    def uninstall(self) -> str:
        return self.helm("uninstall", RELEASE, *WHERE, *WAIT)

    def token(self, full_name: str = FULL_NAME, namespace: str = SYSTEM) -> str:
        return self.kubectl("create", "token", full_name, "-n", namespace, "--duration=2h").stdout.strip()

    def operator(self, name: str, full_name: str = FULL_NAME, namespace: str = SYSTEM) -> OperatorProcess:
        """Start what a Pod of the release would run, with the rights it would have."""
        kubeconfig = self.cluster.kubeconfig_for("service-account", self.token(full_name, namespace))
        process = OperatorProcess(
            kubeconfig, self.directory, name=name, lease_namespace=namespace, prefix=full_name
        )
        return process.start()

    def get(self, *names: str) -> list[Json]:
        """Return objects by the names that kubectl knows them by."""
        found = json.loads(self.kubectl("get", *names, "-o", "json").stdout)
        return list(found["items"]) if found["kind"] == "List" else [found]

    def names(self, kinds: str, *options: str) -> list[str]:
        return self.kubectl("get", kinds, "-o", "name", *options).stdout.split()

    def of_the_release(self) -> list[str]:
        """Return everything with the release's label, of every kind and in every namespace."""
        kinds = self.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
        selector = f"app.kubernetes.io/instance={RELEASE}"
        return self.names(",".join(kinds), "-A", "-l", selector, "--ignore-not-found")

    def writes(self, user: str) -> list[Json]:
        log = self.cluster.audit_log
        assert log is not None
        whole = [json.loads(line) for line in log.read_bytes().splitlines() if line.endswith(b"}")]
        return [entry for entry in whole if entry["user"]["username"] == user]

    def forbidden_reads(self) -> float:
        """Return how many reads, of anybody, the API server has answered with 403."""
        samples = self.kubectl("get", "--raw", "/metrics").stdout.splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in samples
            if line.startswith("apiserver_request_total{")
            and 'code="403"' in line
            and re.search(r'verb="(GET|LIST|WATCH)"', line)
        )

    def queue(self, name: str, **spec: Any) -> Json:
        limits = {"runConcurrency": 0, "actionConcurrency": 0}
        return self.admin.create(
            QUEUES,
            {
                "apiVersion": "headgate.dev/v1alpha1",
                "kind": "JobQueue",
                "metadata": {"name": name},
                "spec": {**limits, **spec},
            },
        )

    def submit(self, name: str, queue: str | None, *, dry_run: bool = False, **options: Any) -> Json:
        labels = {"headgate.dev/queue": queue} if queue else {}
        body = self.alice.job_body(name, None, labels=labels, **{"seconds": 0.2, **options})
        return self.alice.client.create(self.alice.jobs_path + ("?dryRun=All" if dry_run else ""), body)

    def job(self, name: str) -> Json:
        return self.alice.get_job(name)

    def waits(self, name: str) -> bool:
        return bool(self.job(name)["spec"]["suspend"])

    def admitted(self, name: str) -> bool:
        body = self.job(name)
        return not body["spec"]["suspend"] and "headgate.dev/admitted-at" in body["metadata"]["annotations"]

    def complete(self, name: str) -> bool:
        conditions = self.job(name)["status"].get("conditions", [])
        return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)

    def status(self, queue: str) -> Json:
        return dict(self.admin.get(f"{QUEUES}/{queue}").get("status") or {})

    def counts(self, queue: str) -> Json:
        """Return the counts of a queue's status, once they are what a list of its Jobs says."""

        def check() -> Json:
            counted = recount(self.admin.items(JOBS), queue)
            assert self.status(queue)["jobs"] == counted
            return counted

        return eventually(check)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ControlPlane.start(nodes=3, audit=True) as cluster:
        site = Site(cluster, tmp_path_factory.mktemp("chart"))
        site.kubectl("create", "namespace", TEAM)
        site.kubectl("create", "rolebinding", "alice", "--clusterrole=edit", "--user=alice", "-n", TEAM)
        yield site


@pytest.fixture(scope="module")
def notes(site: Site) -> str:
    """The release, under another name than the chart's, where only restricted Pods are let in; what Helm said."""
    site.kubectl("create", "namespace", SYSTEM)
    site.kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
    return site.install()


@pytest.fixture(scope="module")
def operator(site: Site, notes: str) -> Iterator[OperatorProcess]:
    process = site.operator("first")
    try:
        yield process.wait_until_leading()
    finally:
        process.kill()


def test_install(site: Site, notes: str) -> None:
    assert f"is installed as {FULL_NAME} in namespace {SYSTEM}" in notes
    assert "WARNING" not in notes
    for command in re.findall(r"^  (kubectl -n .*|helm test .*)$", notes, re.MULTILINE):
        program, *arguments = command.split()
        said = site.helm(*arguments) if program == "helm" else site.kubectl(*arguments).stdout
        assert "successfully rolled out" in said or re.search(r"^Phase: +Succeeded$", said, re.MULTILINE)

    (deployment,) = site.get("-n", SYSTEM, f"deployment/{FULL_NAME}")
    assert deployment["status"]["readyReplicas"] == 2
    pods = site.get("-n", SYSTEM, "pods")
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {FULL_NAME}
    (service,) = site.get("-n", SYSTEM, f"service/{FULL_NAME}-metrics")
    selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    assert len(site.names("pods", "-n", SYSTEM, "-l", selector)) == len(pods) == 2
    for disturbance in ("poddisruptionbudgets", "networkpolicies"):
        assert site.names(disturbance, "-n", SYSTEM)
    policies = [name for name in site.of_the_release() if "admissionpolic" in name]
    rules = {path.stem for path in (CHART / "templates" / "policies").glob("*.yaml")}
    made = {name.rsplit("/", 1)[1] for name in policies if "binding" not in name}
    assert made == {f"{FULL_NAME}-{rule}" for rule in rules - {"keep-leases"}} | {"headgate-keep-leases"}


APPLIED: list[tuple[str, Json]] = [
    ("SchedulingPolicy", {}),
    (
        "ComputeEnvironment",
        {
            "type": "OnDemand",
            "instanceShape": {"cpu": 1},
            "scaling": {
                "targetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": "nodes",
                    "namespace": TEAM,
                },
                "min": 1,
                "max": 1,
            },
        },
    ),
    (
        "JobQueue",
        {
            "runConcurrency": 0,
            "actionConcurrency": 1,
            "schedulingPolicy": "applied",
            "computeEnvironments": [{"order": 1, "name": "applied"}],
        },
    ),
]


def manifest(kind: str, spec: Json) -> Json:
    return {
        "apiVersion": "headgate.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "applied"},
        "spec": spec,
    }


def test_the_operator_has_the_rights_it_needs(site: Site, notes: str) -> None:
    """It does all it ever does, is refused nothing, and has the right to write nothing else."""
    before = site.forbidden_reads()
    operator = site.operator("rights").wait_until_leading()
    try:
        with watched(site.recorder()):
            do_all_there_is(site)
    finally:
        code = operator.stop()
    assert code == 0
    assert site.admin.get(LEASE)["spec"]["holderIdentity"] == ""

    writes = site.writes(ACCOUNT)
    # RBAC's own word: a policy that refuses, as the fence does a moment after a take-over, answers 403 too.
    decisions = [entry["annotations"]["authorization.k8s.io/decision"] for entry in writes]
    assert set(decisions) == {"allow"}, [entry for entry in writes if "forbid" in str(entry["annotations"])][
        :3
    ]
    assert site.forbidden_reads() == before
    said = operator.log.read_text()
    assert not re.search(r"cannot \w+ resource|Unauthorized|Traceback", said), said[-4000:]
    assert granted_writes(site) == used_writes(writes)


def do_all_there_is(site: Site) -> None:
    """Have the operator create, admit, scale, count, cancel and tell."""
    # The default pool and queue come by themselves, others are applied. It scales to the minimum at once.
    eventually(lambda: site.status("default")["clusters"])
    site.kubectl("create", "deployment", "nodes", "--image=none", "--replicas=0", "-n", TEAM)
    site.kubectl("apply", "-f", "-", input=yaml.safe_dump_all([manifest(*each) for each in APPLIED]))
    eventually(lambda: len(site.names(BINDINGS, "-l", "headgate.dev/queue=applied")) == 4)
    eventually(lambda: site.status("applied")["observedGeneration"])
    for path in (ENVIRONMENTS, POLICIES):
        eventually(lambda: site.admin.get(f"{path}/applied")["status"])  # noqa: B023 - asked at once
    eventually(lambda: site.get("-n", TEAM, "deployment/nodes")[0]["status"].get("readyReplicas") == 1)

    names = [f"by-alice-{number}" for number in range(4)]
    for name in names:
        assert site.submit(name, "applied")["spec"]["suspend"]
    eventually(lambda: all(site.complete(name) for name in names))
    assert site.counts("applied")["succeeded"] == 4
    assert site.job(names[0])["metadata"]["annotations"]["headgate.dev/submitted-by"] == "alice"

    # It also cancels, and says so in an event. In the end it gives the lead back.
    site.submit("endless", "applied", seconds=ENDLESS)
    eventually(lambda: site.admitted("endless"))
    site.kubectl("patch", "jobqueue", "applied", "--type=merge", "-p", '{"spec":{"state":"Terminated"}}')
    eventually(lambda: site.status("applied")["state"] == "Terminated")
    events = f"/apis/events.k8s.io/v1/namespaces/{TEAM}/events"
    eventually(lambda: [e for e in site.admin.items(events) if e["reason"] == "Canceled"])


def granted_writes(site: Site) -> set[tuple[str, str, str]]:
    """Return what the operator's roles let it write, as (verb, group, resource)."""
    roles = site.get(f"clusterrole/{FULL_NAME}") + site.get("-n", SYSTEM, f"role/{FULL_NAME}")
    return {
        (verb, group, resource)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb in WRITES
    }


def used_writes(writes: list[Json]) -> set[tuple[str, str, str]]:
    """Return what was written, in the same words. A PATCH that creates takes the right to create too."""
    used = set()
    for entry in writes:
        target = entry["objectRef"]
        resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
        verbs = {entry["verb"]} | ({"create"} if entry["responseStatus"]["code"] == 201 else set())
        group = target.get("apiGroup", "")
        if target.get("subresource") == "scale":
            # Environments name objects of any kind.
            group, resource = "*", "*/scale"
        used |= {(verb, group, resource) for verb in verbs}
    return used


MAY_NOT = """
create jobs.batch
update jobs.batch
delete jobs.batch
deletecollection jobs.batch
update jobs.batch/status
get secrets
list secrets
list secrets in gates
get secrets in kube-system
get namespaces
get configmaps in gates
create pods
create pods/exec
delete pods
create serviceaccounts/token
create serviceaccounts/token in gates
update jobqueues.headgate.dev
patch jobqueues.headgate.dev
delete jobqueues.headgate.dev
patch jobqueues.headgate.dev/status
update clusterpools.headgate.dev
patch clusterpools.headgate.dev
delete clusterpools.headgate.dev
create computeenvironments.headgate.dev
patch computeenvironments.headgate.dev
delete computeenvironments.headgate.dev
create schedulingpolicies.headgate.dev
patch schedulingpolicies.headgate.dev
delete schedulingpolicies.headgate.dev
get deployments.apps
patch deployments.apps in team
update deployments.apps/scale in team
create validatingadmissionpolicies.admissionregistration.k8s.io
patch validatingadmissionpolicies.admissionregistration.k8s.io
delete validatingadmissionpolicies.admissionregistration.k8s.io
create mutatingadmissionpolicies.admissionregistration.k8s.io
patch mutatingadmissionpolicies.admissionregistration.k8s.io
delete validatingadmissionpolicybindings.admissionregistration.k8s.io
delete mutatingadmissionpolicybindings.admissionregistration.k8s.io
create validatingwebhookconfigurations.admissionregistration.k8s.io
create customresourcedefinitions.apiextensions.k8s.io
patch customresourcedefinitions.apiextensions.k8s.io
create clusterrolebindings.rbac.authorization.k8s.io
escalate clusterroles.rbac.authorization.k8s.io
bind clusterroles.rbac.authorization.k8s.io
impersonate users
get leases.coordination.k8s.io other in gates
update leases.coordination.k8s.io other in gates
delete leases.coordination.k8s.io prod-headgate in gates
update leases.coordination.k8s.io prod-headgate in kube-system
create leases.coordination.k8s.io in kube-system
patch nodes
""".strip().splitlines()
MAY = """
get jobs.batch
get namespaces kube-system
get secrets in gates
watch jobs.batch
patch jobs.batch
patch jobs.batch/status
admit jobqueues.headgate.dev
update jobqueues.headgate.dev/status
watch computeenvironments.headgate.dev
update computeenvironments.headgate.dev/status
watch schedulingpolicies.headgate.dev
update schedulingpolicies.headgate.dev/status
get deployments.apps/scale in team
patch deployments.apps/scale in team
patch nodegroups.scaling.example.com/scale
update leases.coordination.k8s.io prod-headgate in gates
""".strip().splitlines()


def allowed(client: Client, questions: list[str]) -> dict[str, bool]:
    """Ask the API server what one may do, as `kubectl auth can-i` does: VERB RESOURCE[.GROUP][/SUB] [NAME] [in NS]."""

    def ask(question: str) -> bool:
        words, _, namespace = question.partition(" in ")
        verb, what, *name = words.split()
        what, _, subresource = what.partition("/")
        resource, _, group = what.partition(".")
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "name": "".join(name),
            "namespace": namespace,
        }
        review = {"spec": {"resourceAttributes": attributes}}
        answer = client.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    return {question: ask(question) for question in questions}


def test_the_operator_has_no_other_rights(site: Site, notes: str) -> None:
    """Nor kubectl nor curl would get further with a stolen token."""
    account = site.client(ACCOUNT, site.token())
    assert allowed(account, MAY) == dict.fromkeys(MAY, True)
    assert allowed(account, MAY_NOT) == dict.fromkeys(MAY_NOT, False)
    # The same by kubectl, for one of each: the table asks what it seems to ask.
    for question, answer in (("admit jobqueues.headgate.dev", "yes\n"), ("delete jobs.batch", "no\n")):
        asked = site.kubectl("auth", "can-i", *question.split(), f"--as={ACCOUNT}", check=False)
        assert asked.stdout == answer


def test_viewers_and_editors(site: Site, operator: OperatorProcess) -> None:
    for user, role in (("bob", "view"), ("carol", "edit")):
        site.kubectl(
            "create", "clusterrolebinding", f"{user}-{role}", f"--clusterrole={role}", f"--user={user}"
        )
    bob, carol = site.client("bob"), site.client("carol")

    def can(client: Client, *questions: str) -> list[bool]:
        return list(allowed(client, [f"{question}.headgate.dev" for question in questions]).values())

    eventually(lambda: bob.items(QUEUES))  # Roles are aggregated by a controller.
    eventually(lambda: can(carol, "create jobqueues") == [True])
    eventually(lambda: bob.get(f"{QUEUES}/default/status")["status"]["state"] == "Active")
    assert can(bob, "list clusterpools", "watch jobqueues") == [True] * 2
    assert can(bob, "get computeenvironments", "list schedulingpolicies") == [True] * 2
    assert not any(can(bob, "create jobqueues", "patch jobqueues", "delete clusterpools", "admit jobqueues"))
    assert not any(can(bob, "patch computeenvironments", "create schedulingpolicies"))
    assert all(can(carol, "patch computeenvironments", "create schedulingpolicies"))
    with pytest.raises(RefusedError, match="cannot patch resource") as refused:
        bob.patch(f"{QUEUES}/default", {"spec": {"actionConcurrency": 1}})
    assert refused.value.status == 403

    body = {"apiVersion": "headgate.dev/v1alpha1", "kind": "JobQueue", "metadata": {"name": "by-carol"}}
    paused = {"runConcurrency": 0, "actionConcurrency": 1, "dispatch": {"paused": True}}
    carol.create(QUEUES, {**body, "spec": paused})
    carol.patch(f"{QUEUES}/by-carol", {"spec": {"description": "carol's"}})
    assert can(carol, "admit jobqueues", "delete clusterpools") == [False, True]
    with pytest.raises(RefusedError, match="jobqueues/status") as refused:
        carol.patch(f"{QUEUES}/by-carol/status", {"status": {"state": "Drained"}})
    assert refused.value.status == 403

    # She scales Deployments herself, and what else there is of it not.
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nodes", "namespace": TEAM}
    environment = {
        "type": "OnDemand",
        "instanceShape": {"cpu": 1},
        "scaling": {"targetRef": scaled, "max": 1},
    }
    named = {**manifest("ComputeEnvironment", environment), "metadata": {"name": "by-carol"}}
    carol.create(f"{ENVIRONMENTS}?dryRun=All", named)
    scaled["kind"] = "NodeGroup"
    with pytest.raises(
        RefusedError, match=r'"carol" may not: it takes .* nodegroups/scale of the group apps'
    ):
        carol.create(f"{ENVIRONMENTS}?dryRun=All", named)

    # Not even with all that an admission has to say.
    site.submit("held", "by-carol")
    term = str(site.admin.get(LEASE)["spec"]["leaseTransitions"])
    stamp = {"headgate.dev/admitted-at": "2026-01-01T00:00:00.000000Z", "headgate.dev/term": term}
    with pytest.raises(RefusedError, match="belongs to Headgate") as refused:
        carol.patch(
            f"{site.alice.jobs_path}/held", {"metadata": {"annotations": stamp}, "spec": {"suspend": False}}
        )
    assert refused.value.status == 403
    carol.delete(f"{site.alice.jobs_path}/held")
    eventually(lambda: site.status("by-carol")["depth"]["current"] == 0)
    eventually(lambda: carol.delete(f"{QUEUES}/by-carol"))


def test_the_cluster_it_runs_in_is_in_one_pool(site: Site, operator: OperatorProcess) -> None:
    def also(name: str) -> Json:
        spec = {"clusters": [{"name": name, "local": True}]}
        return {**manifest("ClusterPool", spec), "metadata": {"name": "second"}}

    eventually(lambda: site.admin.get(f"{POOLS}/default"))
    for name, told in (
        ("here", 'Headgate runs in is already in pool "default", as "local"'),
        ("local", "one pool only"),
    ):
        with pytest.raises(RefusedError, match=told):
            site.admin.create(f"{POOLS}?dryRun=All", also(name))


@pytest.mark.parametrize("several", [True, False])
def test_or_in_several_if_wanted(several: bool) -> None:
    bodies = rendered(f"--set=clusters.localInManyPools={str(several).lower()}")
    (policy,) = [
        body
        for body in bodies
        if body["kind"] == "ValidatingAdmissionPolicy"
        and body["metadata"]["name"] == f"{FULL_NAME}-pool-clusters"
    ]
    messages = [rule["messageExpression"] for rule in policy["spec"]["validations"]]
    assert any("Headgate runs in" in message for message in messages) != several


def newer_chart(target: Path) -> Path:
    """Return a copy of the chart whose JobQueue has one column more."""
    shutil.copytree(CHART, target)
    crd = target / "templates" / "crds" / "jobqueues.yaml"
    text = crd.read_text()
    assert text.count("additionalPrinterColumns:\n") == 1
    column = "        - {name: Newer, type: string, jsonPath: .spec.description}\n"
    crd.write_text(text.replace("additionalPrinterColumns:\n", f"additionalPrinterColumns:\n{column}"))
    return target


def documented(needle: str) -> str:
    """Return the one command of docs/operations.md, a whole code block, that contains this."""
    page = (ROOT / "docs" / "operations.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if needle in block]
    return str(found)


def shell(site: Site, script: str) -> Done:
    """Run a command as a person would, in a shell."""
    kubectl = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{kubectl}:{os.environ['PATH']}",
        "KUBECONFIG": str(site.cluster.kubeconfig),
    }
    return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)


def refusal(site: Site, queue: str) -> str:
    """Return why a Job for a queue is refused; empty if it is not."""
    try:
        site.submit("refused", queue, dry_run=True)
    except RefusedError as error:
        return error.message
    return ""


def identities(bodies: list[Json]) -> dict[str, str]:
    return {body["metadata"]["name"]: body["metadata"]["uid"] for body in bodies}


def everything(site: Site) -> list[dict[str, str]]:
    """Return which queues, pools, Jobs and CRDs there are."""
    bodies = (site.admin.items(QUEUES), site.admin.items(POOLS), site.admin.items(JOBS), site.get(*KEPT))
    return [identities(found) for found in bodies]


def test_upgrade_uninstall_and_back(site: Site, operator: OperatorProcess) -> None:
    """One story: what it begins with lives through all that is done to the release."""

    def untouched() -> list[Json]:
        bodies = [site.job("mine"), site.job("mine-suspended")]
        return [{"uid": body["metadata"]["uid"], "spec": body["spec"]} for body in bodies]

    # A newer CRD ends the watches of its kind.
    with watched(site.recorder(), may_relist=True):
        site.queue("narrow", actionConcurrency=1)
        site.queue("closed", state="Drained")
        site.queue("brief")
        eventually(
            lambda: len(site.names(BINDINGS, "-l", "headgate.dev/queue in (narrow,closed,brief)")) == 12
        )
        site.submit("active", "narrow", seconds=ENDLESS)
        eventually(lambda: site.admitted("active"))
        for name in ("first", "second", "third"):
            site.submit(name, "narrow")
        site.submit("mine", None, seconds=ENDLESS)
        site.submit("mine-suspended", None, suspend=True)
        eventually(lambda: site.status("narrow")["jobs"]["waiting"] == 3)
        counts, mine = site.counts("narrow"), untouched()

        # Upgrade: other values, a newer CRD.
        before = everything(site)
        newer = newer_chart(site.directory / "newer")
        site.upgrade(newer, "--set=logging.level=debug", "--set=replicas=3")
        (deployment,) = site.get("-n", SYSTEM, f"deployment/{FULL_NAME}")
        assert deployment["status"]["readyReplicas"] == 3
        assert "--log-level=debug" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        eventually(lambda: "NEWER" in site.kubectl("get", "jobqueues").stdout)
        assert everything(site) == before
        assert site.counts("narrow") == counts
        eventually(lambda: operator.leads)
        site.submit("after-upgrade", "brief")
        eventually(lambda: site.complete("after-upgrade"))

    # Uninstall, while the operator runs: its rights go first, and it still ends.
    before = everything(site)
    site.uninstall()
    # Where that took long, it has stepped down, as it could not renew its Lease.
    assert operator.stop() in (0, LOST_LEAD)
    assert everything(site) == before
    assert untouched() == mine
    eventually(lambda: {name.split(".")[0] for name in site.of_the_release()} == KEPT_POLICY, every=1)
    own = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,leases"
    of_every_namespace = ["configmap/kube-root-ca.crt", "serviceaccount/default"]
    left = [*of_every_namespace, f"lease.coordination.k8s.io/{FULL_NAME}"]
    eventually(lambda: site.names(own, "-n", SYSTEM) == left)
    bound = {name.rsplit("-", 1)[1] for name in site.names(BINDINGS, "-l", "headgate.dev/queue")}
    assert bound >= {"narrow", "closed", "brief", "default"}

    # The bindings that are left say nothing: a queue that took in nothing does, a queue goes with its bindings.
    eventually(lambda: not site.submit("probe", "narrow", dry_run=True, suspend=False)["spec"]["suspend"])
    assert not site.submit("probe", "narrow", suspend=False)["spec"]["suspend"]
    body = eventually(lambda: site.submit("into-closed", "closed"))
    assert "headgate.dev/pool" not in body["metadata"]["labels"]
    eventually(lambda: site.complete("into-closed"))
    assert site.submit("asked-to-wait", "brief", suspend=True)["spec"]["suspend"]
    site.submit("runs-long", "narrow", seconds=ENDLESS)
    site.submit("leaves", "narrow", seconds=ENDLESS)
    done = shell(site, documented("label job train").replace("team-a", TEAM).replace("train", "leaves"))
    assert done.returncode == 0, done.stderr
    site.kubectl("delete", "jobqueue", "brief")
    eventually(lambda: not site.names(BINDINGS, "-l", "headgate.dev/queue=brief"))

    # One waiting Job is released as the page says; the others wait on.
    release = documented("patch job train").replace("team-a", TEAM).replace("train", "first")
    assert [site.waits(name) for name in ("first", "second", "third")] == [True] * 3
    done = shell(site, release)
    assert done.returncode == 0, done.stderr
    eventually(lambda: site.complete("first"))
    assert [site.waits(name) for name in ("second", "third")] == [True] * 2

    # Back over what was kept: who waits goes on, who runs unadmitted is sent back. The operator had no right left to
    # give the lead back; to wait until the Lease expires would take 15 s.
    site.install()
    site.admin.patch(LEASE, {"spec": {"holderIdentity": ""}})
    again = site.operator("again").wait_until_leading()
    try:
        with watched(site.recorder()):
            eventually(lambda: site.waits("runs-long"))
            assert not site.admitted("second")
            site.admin.delete(f"{site.alice.jobs_path}/active")
            eventually(lambda: site.complete("second") and site.complete("third"))
            eventually(lambda: site.admitted("runs-long"))
            assert not site.waits("leaves")
            eventually(lambda: site.counts("narrow")["active"] == 1)
            eventually(lambda: site.submit("asked", "narrow", dry_run=True)["spec"]["suspend"])
            site.submit("last", "narrow")
            assert site.waits("last")
            eventually(lambda: "is Drained" in refusal(site, "closed"))
    finally:
        code = again.stop()
    assert code == 0
    assert untouched() == mine

    # For good: the CRDs go, and all queues; Jobs stay, and are released as the page says.
    warned = site.upgrade(CHART, "--set=crds.keep=false")
    assert "will delete every JobQueue, ClusterPool, ComputeEnvironment and SchedulingPolicy" in " ".join(
        warned.split()
    )
    site.uninstall()
    eventually(lambda: not [name for name in site.names("crds") if name.endswith("headgate.dev")])
    eventually(lambda: not site.names(BINDINGS, "-l", "headgate.dev/queue"))
    assert site.waits("last")
    script = documented("while read -r namespace name")
    # The policies of before may still be in force for one of them and no longer for the next.
    released = ("last", "asked-to-wait")
    eventually(lambda: shell(site, script).returncode == 0 and not any(map(site.waits, released)))
    eventually(lambda: site.complete("last") and site.complete("asked-to-wait"))
    assert untouched() == mine
    kept = {"first", "second", "third", "runs-long", "last", "into-closed", "asked-to-wait", "after-upgrade"}
    assert kept <= set(identities(site.alice.all_jobs()))

    # And from nothing, under another name, as the page says: this API server has seen it all, which Jobs do not notice.
    handover = documented("--take-ownership").replace(" gates ", " headgate ").replace("other", "elsewhere")
    program, *arguments = handover.replace("-f headgate-values.yaml", "").split()
    assert program == "helm"
    with pytest.raises(AssertionError, match="invalid ownership metadata"):
        site.helm(*(part for part in arguments if part != "--take-ownership"))
    site.helm(*arguments, *WAIT)
    anew = site.operator("anew", "headgate", "elsewhere").wait_until_leading()
    try:
        eventually(lambda: site.names(BINDINGS, "-l", "headgate.dev/queue=default"))
        eventually(lambda: site.submit("asked", "default", dry_run=True)["spec"]["suspend"])
        site.submit("anew", "default")
        eventually(
            lambda: (
                site.complete("anew") and "headgate.dev/term" in site.job("anew")["metadata"]["annotations"]
            )
        )
    finally:
        code = anew.stop()
    assert code == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("logging.level=loud", "'/logging/level': value must be one of 'debug', 'info', 'warning', 'error'"),
        ("replica=3", "additional properties 'replica' not allowed"),
    ],
)
def test_a_wrong_value_is_refused(value: str, message: str) -> None:
    command = [str(tool("helm")), "template", RELEASE, str(CHART), "--set", value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_right_to_scale_can_be_left_out(enabled: str) -> None:
    roles = [body for body in rendered(f"--set=scaling.enabled={enabled}") if body["kind"] == "ClusterRole"]
    rights = [rule for role in roles for rule in role["rules"] if rule["resources"] == ["*/scale"]]
    assert bool(rights) == (enabled == "true")


def rendered(*options: str) -> list[Json]:
    """Return the objects of the chart as Helm would send them."""
    command = [str(tool("helm")), "template", RELEASE, str(CHART), *WHERE, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def test_secrets_are_read_where_kubeconfigs_are() -> None:
    bodies = rendered("--set=clusters.secretNamespaces={fleet,gates}")
    reads = {
        (body["kind"], body["metadata"]["namespace"])
        for body in bodies
        if body["metadata"]["name"] == f"{FULL_NAME}-kubeconfigs"
    }
    assert reads == {(kind, place) for kind in ("Role", "RoleBinding") for place in (SYSTEM, "fleet")}
    # Nothing else lets it read a Secret, and no Secret is listed.
    rules = [
        (body["kind"], rule["verbs"])
        for body in bodies
        for rule in body.get("rules") or ()
        if "secrets" in rule.get("resources", ())
    ]
    assert rules == [("Role", ["get"])] * 2


@pytest.mark.parametrize("trusted", ["true", "false"])
def test_kubeconfigs_are_trusted_only_if_wanted(trusted: str) -> None:
    bodies = rendered(f"--set=clusters.trustKubeconfigs={trusted}")
    (deployment,) = [body for body in bodies if body["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert ("--trust-kubeconfigs" in container["args"]) == (trusted == "true")


def test_the_times_of_the_election_are_the_operators() -> None:
    bodies = rendered("--set=leaderElection.leaseDurationSeconds=60,leaderElection.renewDeadlineSeconds=40")
    (deployment,) = [body for body in bodies if body["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    times = [argument for argument in container["args"] if argument.endswith(("60", "40", "=2"))]
    assert times == ["--lease-duration-seconds=60", "--renew-deadline-seconds=40", "--retry-period-seconds=2"]
