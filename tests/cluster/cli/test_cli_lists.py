"""Lists of many Jobs: they are printed as they come, and what was printed is not held."""

from __future__ import annotations

import json
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.cluster.harness.client import User

from headgate.cli.output.documents import _Dumper
from headgate.kube.client import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.cluster import Site

MANY = 2000
PAGE = 100


class Metadata(dict[str, Any]):
    """The metadata of a Job, which lives as long as anybody holds the Job."""


_Dumper.add_representer(Metadata, yaml.SafeDumper.represent_dict)


class Pages:
    """Counts the Jobs that are held whenever the next page of them is asked for."""

    def __init__(self) -> None:
        self._alive: weakref.WeakValueDictionary[int, Metadata] = weakref.WeakValueDictionary()
        self._serial = 0
        self.held: list[int] = []

    def take(self, page: dict[str, Any]) -> None:
        for raw in page["items"]:
            self._serial += 1
            raw["metadata"] = self._alive[self._serial] = Metadata(raw["metadata"])

    def asked(self) -> None:
        self.held.append(len(self._alive))


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    """Make pages small, and count what is held of them."""
    counted = Pages()
    call = Api.call

    async def watched(api: Api, method: str, path: str, *rest: Any, **more: Any) -> dict[str, Any]:
        if not path.endswith("/jobs"):
            return await call(api, method, path, *rest, **more)
        counted.asked()
        page = await call(api, method, path, *rest, **more)
        counted.take(page)
        return page

    monkeypatch.setattr(Api, "call", watched)
    monkeypatch.setattr("headgate.client._connection.PAGE", PAGE)
    return counted


@pytest.fixture(scope="module")
def crowd(site: Site, headgate: Headgate) -> Iterator[User]:
    """Many Jobs that wait: no operator is there to take them."""
    given = User(site.admin, site.namespace())
    given.queue("line", dispatch={"paused": True}, depth=0)
    given.jobs(MANY, "line")
    yield given
    given.client.call("DELETE", given.jobs_path, {"propagationPolicy": "Background"})


@pytest.mark.parametrize("form", ["table", "wide", "json", "yaml", "name"])
def test_all_are_listed_and_no_more_than_a_page_is_held(
    headgate: Headgate, crowd: User, pages: Pages, form: str
) -> None:
    out = headgate.ok(
        "job", "list", "-n", crowd.namespace, "--queue", crowd.full("line"), "--max-entries", "0", "-o", form
    )

    if form in ("table", "wide", "name"):
        assert len(out.splitlines()) == MANY + (form != "name")
    elif form == "json":
        assert len(json.loads(out)["items"]) == MANY
    else:
        assert out.count("\n- apiVersion: batch/v1\n") == MANY
    assert len(pages.held) == MANY // PAGE
    # The last one of a page may still be in hand.
    assert max(pages.held) <= 1, pages.held


@pytest.mark.parametrize("form", ["table", "json"])
def test_of_the_newest_no_more_than_those_are_held(
    headgate: Headgate, crowd: User, pages: Pages, form: str
) -> None:
    out = headgate.ok("job", "list", "-n", crowd.namespace, "--max-entries", "50", "-o", form)

    assert len(pages.held) == MANY // PAGE
    assert max(pages.held) <= 50 + 1, pages.held
    if form == "table":
        assert len(out.splitlines()) == 1 + 50
        return
    times = [manifest["metadata"]["creationTimestamp"] for manifest in json.loads(out)["items"]]
    assert len(times) == 50
    assert times == sorted(times, reverse=True)
