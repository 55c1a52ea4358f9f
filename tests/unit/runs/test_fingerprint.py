import json
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibethinker.runs.fingerprint import fingerprint

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TREES = st.recursive(
    LEAVES, lambda t: st.lists(t, max_size=4) | st.dictionaries(st.text(), t, max_size=4), max_leaves=12
)
SETTINGS = st.dictionaries(st.text(), TREES, max_size=5)


def reversed_keys(value):
    if isinstance(value, dict):
        return MappingProxyType({k: reversed_keys(v) for k, v in reversed(value.items())})
    return tuple(reversed_keys(v) for v in value) if isinstance(value, list) else value


@settings(max_examples=50, deadline=None)
@given(SETTINGS)
def test_order_of_keys_and_kind_of_sequence_do_not_matter(values):
    assert fingerprint("sft", 1, values, {}) == fingerprint("sft", 1, reversed_keys(values), {})


@settings(max_examples=50, deadline=None)
@given(SETTINGS)
def test_a_round_trip_through_json_keeps_the_identity(values):
    assert fingerprint("sft", 1, values, {}) == fingerprint("sft", 1, json.loads(json.dumps(values)), {})


@settings(max_examples=50, deadline=None)
@given(SETTINGS, SETTINGS)
def test_different_settings_have_different_identities(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint("sft", 1, one, {}) == fingerprint("sft", 1, other, {})) is same


def test_stage_version_settings_and_inputs_all_count():
    variants = [
        ("sft", 1, {"a": 1}, {"data": "f1"}),
        ("rl", 1, {"a": 1}, {"data": "f1"}),
        ("sft", 2, {"a": 1}, {"data": "f1"}),
        ("sft", 1, {"a": 2}, {"data": "f1"}),
        ("sft", 1, {"a": 1.0}, {"data": "f1"}),
        ("sft", 1, {"a": True}, {"data": "f1"}),
        ("sft", 1, {"a": 1}, {"data": "f2"}),
        ("sft", 1, {"a": 1}, {"base": "f1"}),
        ("sft", 1, {"a": 1, "data": "f1"}, {}),
    ]
    assert len({fingerprint(*variant) for variant in variants}) == len(variants)


def test_the_value_itself_is_pinned():
    # printf '%s' '{"inputs":{"data":"f1"},"settings":{"rates":[0.1,1]},"stage":"sft","version":1}' | sha256sum
    expected = "965579701f91506dca70e901aff43ec799b14e64d70da2ddb8324941b18d242c"
    assert fingerprint("sft", 1, {"rates": (0.1, 1)}, {"data": "f1"}) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused_by_place(value):
    with pytest.raises(ValueError, match=r"settings\.rates\[1\] is (nan|inf)"):
        fingerprint("sft", 1, {"rates": [1.0, value]}, {})


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), {1: "a"}])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match="settings"):
        fingerprint("sft", 1, {"a": value}, {})
