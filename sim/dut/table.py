"""A table of a TOML file, of which every key must be asked for and be of its kind."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from golden.integer import InputError
from sim.dut.expression import Expression
from sim.dut.interface import among

_IDENTIFIER = r"[A-Za-z_][\w$]*"


@dataclass(frozen=True)
class Signal:
    """A port of the unit; ``~name`` in the file is one that is active low."""

    name: str
    is_low: bool = False


class Table:
    """A table of the file, of which every key must be asked for."""

    def __init__(self, where: str, data: Mapping[str, Any]) -> None:
        self.where, self.data, self.asked = where, data, dict[str, None]()

    def get(self, key: str, kind: type, what: str, default: Any = None) -> Any:
        self.asked[key] = None
        if key not in self.data:
            if default is None:
                near = difflib.get_close_matches(key, self.data.keys() - self.asked, 1)
                raise InputError(
                    f"{self.where}{key} must be {what}, got {(near or ['nothing'])[0]}"
                )
            return default
        value = self.data[key]
        if type(value) is not kind:
            raise InputError(f"{self.where}{key} must be {what}, got {value!r}")
        return value

    def word(self, key: str, words: Collection[str], default: str | None = None) -> str:
        *first, last = [f'"{word}"' for word in words]
        what = f"{', '.join(first)} or {last}"
        value: str = self.get(key, str, what, default)
        if value not in words:
            raise InputError(f"{self.where}{key} must be {what}, got {value!r}")
        return value

    def name(self, key: str, of: str) -> str:
        value: str = self.get(key, str, f"the name of {of}")
        if not re.fullmatch(_IDENTIFIER, value, re.ASCII):
            raise InputError(f"{self.where}{key} must be the name of {of}, got {value!r}")
        return value

    def signal(self, key: str) -> Signal:
        value = self.get(key, str, 'the name of a port, or "~name" if it is active low')
        if not re.fullmatch(f"~?{_IDENTIFIER}", value, re.ASCII):
            raise InputError(
                f'{self.where}{key} must be the name of a port, or "~name" if it is active low, '
                f"got {value!r}"
            )
        return Signal(value.removeprefix("~"), value.startswith("~"))

    def texts(self, key: str, what: str, default: list[str] | None = None) -> list[str]:
        value: list[str] = self.get(key, list, what, default)
        if not all(type(each) is str for each in value):
            raise InputError(f"{self.where}{key} must be {what}, got {value!r}")
        return value

    def count(self, key: str, default: int) -> int:
        value: int = self.get(key, int, "an integer from 1 to 1000", default)
        if not 1 <= value <= 1000:
            raise InputError(f"{self.where}{key} must be an integer from 1 to 1000, got {value}")
        return value

    def expression(self, key: str, names: Collection[str]) -> Expression | None:
        self.asked[key] = None
        if key not in self.data:
            return None
        value = self.data[key]
        if type(value) not in (int, str):
            raise InputError(
                f"{self.where}{key} must be an integer or an expression, got {value!r}"
            )
        try:
            return Expression.parse(str(value), names)
        except InputError as error:
            raise InputError(f"{self.where}{key}: {error}") from None

    def table(self, key: str, required: bool = False) -> Table:
        value = self.get(key, dict, f"a table, [{key}]", None if required else {})
        return Table(f"[{key}] ", value)

    def require_identifiers(self) -> None:
        for key in self.data:
            if not re.fullmatch(_IDENTIFIER, key, re.ASCII):
                raise InputError(f"keys under {self.where}must be Verilog names, got {key!r}")

    def close(self) -> None:
        """Refuse what nobody asked for."""
        for key in self.data:
            if key not in self.asked:
                raise InputError(
                    f"{self.where}{key} is not known here; known are {among(key, self.asked)}"
                )
