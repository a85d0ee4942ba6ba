"""Where a Job may go: what its author wrote, what an environment adds, and when the two contradict."""

from typing import Any

import pytest

from headgate.api.constraints import FREE, Constraints, constraints_of

Json = dict[str, Any]

SPOT = {"example.com/pool": "spot", "kubernetes.io/arch": "amd64", "gen": "7"}
TAINT = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}


def of(**template: Any) -> Constraints:
    return constraints_of({"spec": {"template": {"spec": template}}})


def terms(*each: Json) -> Constraints:
    """With these terms of required node affinity."""
    required = {"nodeSelectorTerms": list(each)}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return of(affinity=affinity)


def term(*expressions: tuple[str, str, list[str]]) -> Json:
    return {
        "matchExpressions": [
            {"key": key, "operator": operator} | ({"values": values} if values else {})
            for key, operator, values in expressions
        ]
    }


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"nodeSelector": None, "tolerations": [], "affinity": None},
        {"nodeSelector": {}, "affinity": {}},
        {"affinity": {"podAffinity": {}}},
        {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
    ],
)
def test_without_constraints(template: Json) -> None:
    assert of(**template) is FREE
    assert FREE.contradicts(SPOT) is None


@pytest.mark.parametrize("job", [{}, {"spec": None}, {"spec": {"template": None}}])
def test_half_a_job_crashes_nothing(job: Json) -> None:
    assert constraints_of(job) is FREE


def test_equal_constraints_are_the_same_object() -> None:
    first = of(nodeSelector={"a": "1", "b": "2"}, tolerations=[TAINT])
    second = of(nodeSelector={"b": "2", "a": "1"}, tolerations=[dict(reversed(TAINT.items()))])
    assert first is second
    assert first is not of(nodeSelector={"a": "1", "b": "2"})
    assert hash(terms(term(("gen", "In", ["7"])))) is not None


def test_a_node_selector_contradicts_only_by_another_value() -> None:
    assert of(nodeSelector={"zone": "a"}).contradicts(SPOT) is None
    assert of(nodeSelector={"gen": "7", "zone": "a"}).contradicts(SPOT) is None
    assert of(nodeSelector={"gen": "8"}).contradicts({}) is None
    assert of(nodeSelector={"kubernetes.io/arch": "arm64"}).contradicts(SPOT) == (
        "spec.template.spec.nodeSelector['kubernetes.io/arch'] is 'arm64', and the nodes there have 'amd64': "
        "remove it, or set 'amd64'"
    )


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ["6", "7"], True),
        ("In", ["6", "8"], False),
        ("NotIn", ["6", "8"], True),
        ("NotIn", ["7"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["6"], True),
        ("Gt", ["7"], False),
        ("Lt", ["8"], True),
        ("Lt", ["7"], False),
        ("Gt", ["-1"], True),
    ],
)
def test_every_operator(operator: str, values: list[str], fits: bool) -> None:
    assert (terms(term(("gen", operator, values))).contradicts(SPOT) is None) == fits
    # of a label that the environment does not set, nothing is known
    assert terms(term(("zone", operator, values))).contradicts(SPOT) is None


@pytest.mark.parametrize("operator", ["Gt", "Lt"])
@pytest.mark.parametrize("value", ["spot", "1_0", "", "7.0"])
def test_what_is_no_integer_is_neither_greater_nor_less(operator: str, value: str) -> None:
    assert terms(term(("gen", operator, ["5"]))).contradicts({"gen": value}) is not None
    assert terms(term(("gen", operator, ["five"]))).contradicts({"gen": "5"}) is not None
    assert terms(term(("gen", operator, []))).contradicts({"gen": "5"}) is not None


def test_one_term_that_can_hold_is_enough() -> None:
    wrong, right = term(("gen", "In", ["6"])), term(("gen", "In", ["7"]), ("zone", "In", ["a"]))
    assert terms(wrong, right).contradicts(SPOT) is None
    reason = terms(wrong, term(("gen", "In", ["7"]), ("example.com/pool", "NotIn", ["spot"]))).contradicts(
        SPOT
    )
    assert reason == (
        "spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
        ".nodeSelectorTerms[0] asks for 'gen' In '6', and the nodes there have '7'"
    )


def test_an_empty_term_matches_no_node() -> None:
    assert terms({}).contradicts(SPOT) is not None
    assert terms().contradicts(SPOT) is not None
    assert terms({}, term(("gen", "Exists", []))).contradicts(SPOT) is None


def test_a_field_of_the_node_is_no_label() -> None:
    named = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    assert terms(named).contradicts({"metadata.name": "node-2"}) is None
    assert terms(named) is not terms(term(("gen", "Exists", [])))


def test_what_the_author_wrote_is_kept() -> None:
    author = of(nodeSelector={"zone": "a", "gen": "7"}, tolerations=[{"key": "mine", "value": "x"}])
    selector, tolerations = author.with_environment(SPOT, [TAINT])
    assert selector == SPOT | {"zone": "a"}
    assert tolerations == [{"key": "mine", "value": "x"}, TAINT]


def test_an_environment_adds_nothing_twice() -> None:
    author = of(tolerations=[{"key": "spot", "value": "yes"}, {"key": "gpu", "operator": "Exists"}])
    there: list[Json] = [
        {"key": "spot", "operator": "Equal", "value": "yes", "effect": ""},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ]
    assert author.with_environment({}, there)[1] == [
        {"key": "spot", "value": "yes"},
        {"key": "gpu", "operator": "Exists"},
        there[1],
    ]


def test_a_job_without_constraints_gets_the_environments() -> None:
    assert FREE.with_environment(SPOT, [TAINT]) == (SPOT, [TAINT])
    assert FREE.with_environment({}, []) == ({}, [])
