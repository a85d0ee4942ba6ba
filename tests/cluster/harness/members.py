"""Member clusters: clusters beside the control plane, with the rights that the example grants Headgate there."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.harness.api_server import ApiServer
from tests.cluster.harness.client import ENDLESS, JOBS, POOLS, RefusedError, User, eventually
from tests.cluster.harness.cluster import ROOT, SYSTEM, kubectl_for
from tests.cluster.harness.copies import HUB, Copies, name_of, unsettled
from tests.cluster.harness.recorder import WATCHED, Recorder

if TYPE_CHECKING:
    from controlplane import ClusterAccess
    from tests.cluster.harness.cluster import Site

Json = dict[str, Any]

RBAC = ROOT / "examples" / "clusters" / "member-rbac.yaml"
ACCOUNT = "headgate-dispatcher"
DISPATCHER = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
CLIENT_CA = ROOT / "tests" / "certificates" / "ca.crt"
KEY = "kubeconfig"


@dataclass(frozen=True)
class Member(ApiServer):
    """One member cluster."""

    name: str
    """What tests call it. Its name in a pool has the test's namespace in front."""
    cluster: ClusterAccess
    WRITER = DISPATCHER

    @cached_property
    def token(self) -> str:
        """The token that the example's Secret holds."""

        def found() -> str:
            secrets = self.admin.items(f"/api/v1/namespaces/{SYSTEM}/secrets")
            ours = [one for one in secrets if one["type"] == "kubernetes.io/service-account-token"]
            assert len(ours) == 1, ours
            return base64.b64decode(ours[0]["data"]["token"]).decode()

        return eventually(found)

    def new_token(self, **options: Any) -> str:
        """Return another token of the same ServiceAccount; `options` go into the spec of the TokenRequest."""
        body = {"spec": {"expirationSeconds": 86400, **options}}
        path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/{ACCOUNT}/token"
        token: str = self.admin.create(path, body)["status"]["token"]
        return token

    def install(self) -> None:
        """Grant Headgate what the example grants."""
        # Another order than the file's would do: what is bound may come later.
        kubectl_for(self.cluster)("apply", "--server-side", "-f", str(RBAC))

    def kubeconfig(self, *, server: str | None = None, token: str | None = None) -> Json:
        """Return a kubeconfig with the rights of the example."""
        authority = base64.b64encode(self.cluster.ca_file.read_bytes()).decode()
        cluster = {"server": server or self.cluster.server, "certificate-authority-data": authority}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token or self.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }

    def recorder(self) -> Recorder:
        cluster = self.cluster
        return Recorder(cluster.server, cluster.tokens["admin"], cluster.ca_file, watched={"Job": JOBS})


