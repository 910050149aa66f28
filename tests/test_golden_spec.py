"""The rules of legality, and what a spec says of itself."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import specs

from golden.integer import InputError, Overflow
from golden.spec import RULES, UNIT_PARAMETERS, MvauSpec, Rule

LEGAL = MvauSpec(mw=8, mh=6, pe=2, simd=4, weight_bits=4, input_bits=8, acc_bits=16)

# For each rule: what it still allows, what it refuses, and how the refusal ends.
EXAMPLES: dict[str, tuple[list[dict[str, int]], list[tuple[dict[str, int], str]]]] = {
    "MW must be 1 to 65536": (
        [{"mw": 1, "simd": 1}, {"mw": 65536}],
        [({"mw": 0}, "MW=0"), ({"mw": -8}, "MW=-8"), ({"mw": 65540}, "MW=65540")],
    ),
    "MH must be 1 to 65536": (
        [{"mh": 1, "pe": 1}, {"mh": 65536}],
        [({"mh": 0}, "MH=0"), ({"mh": -2}, "MH=-2"), ({"mh": 65538}, "MH=65538")],
    ),
    "SIMD must be positive": (
        [{"simd": 1}],
        [({"simd": 0}, "SIMD=0"), ({"simd": -4}, "SIMD=-4")],
    ),
    "PE must be positive": (
        [{"pe": 1}],
        [({"pe": 0}, "PE=0"), ({"pe": -2}, "PE=-2")],
    ),
    "SIMD must divide MW": (
        [{"simd": 8}, {"simd": 2}],
        [({"simd": 3}, "SIMD=3 MW=8"), ({"simd": 16}, "SIMD=16 MW=8")],
    ),
    "PE must divide MH": (
        [{"pe": 6}, {"pe": 3}],
        [({"pe": 4}, "PE=4 MH=6"), ({"pe": 12}, "PE=12 MH=6")],
    ),
    "WEIGHT_BITS must be 1 to 16": (
        [{"weight_bits": 1}, {"weight_bits": 16}],
        [({"weight_bits": 0}, "WEIGHT_BITS=0"), ({"weight_bits": 17}, "WEIGHT_BITS=17")],
    ),
    "INPUT_BITS must be 1 to 16": (
        [{"input_bits": 1}, {"input_bits": 16}],
        [({"input_bits": 0}, "INPUT_BITS=0"), ({"input_bits": 17}, "INPUT_BITS=17")],
    ),
    "ACC_BITS must be 2 to 64": (
        [{"acc_bits": 2}, {"acc_bits": 64}],
        [({"acc_bits": 1}, "ACC_BITS=1"), ({"acc_bits": 65}, "ACC_BITS=65")],
    ),
    "SIGNED_INPUT must be 0 or 1": (
        [{"signed_input": 0}, {"signed_input": 1}],
        [({"signed_input": 2}, "SIGNED_INPUT=2"), ({"signed_input": -1}, "SIGNED_INPUT=-1")],
    ),
    "OVERFLOW must be 0 or 1": (
        [{"overflow": 0}, {"overflow": 1}],
        [({"overflow": 2}, "OVERFLOW=2"), ({"overflow": -1}, "OVERFLOW=-1")],
    ),
    "OBSERVE must be 0 or 1": (
        [{"observe": 0}, {"observe": 1}],
        [({"observe": 2}, "OBSERVE=2"), ({"observe": -1}, "OBSERVE=-1")],
    ),
    "BIPOLAR_WEIGHT must be 0 or 1": (
        [{"bipolar_weight": 0}, {"bipolar_weight": 1, "weight_bits": 1}],
        [({"bipolar_weight": 2, "weight_bits": 1}, "BIPOLAR_WEIGHT=2"),
         ({"bipolar_weight": -1}, "BIPOLAR_WEIGHT=-1")],
    ),
    "BIPOLAR_INPUT must be 0 or 1": (
        [{"bipolar_input": 0}, {"bipolar_input": 1, "input_bits": 1, "signed_input": 1}],
        [({"bipolar_input": 2}, "BIPOLAR_INPUT=2"), ({"bipolar_input": -1}, "BIPOLAR_INPUT=-1")],
    ),
    "BIPOLAR_WEIGHT must have WEIGHT_BITS 1": (
        [{"bipolar_weight": 1, "weight_bits": 1}, {"bipolar_weight": 0, "weight_bits": 2}],
        [({"bipolar_weight": 1, "weight_bits": 2}, "BIPOLAR_WEIGHT=1 WEIGHT_BITS=2")],
    ),
    "BIPOLAR_INPUT must have INPUT_BITS 1": (
        [{"bipolar_input": 1, "input_bits": 1, "signed_input": 1}],
        [({"bipolar_input": 1, "input_bits": 2, "signed_input": 1},
          "BIPOLAR_INPUT=1 INPUT_BITS=2")],
    ),
    "BIPOLAR_INPUT must have SIGNED_INPUT 1": (
        [{"bipolar_input": 1, "input_bits": 1, "signed_input": 1}],
        [({"bipolar_input": 1, "input_bits": 1}, "BIPOLAR_INPUT=1 SIGNED_INPUT=0")],
    ),
}  # fmt: skip


def spec_with(**changes: Any) -> MvauSpec:
    return replace(LEGAL, **changes)


def test_every_rule_has_examples() -> None:
    assert [rule.sentence for rule in RULES] == list(EXAMPLES)
    assert len({rule.static_assert for rule in RULES}) == len(RULES)
    assert RULES[4].static_assert == "SIMD_MUST_DIVIDE_MW"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.static_assert)
def test_rule_refuses_what_it_says(rule: Rule) -> None:
    allowed, forbidden = EXAMPLES[rule.sentence]
    for changes in allowed:
        spec_with(**changes)
    for changes, given_values in forbidden:
        with pytest.raises(InputError) as caught:
            spec_with(**changes)
        assert str(caught.value) == f"{rule.sentence}, got {given_values}"


@pytest.mark.parametrize("name", [field.name for field in fields(MvauSpec)])
@pytest.mark.parametrize("value", [1.0, "1", None, [1], float("nan")], ids=repr)
def test_refuses_what_is_no_integer(name: str, value: object) -> None:
    message = re.escape(f"{name.upper()} must be an integer, got {value!r}")
    with pytest.raises(InputError, match=f"^{message}$"):
        spec_with(**{name: value})


def test_a_truth_value_is_no_number() -> None:
    for field in fields(MvauSpec):
        if field.type == "bool":
            spec = spec_with(
                weight_bits=1, input_bits=1, **{"signed_input": True, field.name: True}
            )
            assert getattr(spec, field.name) is True
        else:
            with pytest.raises(InputError, match=f"{field.name.upper()} must be an integer"):
                spec_with(**{field.name: True})


def test_zeros_and_ones_become_flags() -> None:
    spec = spec_with(signed_input=1, observe=0, overflow=1)
    assert (spec.signed_input, spec.observe, spec.overflow) == (True, False, Overflow.SATURATE)
    assert type(spec.signed_input) is type(spec.observe) is bool
    assert spec == spec_with(signed_input=True, observe=False, overflow=Overflow.SATURATE)


@given(specs())
def test_json_round_trip(spec: MvauSpec) -> None:
    text = json.dumps(spec.to_json())
    assert MvauSpec.from_json(json.loads(text)) == spec
    assert set(map(type, spec.to_json().values())) == {int}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [1, 2],
        {},
        {name: value for name, value in LEGAL.to_json().items() if name != "mw"},
        {name: value for name, value in LEGAL.to_json().items() if name != "observe"},
        LEGAL.to_json() | {"colour": 1},
    ],
    ids=["null", "list", "empty", "field-missing", "flag-missing", "field-unknown"],
)
def test_refuses_json_of_other_fields(data: object) -> None:
    with pytest.raises(InputError, match="a spec must have exactly the fields acc_bits, bipolar"):
        MvauSpec.from_json(data)


def test_specs_of_before_there_were_bipolar_operands_have_none() -> None:
    old = LEGAL.to_json()
    del old["bipolar_weight"], old["bipolar_input"]
    assert MvauSpec.from_json(old) == LEGAL


def test_refuses_json_that_breaks_a_rule() -> None:
    with pytest.raises(InputError, match="SIMD must divide MW, got SIMD=3 MW=8"):
        MvauSpec.from_json(LEGAL.to_json() | {"simd": 3})
    with pytest.raises(InputError, match=r"MW must be an integer, got 8\.0"):
        MvauSpec.from_json(LEGAL.to_json() | {"mw": 8.0})


@given(specs(), specs())
def test_different_specs_have_different_ids(one: MvauSpec, other: MvauSpec) -> None:
    assert (one.id == other.id) == (one == other)


@given(specs(max_mw=12, max_mh=12), st.data())
def test_the_id_tells_every_field(spec: MvauSpec, data: st.DataObject) -> None:
    other = data.draw(specs(max_mw=12, max_mh=12))
    name = data.draw(st.sampled_from([field.name for field in fields(MvauSpec)]))
    try:
        changed = replace(spec, **{name: getattr(other, name)})
    except InputError:
        return
    assert (changed.id == spec.id) == (changed == spec)


def test_ids_are_names_of_files() -> None:
    assert LEGAL.id == "mw8-mh6-pe2-simd4-m4-n8u-p16-wrap"
    blind = spec_with(signed_input=True, overflow=Overflow.SATURATE, observe=False)
    assert blind.id == "mw8-mh6-pe2-simd4-m4-n8s-p16-saturate-blind"
    assert re.fullmatch(r"[a-z0-9-]+", blind.id)
    bipolar = spec_with(weight_bits=1, bipolar_weight=True)
    assert bipolar.id == "mw8-mh6-pe2-simd4-m1b-n8u-p16-wrap"
    bipolar = spec_with(input_bits=1, signed_input=True, bipolar_input=True)
    assert bipolar.id == "mw8-mh6-pe2-simd4-m4-n1b-p16-wrap"


@given(specs())
def test_folds_and_beats(spec: MvauSpec) -> None:
    assert (spec.sf * spec.simd, spec.nf * spec.pe) == (spec.mw, spec.mh)
    assert spec.total_fold * spec.pe * spec.simd == spec.mh * spec.mw
    assert spec.input_beat_bits * spec.sf == spec.mw * spec.input_bits
    assert spec.weight_beat_bits * spec.total_fold == spec.mw * spec.mh * spec.weight_bits
    assert spec.output_beat_bits * spec.nf == spec.mh * spec.acc_bits


def test_folds_and_beats_by_hand() -> None:
    assert (LEGAL.sf, LEGAL.nf, LEGAL.total_fold) == (2, 3, 6)
    beats = (LEGAL.input_beat_bits, LEGAL.weight_beat_bits, LEGAL.output_beat_bits)
    assert beats == (32, 32, 32)
    assert spec_with(pe=3, simd=2).weight_beat_bits == 24
    assert (str(LEGAL.weights), str(LEGAL.inputs)) == ("signed 4-bit", "unsigned 8-bit")
    assert (LEGAL.acc.minimum, LEGAL.acc.maximum) == (-(2**15), 2**15 - 1)


def test_verilog_parameters() -> None:
    widths = {
        "WEIGHT_BITS": 4, "BIPOLAR_WEIGHT": 0, "INPUT_BITS": 8, "SIGNED_INPUT": 0,
        "BIPOLAR_INPUT": 0, "ACC_BITS": 16, "OVERFLOW": 0,
    }  # fmt: skip
    whole = {"MW": 8, "MH": 6, "PE": 2, "SIMD": 4, **widths, "OBSERVE": 1}
    assert LEGAL.verilog_parameters("mvau") == LEGAL.verilog_parameters("vvau") == whole
    assert LEGAL.verilog_parameters("dot") == {"SIMD": 4, **widths}
    field_names = {field.name for field in fields(MvauSpec)}
    assert all(set(names) <= field_names for names in UNIT_PARAMETERS.values())
    assert set(UNIT_PARAMETERS["mvau"]) == field_names
