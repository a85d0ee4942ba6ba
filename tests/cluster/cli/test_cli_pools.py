"""`headgate pool`, `headgate environment`, and the way of a queue's work from one pool to another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pexpect
import pytest
import yaml
from tests.cluster.harness.client import ENVIRONMENTS, POOLS, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.client import User

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def pool(given: User) -> Iterator[str]:
    """A pool without clusters, with an environment in it."""
    name = given.full("pool")
    head = {"apiVersion": "headgate.dev/v1alpha1", "metadata": {"name": name}}
    given.client.create(POOLS, {**head, "kind": "ClusterPool", "spec": {"description": "for a test"}})
    spec = {"pool": name, "type": "Spot", "capacity": {"cpu": "8"}, "instanceShape": {"cpu": "4"}}
    given.client.create(ENVIRONMENTS, {**head, "kind": "ComputeEnvironment", "spec": spec})
    eventually(lambda: given.client.get(f"{POOLS}/{name}")["status"]["conditions"])
    eventually(lambda: given.client.get(f"{ENVIRONMENTS}/{name}")["status"]["state"])
    yield name
    given.client.delete(f"{ENVIRONMENTS}/{name}")
    for queue in ("old", "new"):
        given.client.call(
            "DELETE", f"/apis/headgate.dev/v1alpha1/jobqueues?fieldSelector=metadata.name={given.full(queue)}"
        )
    eventually(lambda: given.client.delete(f"{POOLS}/{name}"))


def test_pools(headgate: Headgate, pool: str) -> None:
    def default() -> list[str]:
        table = headgate.ok("pool", "list", user="bob").splitlines()
        assert table[0].split() == ["NAME", "READY", "RUNNING", "QUEUES", "ACTIVE", "AGE"]
        [line] = [line.split() for line in table if line.startswith("default ")]
        return line[1:3]

    # An operator that has just begun knows the pool a moment later, and its version.
    eventually(lambda: default() == ["True", "1/1"])
    assert headgate.ok("pool", "list", pool, "-o", "name") == f"clusterpool.headgate.dev/{pool}\n"
    last = headgate.ok("pool", "list", "-o", "name", "--sort", "created:desc", "--limit", "1")
    assert last == f"clusterpool.headgate.dev/{pool}\n"
    assert f"clusterpool.headgate.dev/{pool}\n" in headgate.ok("pool", "get", "-o", "name")
    assert "for a test" in headgate.ok("pool", "list", pool, "-o", "wide")

    line = r"\n +local +Running +v[0-9]"
    eventually(lambda: re.search(line, headgate.ok("pool", "get", "cpool/default", user="bob")))
    assert headgate("pool", "get", pool, "-o", "json").json["spec"]["description"] == "for a test"
    assert headgate("pool", "get", "nobody").code == 1


def test_environments(headgate: Headgate, pool: str) -> None:
    table = headgate.ok("environment", "list", "--filter", f"pool={pool}", user="bob").splitlines()
    assert table[0].split() == ["NAME", "STATE", "TYPE", "POOL", "ACTIVE", "FREE", "AGE"]
    [row] = [line.split() for line in table[1:]]
    assert (row[0], row[2], row[3]) == (pool, "Spot", pool)
    assert headgate("environment", "list", "--filter", "colour=red").code == 2

    newest = headgate.ok("environment", "list", "-o", "name", "--sort", "created:desc", "--limit", "1")
    assert newest == f"computeenvironment.headgate.dev/{pool}\n"
    page = headgate.ok("environment", "get", f"ce/{pool}")
    assert re.search(rf"^Pool: +{pool}$", page, re.M)
    assert re.search("^  CPU: +4$", page, re.M)
    assert headgate("environment", "get", pool, "-o", "json").json["spec"]["capacity"] == {"cpu": "8"}


def test_migrate(headgate: Headgate, pool: str, given: User) -> None:
    old, new = given.full("old"), given.full("new")
    given.queue("old", actionConcurrency=3, clusters=["local"], tags={"team": "search"})
    eventually(lambda: given.status("old")["state"] == "Active")
    command = ("queue", "migrate", old, "--to-pool", pool, "--name", new)

    plan = headgate.ok(*command, "--dry-run")
    assert [line.partition(" ")[0] for line in plan.splitlines()[:4]] == ["1.", "2.", "3.", "4."]
    assert "Not taken over: clusters local" in plan
    assert headgate("queue", "get", new).code == 1
    for wrong in (
        ("--to-pool", "nowhere", "--name", new),
        ("--to-pool", "default", "--name", new),
        ("--to-pool", pool, "--name", old),
    ):
        assert headgate("queue", "migrate", old, *wrong, "--yes").code == 1
    planned = yaml.safe_load(headgate.ok(*command, "--dry-run", "server", "-o", "yaml"))
    assert (planned["metadata"]["name"], planned["spec"]["pool"]) == (new, pool)
    unasked = headgate(*command)
    assert (unasked.code, "nobody to ask: give --yes" in unasked.err) == (1, True)
    # What cannot be drained is found before anything is created.
    always = headgate("queue", "migrate", "default", *command[3:], "--yes")
    assert (always.code, "always Active" in always.err) == (1, True), always
    assert headgate("queue", "migrate", "default", *command[3:], "--dry-run").code == 1
    assert headgate("queue", "get", new).code == 1

    # Somebody who hesitates has the new queue, and the old one as it was.
    with headgate.terminal(*command) as terminal:
        terminal.expect_exact(f"{new} created in pool {pool}")
        terminal.expect_exact(f"headgate.dev/queue: {new}")
        terminal.expect_exact("[y/N]:")
        terminal.sendline("n")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 1
    spec = given.get_queue("new")["spec"]
    assert (spec["pool"], spec["actionConcurrency"], spec["clusters"]) == (pool, 3, ["*"])
    assert spec["tags"] == {"team": "search"}
    assert given.get_queue("old")["spec"]["state"] == "Active"

    given.change_queue("new", depth=5)
    assert "as it is; it differs from" in headgate.ok(*command, "--dry-run")
    done = headgate.ok(*command, "--yes", "--compute-environment", pool)
    assert f"{new} is there already" in done
    assert done.splitlines()[-1].startswith(f"jobqueue.headgate.dev/{old} drained.")
    assert given.status("old")["state"] == "Drained"
