"""Every unit, read by pyverilog: its parameters and ports are those that ``MvauSpec`` describes."""

from __future__ import annotations

import tempfile
from functools import cache
from typing import Any

import pytest
from pyverilog.vparser import ast
from pyverilog.vparser.parser import VerilogParser
from rtl_suite import SPECS

from golden.spec import UNIT_PARAMETERS, MvauSpec
from sim.lint import unit_parameters
from sim.paths import RTL

UNITS = sorted(path.stem for path in RTL.glob("*.v"))

# name -> (direction, width) of the ports that are not part of a stream
CLOCKED = {"clk": ("input", 1), "rst": ("input", 1)}


def stream(prefix: str, into_unit: bool, **widths: int) -> dict[str, tuple[str, int]]:
    ahead, back = ("input", "output") if into_unit else ("output", "input")
    payload = {f"{prefix}_{name}": (ahead, width) for name, width in widths.items()}
    return payload | {f"{prefix}_tvalid": (ahead, 1), f"{prefix}_tready": (back, 1)}


def expected_ports(unit: str, spec: MvauSpec) -> dict[str, tuple[str, int]]:
    lanes = {
        "weights": ("input", spec.simd * spec.weight_bits),
        "inputs": ("input", spec.input_beat_bits),
    }
    acc = spec.acc_bits
    match unit:
        case "dot":
            sums = {"addend": ("input", acc), "sum": ("output", acc), "overflow": ("output", 1)}
            return lanes | sums
        case "pe":
            control = {"beat": ("input", 1), "last": ("input", 1)}
            return CLOCKED | control | lanes | {"acc": ("output", acc), "overflow": ("output", 1)}
        case "mac":
            return (
                CLOCKED
                | stream("s_axis_input", True, tdata=spec.input_bits, tlast=1)
                | stream("s_axis_weight", True, tdata=spec.weight_bits)
                | stream("m_axis_output", False, tdata=acc, tuser=1)
            )
        case "mvau" | "vvau":
            rows = spec.pe if unit == "vvau" else 1  # that have inputs of their own
            return (
                CLOCKED
                | stream("s_axis_input", True, tdata=rows * spec.input_beat_bits)
                | stream("s_axis_weight", True, tdata=spec.weight_beat_bits)
                | stream(
                    "m_axis_output", False, tdata=spec.output_beat_bits, tuser=spec.pe, tlast=1
                )
            )
    bits = unit_parameters(unit, spec)["DATA_BITS"]
    marks = {"tuser": 1, "tlast": 1} if unit == "replay_buffer" else {}
    return (
        CLOCKED | stream("s_axis", True, tdata=bits) | stream("m_axis", False, tdata=bits, **marks)
    )


@cache
def parsed(unit: str) -> ast.ModuleDef:
    with tempfile.TemporaryDirectory() as tables:
        source = VerilogParser(tables, debug=False).parse((RTL / f"{unit}.v").read_text())
    modules = [item for item in source.description.definitions if isinstance(item, ast.ModuleDef)]
    assert len(modules) == 1, f"{unit}.v must hold one module"
    return modules[0]


def value(node: Any, names: dict[str, int]) -> int:
    """Evaluate a constant expression of a parameter or a width."""
    match node:
        case ast.Rvalue():
            return value(node.var, names)
        case ast.IntConst():
            return int(node.value)
        case ast.Identifier():
            return names[node.name]
        case ast.Plus():
            return value(node.left, names) + value(node.right, names)
        case ast.Minus():
            return value(node.left, names) - value(node.right, names)
        case ast.Times():
            return value(node.left, names) * value(node.right, names)
    raise AssertionError(f"no rule for {node}")


def test_there_are_units() -> None:
    assert set(UNIT_PARAMETERS) - {"unrolled"} < set(UNITS), "only that one is generated"
    assert len(UNITS) >= 7


@pytest.mark.parametrize("unit", UNITS)
def test_module_is_named_like_its_file(unit: str) -> None:
    assert parsed(unit).name == unit


@pytest.mark.parametrize("unit", UNITS)
def test_parameters_are_those_of_the_spec(unit: str) -> None:
    module = parsed(unit)
    defaults = {
        parameter.name: value(parameter.value, {})
        for declaration in module.paramlist.params
        for parameter in declaration.list
    }
    spec = SPECS["shipped"]
    assert list(defaults) == list(unit_parameters(unit, spec))
    if unit in UNIT_PARAMETERS:
        assert defaults == spec.verilog_parameters(unit), "the defaults are the shipped layer's"


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", SPECS)
def test_ports_are_those_of_the_spec(unit: str, name: str) -> None:
    spec = SPECS[name]
    names = unit_parameters(unit, spec)
    ports = {}
    for port in parsed(unit).portlist.ports:
        signal = port.first
        width = signal.width
        bits = value(width.msb, names) - value(width.lsb, names) + 1 if width else 1
        ports[signal.name] = (type(signal).__name__.lower(), bits)
    assert ports == expected_ports(unit, spec)


@pytest.mark.parametrize("unit", UNITS)
def test_file_keeps_the_house_style(unit: str) -> None:
    text = (RTL / f"{unit}.v").read_text(encoding="ascii")
    lines = text.splitlines()
    assert lines[0].startswith(f"// {unit}.v -- ")
    header = lines[: lines.index("`default_nettype none")]
    assert any("SPDX-License-Identifier: Apache-2.0" in line for line in header)
    assert lines[-1] == "`default_nettype wire"
    assert len(lines) <= 200
    assert max(len(line) for line in lines) <= 100
    assert "\t" not in text
    for banned in ("`timescale", "`include", "`define", "initial", "casex", "verilator lint_off"):
        assert banned not in text
