"""Simulated nodes are made also by an API server that is too busy to say so."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane import ControlPlaneError, nodes
from controlplane.client import Client


class Busy(Client):
    """Answers requests with these statuses, one after the other."""

    def __init__(self, *statuses: int) -> None:
        self.left = list(statuses)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.left.pop(0), "said so"


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.mark.parametrize("statuses", [(201, 201), (0, 201, 201), (201, 500, 409)])
def test_a_node_is_asked_for_again(statuses: tuple[int, ...]) -> None:
    client = Busy(*statuses)
    nodes.create(client, 2, nodes.NodeShape())
    assert not client.left


def test_a_node_that_cannot_be_made_is_told() -> None:
    with pytest.raises(ControlPlaneError, match="could not create a node: 0 said so"):
        nodes.create(Busy(*[0] * nodes.ATTEMPTS), 1, nodes.NodeShape())
