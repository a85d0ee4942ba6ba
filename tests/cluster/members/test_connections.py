"""How the hub reaches its members: credentials and their rotation, what is refused, and clusters that do not answer."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.harness.client import ENDLESS, POOLS, eventually
from tests.cluster.harness.cluster import RBAC, ROOT, SYSTEM
from tests.cluster.harness.invariants import why_failed
from tests.cluster.harness.members import Fleet
from tests.cluster.harness.proxy import Wire
from tests.cluster.members.accounts import account, entry, grant, remove, with_user
from tests.cluster.members.probes import until_probed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.harness.client import Client, User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess

    Json = dict[str, Any]

CERTIFICATES = ROOT / "tests" / "certificates"

pytestmark = pytest.mark.usefixtures("operator")


class Discreet(Fleet):
    """Keeps in mind what no message may repeat."""

    def secret(self, name: str, kubeconfig: Json | str) -> Json:
        body = yaml.safe_load(kubeconfig) if isinstance(kubeconfig, str) else kubeconfig
        parts = [one[kind] for kind in ("user", "cluster") for one in body[f"{kind}s"]]
        self.confided = getattr(self, "confided", set()) | {text for part in parts for text in texts(part)}
        return super().secret(name, kubeconfig)


def texts(node: Any) -> Iterator[str]:
    """Yield all words of some length."""
    if isinstance(node, dict | list):
        for part in node.values() if isinstance(node, dict) else node:
            yield from texts(part)
    elif isinstance(node, str) and len(node) > 7:
        yield node


@pytest.fixture
def fleet_type() -> type[Fleet]:
    return Discreet


@pytest.fixture(autouse=True)
def nothing_leaks(fleet: Discreet, admin: Client, operator: OperatorProcess) -> Iterator[None]:
    """No status, event or log has a token, a key, a password or an address out of a kubeconfig."""
    yield
    said = json.dumps([admin.items(POOLS), admin.items("/apis/events.k8s.io/v1/namespaces/default/events")])
    log = operator.log.read_text()
    for text in fleet.confided:
        # Of a server, the scheme alone would be in many things.
        word = text.removeprefix("https://")
        assert word not in said
        assert word not in log


# ---- credentials ------------------------------------------------------------------------------------------------


def test_a_token_and_a_client_certificate(fleet: Fleet, operator: OperatorProcess) -> None:
    west = fleet.members["west"]
    grant(west, fleet.full("dispatcher"), {"apiGroup": RBAC, "kind": "User", "name": "dispatcher"})
    files = {f"client-{part}-data": CERTIFICATES / f"client.{end}" for part, end in
             (("certificate", "crt"), ("key", "key"))}  # fmt: skip
    user = {field: base64.b64encode(file.read_bytes()).decode() for field, file in files.items()}
    fleet.pool("pool", "east", entry(fleet, "west", fleet.secret("west", with_user(west, **user))))

    for member in ("east", "west"):
        assert fleet.until_state(member, "Running")["version"].startswith("v1.")
        full = fleet.full(member)
        assert operator.metric("headgate_cluster_up", cluster=full, pool=fleet.full("pool")) == 1
        until_probed(operator, full, 1)


def test_a_cluster_that_left_its_pool_leaves_no_series(
    fleet: Fleet, given: User, operator: OperatorProcess
) -> None:
    fleet.pool("pool", "east", "west")
    for member in ("east", "west"):
        fleet.until_state(member, "Running")
    fleet.take_out("east")
    eventually(lambda: fleet.full("east") not in operator.fetch("/metrics")[1])
    until_probed(operator, fleet.full("west"), 2)
    eventually(lambda: list(fleet.states()) == ["west"])


def test_a_rotated_secret_takes_effect(fleet: Fleet, operator: OperatorProcess) -> None:
    east = fleet.members["east"]
    first, second, third = (fleet.full(name) for name in ("first", "second", "third"))
    fleet.pool("pool", fleet.cluster("east", token=account(east, first)))
    fleet.until_state("east", "Running")

    fleet.secret("east", east.kubeconfig(token=account(east, second)))
    eventually(lambda: f"cluster {fleet.full('east')} of ClusterPool {fleet.full('pool')}: new credentials"
               in operator.log.read_text())  # fmt: skip
    remove(east, first)
    until_probed(operator, fleet.full("east"), 3)
    fleet.until_all_run()

    remove(east, second)
    fleet.until_state("east", "Pending", "does not accept the credentials (401)")
    fleet.secret("east", east.kubeconfig(token=account(east, third)))
    fleet.until_state("east", "Running")


def test_a_job_goes_on_while_credentials_change(fleet: Fleet, given: User) -> None:
    east = fleet.members["east"]
    first, second = fleet.full("first"), fleet.full("second")
    fleet.pool("pool", fleet.cluster("east", token=account(east, first)))
    fleet.queue("line")
    given.jobs(2, "line", seconds=ENDLESS)
    fleet.until_mirrored("job-0000", "job-0001")
    before = {copy["metadata"]["uid"] for copy in fleet.copies("east")}

    fleet.secret("east", east.kubeconfig(token=account(east, second)))
    remove(east, first)
    # The API server goes by its memory of the first token for a while, and the operator may not yet use the second.
    fleet.end("job-0000")
    given.succeeded("line", 1)
    fleet.until_state("east", "Running")
    given.job("later", "line", seconds=ENDLESS)
    fleet.until_mirrored("later")
    fleet.end_all("line", 3)
    assert before < {copy["metadata"]["uid"] for copy in fleet.copies("east")}


def test_another_secret_takes_effect(fleet: Fleet, given: User) -> None:
    east = fleet.members["east"]
    first, second = fleet.full("one"), fleet.full("two")
    fleet.pool("pool", fleet.cluster("east", token=account(east, first)))
    fleet.until_state("east", "Running")
    ref = fleet.secret("other", east.kubeconfig(token=account(east, second)))
    remove(east, first)
    given.change_pool("pool", [entry(fleet, "east", {**ref, "key": "no-such-key"})])
    fleet.until_state(
        "east", "Pending", f'Secret {SYSTEM}/{given.full("other")} has nothing under the key "no-such-key"'
    )
    given.change_pool("pool", [entry(fleet, "east", ref)])
    fleet.until_state("east", "Running")


# ---- what is wrong ----------------------------------------------------------------------------------------------


def test_a_secret_that_comes_later(fleet: Fleet, given: User) -> None:
    name = given.full("east")
    fleet.pool("pool", entry(fleet, "east", {"namespace": SYSTEM, "name": name}), "west")
    fleet.until_state("east", "Pending", f"Secret {SYSTEM}/{name} does not exist: create it", '"kubeconfig"')
    fleet.until_state("west", "Running")
    fleet.secret("east", fleet.members["east"].kubeconfig())
    fleet.until_state("east", "Running")

    # What the Secret says is what holds, also when it goes.
    given.client.delete(f"/api/v1/namespaces/{SYSTEM}/secrets/{name}")
    fleet.until_state("east", "Pending", f"Secret {SYSTEM}/{name} does not exist")


def test_a_secret_that_may_not_be_read(fleet: Fleet, given: User) -> None:
    fleet.secret("east", fleet.members["east"].kubeconfig())
    fleet.pool("pool", entry(fleet, "east", {"namespace": given.namespace, "name": "east"}))
    fleet.until_state(
        "east",
        "Pending",
        f"the operator may not read Secret {given.namespace}/east",
        "clusters.secretNamespaces",
    )


def test_a_kubeconfig_that_would_run_a_program_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    east = fleet.members["east"]
    trace = tmp_path / "it-was-run"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "/usr/bin/touch",
        "args": [str(trace)],
        "interactiveMode": "Never",
    }
    fleet.pool("pool", entry(fleet, "east", fleet.secret("east", with_user(east, exec=plugin))), "west")
    fleet.until_state("east", "Pending", "users[0].user.exec is refused", "--trust-kubeconfigs")
    fleet.secret("east", with_user(east, tokenFile="/etc/hostname"))
    fleet.until_state("east", "Pending", "users[0].user.tokenFile is refused")
    fleet.secret("east", east.kubeconfig())
    fleet.until_state("east", "Running")
    assert not trace.exists()


def test_a_user_without_rights(fleet: Fleet) -> None:
    east = fleet.members["east"]
    nobody = east.cluster.tokens["alice"]
    fleet.pool("pool", fleet.cluster("east", token=nobody))
    fleet.until_state("east", "Pending", "may not get the namespace kube-system (403)", "member-rbac.yaml")


def test_a_cluster_is_reached_by_one_name(fleet: Fleet, given: User, site: Site) -> None:
    fleet.pool("pool", "east")
    fleet.until_state("east", "Running")
    again = fleet.secret("again", fleet.members["east"].kubeconfig())
    hub = yaml.safe_load(site.cluster.kubeconfig.read_text())
    fleet.pool("second", entry(fleet, "again", again), entry(fleet, "hub", fleet.secret("hub", hub)), "west")

    until = partial(fleet.until_state, pool="second")
    until(
        "again",
        "Pending",
        f'is the same cluster as "{fleet.full("east")}" of ClusterPool "{given.full("pool")}"',
    )
    until("hub", "Pending", "is the cluster that Headgate runs in", "local: true")
    until("west", "Running")
    fleet.until_all_run()

    # The first one goes, and the cluster is the other's.
    fleet.take_out("east")
    until("again", "Running")


def test_an_address_that_leads_to_another_cluster_is_noticed(fleet: Fleet, given: User) -> None:
    """The credentials are good in both, and it answers as before."""
    fleet.at_rest = False
    for member in ("east", "west"):
        subject = {"apiGroup": RBAC, "kind": "User", "name": "dispatcher"}
        grant(fleet.members[member], fleet.full("dispatcher"), subject)
    files = {"client-certificate-data": "client.crt", "client-key-data": "client.key"}
    user = {
        field: base64.b64encode((CERTIFICATES / file).read_bytes()).decode() for field, file in files.items()
    }
    with Wire(fleet.members["east"].cluster.server) as wire:
        kubeconfig = with_user(fleet.members["east"], **user)
        kubeconfig["clusters"][0]["cluster"] = {"server": wire.server, "insecure-skip-tls-verify": True}
        fleet.pool("pool", entry(fleet, "east", fleet.secret("east", kubeconfig)))
        fleet.queue("line")
        given.job("runs", "line", seconds=ENDLESS)
        fleet.until_mirrored("runs")
        assert list(fleet.places().values()) == ["east"]

        wire.lead_to(fleet.members["west"].cluster.server)

        # Its copy is not where it is looked for.
        given.until("line", failed=1)
        fleet.until_state("east", "Running")
        assert why_failed(given.get_job("runs")) == "CopyDeleted"
        assert fleet.places() == {"runs": "east"}


# ---- clusters that do not answer --------------------------------------------------------------------------------


def test_a_frozen_cluster_is_lost_and_comes_back(
    fleet: Fleet, given: User, operator: OperatorProcess
) -> None:
    fleet.pool("pool", "east", "west", lostAfterSeconds=10)
    for member in ("east", "west"):
        fleet.until_state(member, "Running")
    given.queue("own")
    fleet.queue("line", clusters=[fleet.full("west")])
    with fleet.members["east"].frozen_api_server():
        found = fleet.until_state("east", "Pending", "does not answer in time")
        assert "notReadySince" in found
        for queue in ("own", "line"):
            given.job(f"{queue}-one", queue, seconds=0.1)
            given.succeeded(queue, 1)
        fleet.until_state("east", "Unknown", "does not answer in time")
        assert operator.metric("headgate_cluster_up", cluster=fleet.full("east")) == 0
        until_probed(operator, fleet.full("west"), 2)
        fleet.until_state("west", "Running")
        for queue in ("own", "line"):
            given.job(f"{queue}-two", queue, seconds=0.1)
            given.succeeded(queue, 2)
    assert "notReadySince" not in fleet.until_state("east", "Running")


def test_a_cluster_that_is_gone_says_so(fleet: Fleet) -> None:
    fleet.pool("pool", "east", "west")
    for member in ("east", "west"):
        fleet.until_state(member, "Running")
    cluster = fleet.members["east"].cluster
    fleet.recorders["east"].may_relist = True
    cluster.stop_component("kube-apiserver")
    try:
        fleet.until_state("east", "Pending", "cannot be reached: connection refused")
        fleet.until_state("west", "Running")
    finally:
        cluster.start_component("kube-apiserver")
    fleet.until_state("east", "Running")
