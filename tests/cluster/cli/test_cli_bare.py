"""On a control plane of its own, without Headgate, and with an API server that goes away."""

from __future__ import annotations

import http.client
import json
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pexpect
import pytest
from tests.cluster.cli.conftest import Headgate
from tests.cluster.harness.client import Client as Plain
from tests.cluster.harness.client import User, eventually

from controlplane import ControlPlane
from headgate.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif("HEADGATE_CLUSTER" in os.environ, reason="it stops the API server")

API_SERVER = "kube-apiserver"


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    with ControlPlane.start(nodes=1) as started:
        yield started


@pytest.fixture
def given(bare: ControlPlane) -> User:
    user = User(Plain(bare.server, bare.tokens["admin"], bare.ca_file), "default")
    eventually(lambda: user.client.get("/api/v1/namespaces/default/serviceaccounts/default"))
    return user


def test_doctor_looks_at_everything_where_nothing_is_installed(bare: ControlPlane) -> None:
    told = Headgate(bare)("doctor", user="admin")

    results = [line.split(maxsplit=1) for line in told.out.splitlines() if not line.startswith(" ")]
    assert told.code == 1
    assert told.err == ""
    assert results[0][0] == "ok"
    assert ["wrong", "headgate.dev/v1alpha1 is not served"] in results
    missing = [text for result, text in results if result == "wrong"]
    assert missing[1].startswith("the version of the CRDs: customresourcedefinitions.apiextensions.k8s.io ")
    assert missing[2].startswith("no admission policy job-submit, ")
    assert missing[3].startswith("what is stalled: the API server does not know this kind")
    assert ["unknown", "the operator: no policy says which Lease is its own"] in results
    assert [text for result, text in results if result == "ok"][-1] == "you may ask why a Job waits"


def test_a_list_that_is_read_slowly_goes_on(bare: ControlPlane, given: User) -> None:
    """The API server forgets the moment of a list after some minutes: it is made to by force here."""
    for number in range(5):
        given.job(f"slow-{number}", None, suspend=True, labels={"headgate.dev/queue": "none"})

    with Client.connect(str(bare.kubeconfig)) as client:
        jobs = client.jobs.list(limit=0, page_size=2)
        names = [next(jobs).name, next(jobs).name]
        forget(bare, given)
        names += [job.name for job in jobs]

    assert names == [f"slow-{number}" for number in range(5)]


def forget(bare: ControlPlane, given: User) -> None:
    """Have etcd forget what was, and the API server what it knows of that."""
    later = {"metadata": {"generateName": "later-"}}
    now = given.client.create("/api/v1/namespaces/default/configmaps", later)["metadata"]["resourceVersion"]
    etcd = http.client.HTTPConnection(urlsplit(bare._etcd.url).netloc)
    etcd.request("POST", "/v3/kv/compaction", json.dumps({"revision": now}))
    assert etcd.getresponse().status == 200
    etcd.close()
    bare.stop_component(API_SERVER)
    bare.start_component(API_SERVER)


def test_who_looks_on_is_told_that_the_connection_is_lost(bare: ControlPlane, given: User) -> None:
    given.job("seen", None, suspend=True, labels={"headgate.dev/queue": "none"})
    with Headgate(bare).terminal("job", "list", "seen", "-w", user="admin") as terminal:
        terminal.timeout = 120
        terminal.expect(r"seen +sched +none ")
        # Once it watches, it is told of changes.
        given.annotate("seen", hold="true")
        terminal.expect(r"seen +sched,held|seen +priority,held")
        bare.stop_component(API_SERVER)
        terminal.expect(r"connection lost, this is as of \d\d:\d\d:\d\d: ")
        bare.start_component(API_SERVER)
        terminal.expect_exact("connected again")
        eventually(lambda: given.annotate("seen", hold=None))
        terminal.expect(r"seen +sched +none ")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130
    assert re.search("Traceback", str(terminal.before)) is None
