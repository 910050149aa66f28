"""The examples in the docstrings of the golden model are true."""

import doctest
import importlib
from pathlib import Path

import golden


def test_examples() -> None:
    modules = [path.stem for path in Path(golden.__path__[0]).glob("*.py")]
    results = {
        name: doctest.testmod(importlib.import_module(f"golden.{name}"))
        for name in modules
        if name != "__init__"
    }
    assert all(result.failed == 0 for result in results.values())
    assert {name for name, result in results.items() if result.attempted} >= {
        "bounds",
        "fixup",
        "integer",
        "layer",
        "mvau",
        "spec",
    }
