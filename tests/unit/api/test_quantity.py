"""Quantities: exact, read as Kubernetes reads them, and written as it writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from headgate.api.quantity import (
    QUANTITY_MAX,
    UNIT,
    Quantity,
    Size,
    format_quantity,
    parse_amounts,
    parse_quantity,
)

CORES_OR_BYTES = st.sampled_from(["cpu", "memory", "hugepages-2Mi", "nvidia.com/gpu"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("2", 2),
        ("+2", 2),
        ("007", 7),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("0.1", Fraction(1, 10)),
        ("1n", Fraction(1, 10**9)),
        ("3u", Fraction(3, 10**6)),
        ("500m", Fraction(1, 2)),
        ("4k", 4000),
        ("4M", 4 * 10**6),
        ("4G", 4 * 10**9),
        ("4T", 4 * 10**12),
        ("4P", 4 * 10**15),
        ("4E", 4 * 10**18),
        ("4Ki", 4 << 10),
        ("4Mi", 4 << 20),
        ("1.5Gi", 3 << 29),
        ("4Ti", 4 << 40),
        ("4Pi", 4 << 50),
        ("4Ei", 4 << 60),
        ("0.1Ki", Fraction(1024, 10)),
        ("12e3", 12000),
        ("12E3", 12000),
        ("12e+3", 12000),
        ("12e-3", Fraction(12, 1000)),
        ("0e9999999999", 0),
    ],
)
def test_every_notation(text: str, value: Fraction | int) -> None:
    assert parse_quantity(text) == value * UNIT


@pytest.mark.parametrize("text", ["0.1n", "0.5n", "1e-10", "1e-9999999999", "0.0000000000001Ki"])
def test_what_is_finer_than_a_billionth_is_rounded_up(text: str) -> None:
    assert parse_quantity(text) == 1


@pytest.mark.parametrize("text", ["1e9999999999", "8Ei", "9999999999999999999", "99E"])
def test_nothing_is_larger_than_the_largest(text: str) -> None:
    assert parse_quantity(text) == QUANTITY_MAX


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "-1",
            "-0.5Gi",
            "1 ",
            "1\n",
            "half",
            ".",
            "Gi",
            "1ki",
            "1K",
            "1Zi",
            "1e",
            "1e1.5",
            "1.5.5",
        ),
        *("0x1", "NaN", "inf", "1_0", "1,5", "٣", "1e" + "9" * 5000),
    ],
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="must be a quantity of at least 0"):
        parse_quantity(text)


def test_sums_are_exact() -> None:
    assert parse_quantity("0.1") + parse_quantity("0.2") == parse_quantity("0.3")
    assert 10 * parse_quantity("100m") == parse_quantity("1")
    assert parse_quantity("1Ei") - parse_quantity("1n") == 2**60 * UNIT - 1


@pytest.mark.parametrize(
    ("name", "text", "canonical"),
    [
        ("cpu", "1.5", "1500m"),
        ("cpu", "2000m", "2"),
        ("cpu", "0.0001", "100u"),
        ("cpu", "1n", "1n"),
        ("cpu", "2000", "2k"),
        ("cpu", "0.0", "0"),
        ("memory", "0", "0"),
        ("memory", "65536Mi", "64Gi"),
        ("memory", "1.5Gi", "1536Mi"),
        ("memory", "1023", "1023"),
        ("memory", "1025", "1025"),
        ("memory", "1G", "1000000000"),
        ("memory", "2048.5", "2048500m"),
        ("hugepages-2Mi", "4194304", "4Mi"),
        ("ephemeral-storage", "1048576Ki", "1Gi"),
        ("nvidia.com/gpu", "8", "8"),
        ("pods", "110", "110"),
    ],
)
def test_canonical(name: str, text: str, canonical: str) -> None:
    assert format_quantity(name, parse_quantity(text)) == canonical


def test_less_than_nothing_is_shown_with_its_sign() -> None:
    assert format_quantity("memory", -parse_quantity("2Gi")) == "-2Gi"


@given(CORES_OR_BYTES, st.integers(0, QUANTITY_MAX))
def test_what_is_written_is_read_again(name: str, billionths: int) -> None:
    assert parse_quantity(format_quantity(name, billionths)) == billionths


@given(
    st.decimals(0, 10**6, places=9),
    st.sampled_from([("", 1), ("m", Fraction(1, 1000)), ("k", 1000), ("Ki", 1024), ("Gi", 1 << 30)]),
)
def test_a_number_and_a_suffix_are_their_product(number: object, suffix: tuple[str, Fraction]) -> None:
    exact = Fraction(str(number)) * suffix[1] * UNIT
    read = parse_quantity(f"{number:f}{suffix[0]}")
    assert 0 <= read - exact < 1


def test_amounts_are_sorted_and_without_what_is_nothing() -> None:
    assert parse_amounts({"memory": "1Ki", "cpu": "0.5", "nvidia.com/gpu": "0"}) == (
        ("cpu", UNIT // 2),
        ("memory", 1024 * UNIT),
    )
    with pytest.raises(ValueError, match="memory must be a quantity"):
        parse_amounts({"cpu": "1", "memory": "much"})


@pytest.mark.parametrize(("given", "kept"), [(16, "16"), (0, "0"), ("64Gi", "64Gi"), ("1.50", "1.50")])
def test_a_spec_has_numbers_and_text(given: object, kept: str) -> None:
    assert TypeAdapter(Quantity).validate_python(given) == kept


@pytest.mark.parametrize("given", [-1, "-1", "much", 1.5, True, None, [], {}])
def test_a_spec_without_a_quantity(given: object) -> None:
    for kind in (Quantity, Size):
        with pytest.raises(ValidationError, match="must be a quantity"):
            TypeAdapter(kind).validate_python(given)


@pytest.mark.parametrize("given", [0, "0", "0Gi", "0.000"])
def test_a_size_is_not_nothing(given: object) -> None:
    with pytest.raises(ValidationError, match="must be a quantity above 0"):
        TypeAdapter(Size).validate_python(given)
