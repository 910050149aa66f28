"""What the command lines of this package share: arguments, checked before any work, and the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from a2q_ref.pool import WorkerError
from golden.archive import writable_file, writable_folder
from golden.integer import InputError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class Parser(argparse.ArgumentParser):
    """A parser whose refusal is one line, whose description keeps its lines, without short cuts."""

    def __init__(self, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return the parser of a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= 10
        if not (digits and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be {low} to {high}, got {text!r}")
        return int(text)

    return parse


def number(text: str) -> float:
    """Return a number from 0 to a million."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:  # NaN is not either
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1000000, got {text!r}")
    return value


def folder(text: str) -> Path:
    """Return a folder that is there or can be made."""
    path = writable_folder(text)
    if path is None:
        raise argparse.ArgumentTypeError(f"must be a folder that can be written, got {text!r}")
    return path


def file(text: str) -> Path:
    """Return a file that can be written; what a link points to is replaced, not the link."""
    path = writable_file(text)
    if path is None:
        raise argparse.ArgumentTypeError(
            f"must be a regular file that can be written, got {text!r}"
        )
    return path


def run(prog: str, work: Callable[[], None], kept: str) -> int:
    """Do the work; return the exit status, after one sentence if it is not 0.

    ``kept`` says what an interrupt leaves.
    """
    try:
        work()
    except KeyboardInterrupt:
        print(f"{prog}: stopped; {kept}", file=sys.stderr)
        return INTERRUPTED
    except (InputError, OSError, WorkerError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        reason = error.__cause__ if isinstance(error, WorkerError) else error
        return BAD_INPUT if isinstance(reason, InputError | OSError) else FAILED
    return 0
