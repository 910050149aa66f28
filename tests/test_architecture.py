"""Imports point one way, a2q_ref -> golden <- tb <- sim <- formal; golden knows no floats."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"golden", "a2q_ref", "tb", "sim", "formal", "tests"}
GUARDED = OURS | {"torch", "cocotb", "cocotbext"}

# Which files may import which of the guarded packages; golden is guarded from all packages.
ALLOWED: dict[str, set[str]] = {
    "golden/*.py": {"golden", "numpy"},
    "a2q_ref/*.py": {"golden", "a2q_ref", "torch"},
    "tb/*.py": {"golden", "tb"},
    "tb/stream.py": {"cocotb", "cocotbext"},
    "tb/env.py": {"cocotb", "cocotbext"},
    "tb/*_tests.py": {"cocotb", "cocotbext"},
    "sim/*.py": {"golden", "tb", "sim"},
    "sim/cli.py": {"formal"},
    "sim/bench/plain_driver.py": {"cocotb"},
    "formal/*.py": {"golden", "tb", "sim", "formal"},
}


class Import(NamedTuple):
    package: str
    line: int
    inside_function: bool


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(tree: ast.AST, inside_function: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name.split(".")[0], node.lineno, inside_function)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by the full name"
            yield Import((node.module or "").split(".")[0], node.lineno, inside_function)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from imports(node, inside_function or is_function)


def is_guarded(file: str, package: str) -> bool:
    beyond_python = package not in sys.stdlib_module_names
    return package in GUARDED or (file.startswith("golden/") and beyond_python)


def forbidden(file: str, source: str) -> list[str]:
    """Return a sentence for each import that ``file`` may not have."""
    allowed = set().union(*(names for glob, names in ALLOWED.items() if fnmatch(file, glob)))
    return [
        f"{file}:{found.line} imports {found.package}"
        for found in imports(ast.parse(source))
        if is_guarded(file, found.package)
        and found.package not in allowed
        # The front door opens the trainer only when it is asked to: torch is not always there.
        and not (file == "sim/cli.py" and found.package == "a2q_ref" and found.inside_function)
    ]


@pytest.mark.parametrize("folder", sorted(OURS - {"tests"}))
def test_imports_point_one_way(folder: str) -> None:
    files = python_files(folder)
    assert files, f"no files in {folder}/"
    wrong = [
        sentence
        for file in files
        for sentence in forbidden(file.relative_to(ROOT).as_posix(), file.read_text())
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_tests() -> None:
    test_modules = {"tests"} | {file.stem for file in python_files("tests")}
    files = [file for folder in OURS - {"tests"} for file in python_files(folder)]
    assert files
    for file in files:
        names = {found.package for found in imports(ast.parse(file.read_text()))}
        assert not names & test_modules, file


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("golden/spec.py", "import numpy, json\nfrom golden import integer", 0),
        ("golden/spec.py", "import torch", 1),
        ("golden/spec.py", "import rich", 1),
        ("sim/run.py", "import rich", 0),
        ("sim/run.py", "import cocotb", 1),
        ("sim/run.py", "from torch import nn", 1),
        ("golden/spec.py", "def late():\n    import tb.case", 1),
        ("a2q_ref/export.py", "import torch\nfrom golden.layer import QuantLayer", 0),
        ("a2q_ref/export.py", "from sim import cli", 1),
        ("tb/stream.py", "import cocotb\nfrom cocotbext import axi", 0),
        ("tb/mvau_tests.py", "import cocotb", 0),
        ("tb/case.py", "import cocotb", 1),
        ("tb/case.py", "if True:\n    from sim import run", 1),
        ("sim/run.py", "import golden, tb.case, sim.build", 0),
        ("sim/run.py", "def late():\n    import a2q_ref", 1),
        ("sim/cli.py", "def late():\n    import a2q_ref", 0),
        ("sim/cli.py", "import a2q_ref", 1),
        ("sim/cli.py", "class Late:\n    import a2q_ref", 1),
        ("sim/cli.py", "import tests.strategies", 1),
    ],
)
def test_the_arrows_themselves(file: str, source: str, wrong: int) -> None:
    assert len(forbidden(file, source)) == wrong


# No floats in golden

FLOATS = {"float", "mean", "average", "divide", "true_divide", "log2", "log", "sqrt", "math", "inf"}
FLOATS |= {"float16", "float32", "float64", "floating", "double", "longdouble", "nan", "linspace"}

# Where a float is right, and why.
FLOATS_ARE_RIGHT_IN = {
    "golden/layer.py:accuracy": "a share for people to read; no verdict rests on it",
}


def floats(file: str, tree: ast.AST, scope: str = "") -> Iterator[str]:
    """Yield each place where a float is written, named, or made by a division."""
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else scope
        if f"{file}:{inner}" in FLOATS_ARE_RIGHT_IN:
            continue
        is_float = (
            (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
            or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
            or (isinstance(node, ast.Name) and node.id in FLOATS)
            or (isinstance(node, ast.Attribute) and node.attr in FLOATS)
            or (isinstance(node, ast.alias) and node.name in FLOATS)
        )
        if is_float:
            yield f"{file}:{getattr(node, 'lineno', 0)} {ast.unparse(node)}"
        yield from floats(file, node, inner)


def test_golden_knows_no_floats() -> None:
    files = python_files("golden")
    assert files
    found = [
        place
        for file in files
        for place in floats(file.relative_to(ROOT).as_posix(), ast.parse(file.read_text()))
    ]
    assert not found, "\n".join(found)


def test_every_exception_is_still_needed() -> None:
    for place in FLOATS_ARE_RIGHT_IN:
        file, function = place.split(":")
        tree = ast.parse((ROOT / file).read_text())
        bodies = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name == function
        ]
        assert len(bodies) == 1, place
        assert list(floats("elsewhere", bodies[0])), place


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 7 // 2 << 1", 0),
        ("x = 0.5", 1),
        ("x = a / 2", 1),
        ("x /= 2", 1),
        ("x = float(a)", 1),
        ("x = a.astype(np.float64)", 1),
        ("x = np.log2(a)", 1),
        ("import math", 1),
        ("from math import log2", 1),
        ("x = Fraction(1, 2)", 0),
    ],
)
def test_the_look_for_floats_itself(source: str, found: int) -> None:
    assert len(list(floats("golden/any.py", ast.parse(source)))) == found
