"""What the commands share: values, checked before any work is done, and how work shows."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from golden.archive import writable_file, writable_folder
from golden.integer import InputError, Overflow
from tb.stalls import StallPattern

FAILED = 1  # the exit status of a check that did not hold
QUIET_S = 10  # the longest that work shows nothing, where there is no terminal
_MOST_DOING = 2  # things at work that are named then


class Bar(Protocol):
    """Is told how many things are done, of how many, and which are at work."""

    def __call__(self, done: int, of: int, doing: Sequence[str] = ()) -> None: ...


def whole(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise InputError(f"{name} must be an integer from {low} to {high}, got {text!r}")
    return int(text)


def slug(path: Path) -> str:
    """Return a layer file's name as a case takes it."""
    return re.sub(r"\W", "_", path.stem, flags=re.ASCII)[:64]


def overflow(word: str) -> Overflow:
    for policy in Overflow:
        if policy.word == word:
            return policy
    raise InputError(f"OVERFLOW must be wrap or saturate, got {word!r}")


def stalls(text: str, streams: Collection[str]) -> dict[str, str]:
    """Return the pattern of each stream that ``STREAM=PATTERN[,...]`` names."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        stream, equals, pattern = part.partition("=")
        if not equals or stream not in streams or stream in found:
            raise InputError(
                f"STALL must be STREAM=PATTERN with {', '.join(streams)}, each once, got {part!r}"
            )
        found[stream] = StallPattern.parse(pattern).name
    return found


def writable(name: str | None) -> Path | None:
    """Return the path of a file that can be written, or refuse before any work is done."""
    if name is None:
        return None
    path = writable_file(name)
    if path is None:
        raise InputError(f"JSON must be a regular file that can be written, got {name}")
    return path


def folder(name: str) -> Path:
    """Return a folder that is there or can be made, or refuse before any work is done."""
    path = writable_folder(name)
    if path is None:
        raise InputError(f"INTO must be a folder that can be written, got {name!r}")
    return path


@contextlib.contextmanager
def bar(things: str) -> Iterator[Bar]:
    """Show how many things are done, and what is at work, of that the oldest.

    A bar on a terminal; elsewhere a plain line for each tenth, and when QUIET_S have passed.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        oldest = TextColumn(
            "{task.fields[doing]}", markup=False, table_column=Column(no_wrap=True, ratio=1)
        )
        columns = (TextColumn(things), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, oldest, console=console) as progress:
            task = progress.add_task(things, total=None, doing="")

            def move(done: int, of: int, doing: Sequence[str] = ()) -> None:
                progress.update(task, completed=done, total=of, doing=next(iter(doing), ""))

            yield move
        return
    with steps() as step:
        told, told_at = 0, time.monotonic()

        def tell(done: int, of: int, doing: Sequence[str] = ()) -> None:
            nonlocal told, told_at
            if done * 10 // of == told * 10 // of and time.monotonic() - told_at < QUIET_S:
                return
            told, told_at = done, time.monotonic()
            at_work = f"; at work: {'; '.join(doing[:_MOST_DOING])}" if doing else ""
            step(f"{done} of {of} {things}{at_work}")

        yield tell


@contextlib.contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Show what goes on: a moving line on a terminal, plain lines with times elsewhere."""
    console, started = Console(stderr=True), time.monotonic()
    with console.status("building") if console.is_terminal else contextlib.nullcontext():

        def step(line: str) -> None:
            elapsed = time.monotonic() - started
            console.print(
                f"[{elapsed:5.1f} s] {line}", highlight=False, markup=False, soft_wrap=True
            )

        yield step
