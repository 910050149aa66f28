"""Every unit, read by pyverilog: its parameters and ports are those that Python describes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from pyverilog.vparser import ast
from pyverilog.vparser.parser import VerilogParser
from rtl_suite import SPECS

from golden.spec import UNIT_PARAMETERS, MvauSpec
from golden.units import PARAMETERS
from sim.paths import RTL
from sim.regress.suites import all_units, lint_shapes
from tb.unit_shapes import PARTS

UNITS = all_units()
SHAPES = {(unit, name): shape for unit in UNITS for name, shape in lint_shapes(unit, SPECS)}

Ports = dict[str, tuple[str, int]]  # name -> (direction, width)

# What is not part of a stream.
CLOCKED: Ports = {"clk": ("input", 1), "rst": ("input", 1)}


def stream(prefix: str, into_unit: bool, **widths: int) -> Ports:
    ahead, back = ("input", "output") if into_unit else ("output", "input")
    payload = {f"{prefix}_{name}": (ahead, width) for name, width in widths.items()}
    return payload | {f"{prefix}_tvalid": (ahead, 1), f"{prefix}_tready": (back, 1)}


def ports_at_a_spec(unit: str, spec: MvauSpec) -> Ports:
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
    raise AssertionError(f"no ports are known of {unit}")


def ports_at_a_shape(unit: str, p: Mapping[str, int]) -> Ports:
    match unit:
        case "fifo" | "skid_buffer":
            bits = p["DATA_BITS"]
            return (
                CLOCKED | stream("s_axis", True, tdata=bits) | stream("m_axis", False, tdata=bits)
            )
        case "replay_buffer":
            bits = p["DATA_BITS"]
            copies = stream("m_axis", False, tdata=bits, tuser=1, tlast=1)
            return CLOCKED | stream("s_axis", True, tdata=bits) | copies
        case "weight_rom":
            return CLOCKED | stream("m_axis", False, tdata=p["DATA_BITS"], tlast=1)
        case "width_converter":
            taken = stream("s_axis", True, tdata=p["IN_LANES"] * p["LANE_BITS"])
            return CLOCKED | taken | stream("m_axis", False, tdata=p["OUT_LANES"] * p["LANE_BITS"])
        case "swu":
            bits = p["SIMD"] * p["INPUT_BITS"]
            windows = stream("m_axis", False, tdata=bits, tlast=1)
            return CLOCKED | stream("s_axis", True, tdata=bits) | windows
        case "threshold" | "mvtu":
            pe, acc = p["PE"], p["ACC_BITS"]
            outputs = stream("m_axis_output", False, tdata=pe * p["OUTPUT_BITS"], tuser=pe, tlast=1)
            steps = stream("s_axis_threshold", True, tdata=acc + 1)
            if unit == "threshold":
                accs = stream("s_axis_input", True, tdata=pe * acc, tuser=pe, tlast=1)
                return CLOCKED | accs | steps | outputs
            inputs = stream("s_axis_input", True, tdata=p["SIMD"] * p["INPUT_BITS"])
            weights = stream("s_axis_weight", True, tdata=pe * p["SIMD"] * p["WEIGHT_BITS"])
            return CLOCKED | inputs | weights | steps | outputs
    raise AssertionError(f"no ports are known of {unit}")


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
def test_parameters_are_those_that_python_names(unit: str) -> None:
    defaults = {
        parameter.name: parameter.value
        for declaration in parsed(unit).paramlist.params
        for parameter in declaration.list
    }
    if unit in UNIT_PARAMETERS:
        shipped = SPECS["shipped"].verilog_parameters(unit)
        assert [(name, value(node, {})) for name, node in defaults.items()] == [*shipped.items()]
    else:
        in_python = PARTS[unit][0] if unit in PARTS else PARAMETERS[unit]
        contents = ["WORDS"] if unit == "weight_rom" else []
        assert list(defaults) == [*in_python, *contents]


@pytest.mark.parametrize(("unit", "name"), [shape for shape in SHAPES if shape[0] not in PARTS])
def test_ports_are_those_that_python_names(unit: str, name: str) -> None:
    names = SHAPES[unit, name]
    ports = {}
    for port in parsed(unit).portlist.ports:
        signal = port.first
        width = signal.width
        bits = value(width.msb, names) - value(width.lsb, names) + 1 if width else 1
        ports[signal.name] = (type(signal).__name__.lower(), bits)
    is_specified = unit in UNIT_PARAMETERS
    due = ports_at_a_spec(unit, SPECS[name]) if is_specified else ports_at_a_shape(unit, names)
    assert ports == due


# What fills a memory when the device starts; of all else the reset takes care.
FILLS_A_MEMORY = re.compile(
    r"^ +initial\n +for \(i = 0; i < \w+; i = i \+ 1\)\n +memory\[i\] = .*;$", re.MULTILINE
)


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
    text = FILLS_A_MEMORY.sub("", text)
    for banned in ("`timescale", "`include", "`define", "initial", "casex", "verilator lint_off"):
        assert banned not in text