@dataclass
class Fleet:
    """The hub and its members for one test: a namespace in all of them, and pools that are gone afterwards."""

    site: Site
    given: User
    members: dict[str, Member]
    recorder: Recorder
    """Of the hub."""
    recorders: dict[str, Recorder] = field(default_factory=dict)
    """Of each member."""
    at_rest: bool = True
    """Whether all is to be in step in the end; not where the test leaves a cluster cut off."""
    _pools: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for member in self.members.values():
            member.admin.create("/api/v1/namespaces", {"metadata": {"name": self.given.namespace}})
        for member in self.members.values():
            account = f"/api/v1/namespaces/{self.given.namespace}/serviceaccounts/default"
            eventually(partial(member.admin.get, account), every=0.02)

    def full(self, member: str) -> str:
        """Return a member's name as a cluster of this test's pools."""
        return self.given.full(member)

    def there(self, member: str) -> User:
        """Return the test's namespace in a member, with an administrator's rights."""
        return User(self.members[member].admin, self.given.namespace)

    def secret(self, name: str, kubeconfig: Json | str) -> Json:
        """Put a kubeconfig into a Secret, or replace the one that is there; return the reference to it."""
        text = kubeconfig if isinstance(kubeconfig, str) else yaml.safe_dump(kubeconfig)
        path = f"/api/v1/namespaces/{SYSTEM}/secrets"
        body: Json = {"metadata": {"name": self.given.full(name)}, "stringData": {KEY: text}}
        try:
            self.given.client.create(path, body)
        except RefusedError as error:
            if error.status != 409:
                raise
            self.given.client.patch(f"{path}/{self.given.full(name)}", body)
        return {"namespace": SYSTEM, "name": self.given.full(name), "key": KEY}

    def cluster(self, member: str, *, state: str = "Enabled", **options: Any) -> Json:
        """Return an entry of a pool's spec.clusters, with a kubeconfig of the member in its Secret."""
        ref = self.secret(member, self.members[member].kubeconfig(**options))
        return {"name": self.full(member), "state": state, "kubeconfigSecretRef": ref}

    def pool(self, name: str, *members: str | Json, **spec: Any) -> Json:
        """Create a pool of members, with the namespace before its name and before theirs."""
        clusters = [self.cluster(one) if isinstance(one, str) else one for one in members]
        body = {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": "ClusterPool",
            "metadata": {"name": self.given.full(name)},
            "spec": {"clusters": clusters, **spec},
        }
        made = self.given.client.create(POOLS, body)
        self._pools.append(name)
        return made

    def adopt(self, pool: str) -> None:
        """Take care of a pool that the test has made by itself."""
        self._pools.append(pool)

    def take_out(self, member: str, pool: str = "pool") -> None:
        """Take a member out of a pool: disable it, and remove it when nothing can be on its way there any more."""
        path, name = f"{POOLS}/{self.given.full(pool)}", self.full(member)
        clusters = self.given.client.get(path)["spec"]["clusters"]
        without = [one for one in clusters if one["name"] != name]
        disabled = [one if one in without else {**one, "state": "Disabled"} for one in clusters]
        self.given.client.patch(path, {"spec": {"clusters": disabled}})
        eventually(lambda: self.given.client.patch(path, {"spec": {"clusters": without}}))

    def queue(self, name: str, pool: str = "pool", **spec: Any) -> None:
        """Create a queue in a pool of this test, and wait until Jobs of it become proxies."""
        self.given.queue(name, pool=self.given.full(pool), **spec)
        self.until_proxied(name)

    def until_proxied(self, queue: str) -> None:
        """Wait until Jobs of a queue become proxies, and get their pool: the API server takes up each by itself."""
        given = self.given

        def proxied() -> bool:
            body = given.client.create(f"{given.jobs_path}?dryRun=All", given.job_body("probe", queue))
            return bool(body["spec"].get("managedBy") and "headgate.dev/pool" in body["metadata"]["labels"])

        eventually(proxied)

    def states(self, pool: str = "pool") -> dict[str, str]:
        """Return the state of each cluster of a pool, by the member's name."""
        prefix = self.full("")
        clusters = self.given.pool_status(pool).get("clusters") or ()
        return {one["name"].removeprefix(prefix): one["state"] for one in clusters}

    def until_all_run(self, pool: str = "pool") -> None:
        """Wait until each cluster of a pool runs, all at the same time."""

        def check() -> bool:
            found = self.states(pool)
            assert set(found.values()) == {"Running"}, found
            return True

        eventually(check)

    def until_state(self, member: str, state: str, *said: str, pool: str = "pool") -> Json:
        """Wait until a cluster of a pool is in a state, with a message that says all this; return its status."""

        def check() -> Json:
            clusters = self.given.pool_status(pool).get("clusters") or ()
            found: Json = next((one for one in clusters if one["name"] == self.full(member)), {})
            assert found.get("state") == state, found
            assert all(part in (found.get("message") or "") for part in said), found
            return dict(found)

        return eventually(check)

    def copies(self, member: str) -> list[Json]:
        """Return the copies that are in a member, of Jobs of this test."""
        label = HUB.replace("/", "%2F")
        return self.members[member].admin.items(f"{self.there(member).jobs_path}?labelSelector={label}")

    def places(self) -> dict[str, str]:
        """Return the member in which each Job of this test has its copy, by the Job's name."""
        found: dict[str, str] = {}
        for member in self.members:
            for copy in self.copies(member):
                name = copy["metadata"]["name"]
                assert name not in found, f"{name} is in {found[name]} and in {member}"
                found[name] = member
        return found

    def copy(self, name: str) -> tuple[str, Json]:
        """Wait until a Job has a copy; return the member and the copy."""

        def look() -> tuple[str, Json]:
            found = [
                (member, copy)
                for member in self.members
                for copy in self.copies(member)
                if copy["metadata"]["name"] == name
            ]
            assert len(found) == 1, [member for member, _ in found]
            return found[0]

        return eventually(look)

    def place(self, name: str, queue: str = "line", **options: Any) -> str:
        """Create a Job, an endless one unless told otherwise, and return the member it goes to."""
        self.given.job(name, queue, **{"seconds": ENDLESS, **options})
        return self.copy(name)[0]

    def until_mirrored(self, *names: str) -> None:
        """Wait until the Jobs say that their copies run."""

        def running(name: str) -> bool:
            body = self.given.get_job(name)
            copies = [
                copy for member in self.members for copy in self.copies(member) if name_of(copy) == name
            ]
            assert body["status"].get("active") == 1, (body["metadata"], body["status"], copies)
            return True

        for name in names:
            eventually(partial(running, name))

    def end(self, *names: str) -> None:
        """Let endless Jobs succeed, once their Pods run."""
        for name in names:
            member, _ = self.copy(name)
            self.there(member).end(name)

    def end_running(self) -> None:
        """Let whatever endless Job of this test runs now succeed, in all members."""
        for member in self.members:
            self.there(member).end_running()

    def end_all(self, queue: str, succeeded: int) -> None:
        """Let endless Jobs succeed as they come to run, until so many Jobs of the queue have."""

        def check() -> bool:
            self.end_running()
            jobs = self.given.status(queue)["jobs"]
            assert jobs["succeeded"] == succeeded, jobs
            return True

        eventually(check)

    def settled(self) -> bool:
        """Whether Jobs and copies are in step; raises with what is not."""
        copies = {self.full(member): self.copies(member) for member in self.members}
        wrong = unsettled(self.given.all_jobs(), copies)
        assert not wrong, "; ".join(wrong[:10])
        return True

    def checked(self) -> Copies:
        """Check what the recorders saw up to now, and return the check."""
        copies = Copies(self.given.namespace)
        members = {self.full(name): recorder.record() for name, recorder in self.recorders.items()}
        wrong = copies.check(self.recorder.record(), members)
        assert not wrong, "\n".join(wrong[:20])
        return copies

    def dissolve(self) -> None:
        """Take the members out of the pools: a cluster is reached for one pool only."""
        for user in [self.given, *map(self.there, self.members)]:
            user.client.call("DELETE", f"{user.jobs_path}?propagationPolicy=Background")
        for name in self._pools:
            eventually(partial(self._empty, f"{POOLS}/{self.given.full(name)}"))

    def _empty(self, path: str) -> bool:
        # An operator may be there or not to write that nothing is active any more.
        self.given.client.patch(f"{path}/status", {"status": {"clusters": []}})
        self.given.client.patch(path, {"spec": {"clusters": []}})
        return True


def hub_recorder(site: Site, namespace: str) -> Recorder:
    """Return a recorder of the hub that also sees what must not be there: Pods."""
    return site.recorder(watched={**WATCHED, "Pod": f"/api/v1/namespaces/{namespace}/pods"})
