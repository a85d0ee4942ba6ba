"""When a binding is as it should be, and is left alone."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from headgate.admission.bindings import bindings_for
from headgate.admission.keeper import is_as_wanted

WANTED = bindings_for("gold", "uid-of-gold", "default", policy_prefix="headgate")


def listed(binding: dict[str, Any]) -> dict[str, Any]:
    """A binding in a list: without kind and version, and with what the API server adds."""
    metadata = {**binding["metadata"], "uid": "u", "resourceVersion": "7", "managedFields": []}
    resources = {**binding["spec"]["matchResources"], "matchPolicy": "Equivalent", "namespaceSelector": {}}
    return deepcopy({"metadata": metadata, "spec": {**binding["spec"], "matchResources": resources}})


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted["metadata"]["name"])
def test_a_binding_as_it_was_made_is_left_alone(wanted: dict[str, Any]) -> None:
    assert is_as_wanted(listed(wanted), wanted)


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted["metadata"]["name"])
def test_one_that_is_missing_or_that_somebody_changed_is_not(wanted: dict[str, Any]) -> None:
    assert not is_as_wanted(None, wanted)
    other = listed(wanted)
    other["spec"]["paramRef"]["name"] = "silver"
    assert not is_as_wanted(other, wanted)
    orphan = listed(wanted)
    orphan["metadata"]["ownerReferences"] = []
    assert not is_as_wanted(orphan, wanted)
