"""Results of regressions, in one SQLite file: each result ever, and which ones a run stands on.

Only the process that runs a regression opens it; workers never do. Several such processes of one
machine may at once. The file's write-ahead log needs memory that all of them share, which network
file systems do not have: the folder must lie on a disk of this machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import platform
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

from golden.integer import InputError
from sim.paths import shown
from sim.regress.job import Job, Json, Result, Verdict

NAME = "results.sqlite"
_APPLICATION = int.from_bytes(b"A2Qr")
_VERSION = 1
_BUSY_S = 30  # how long a write waits for those of other processes
_REPAIR_S = 5  # how long a repair waits until nobody else has the store open
_DAMAGE = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}

_CONTENT = (
    "key", "name", "kind", "unit", "settings", "seed", "rtl", "content", "verdict", "signature",
    "report", "replay", "counts", "details", "started", "seconds", "host",
)  # fmt: skip
_SCHEMA = """
CREATE TABLE results (
    id INTEGER PRIMARY KEY,     -- the newest of a key has the largest
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    unit TEXT NOT NULL,
    settings TEXT NOT NULL,     -- JSON
    seed INTEGER NOT NULL,
    rtl TEXT NOT NULL,          -- a hash
    content TEXT NOT NULL,      -- JSON: what it depended on, tool versions among it
    verdict TEXT NOT NULL,
    signature TEXT NOT NULL,
    report TEXT NOT NULL,
    replay TEXT NOT NULL,
    counts TEXT NOT NULL,       -- JSON
    details BLOB NOT NULL,      -- JSON, compressed
    started TEXT NOT NULL,
    seconds REAL NOT NULL,
    host TEXT NOT NULL,
    checksum INTEGER NOT NULL   -- of all from key to host
);
CREATE INDEX by_key ON results (key);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    suite TEXT NOT NULL,
    rtl TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,                 -- NULL while it runs, and if it was killed
    passed INTEGER,
    summary TEXT                -- JSON
);
CREATE TABLE taken (            -- what runs stand on
    run INTEGER NOT NULL REFERENCES runs,
    name TEXT NOT NULL,
    result INTEGER NOT NULL REFERENCES results,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Stored:
    """A result as it was kept."""

    id: int
    key: str
    name: str  # of the job, when it ran
    result: Result
    content: Json  # what it depended on
    started: str  # UTC, ISO 8601
    host: str


@dataclass(frozen=True)
class Run:
    """A run that came to its end, with all results that it stands on by the names of their jobs."""

    id: int
    suite: str
    rtl_hash: str
    started: str
    ended: str
    passed: bool
    summary: Json
    results: Mapping[str, Stored]


class _DamageError(Exception):
    """The file is not a store any more; the message says what is wrong with it."""


class _Details(Mapping[str, Json]):
    """Details of a result, which are read only if somebody asks: most of a store is details."""

    def __init__(self, compressed: bytes) -> None:
        self._compressed = compressed

    @cached_property
    def _read(self) -> dict[str, Json]:
        read: dict[str, Json] = json.loads(zlib.decompress(self._compressed))
        return read

    def __getitem__(self, name: str) -> Json:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


class Store:
    """The results in a folder. What a method wrote is kept when it returns, kill -9 or not.

    Errors, of all methods: InputError if the file can not be read or written; what it holds stays
    as it was.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, lock: IO[str]) -> None:
        """Use ``open`` instead."""
        self.path = path
        self._database = database
        self._lock = lock  # shared, as long as the file is open: nobody may set it aside

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the results in ``folder``, made if there are none.

        A damaged file is set aside, and named on standard error. Errors: InputError if the file is
        of another application or a newer version, or if it is damaged and others have it open.
        """
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = path.with_suffix(".lock").open("a", encoding="utf-8")
            try:
                return cls(path, _whole(path, lock), lock)
            except BaseException:
                lock.close()
                raise
        except OSError as error:
            where = error.filename or path
            raise InputError(f"no results can be kept in {where}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing more is written by that."""
        with _told(self.path):
            self._database.close()
        self._lock.close()

    def newest(self, keys: Iterable[str]) -> dict[str, Stored]:
        """Return the newest result of each key that has one.

        One that is damaged does not count, nor does any before it.
        """
        ids = (
            "SELECT max(id) FROM results WHERE key IN (SELECT value FROM json_each(?)) GROUP BY key"
        )
        with _told(self.path):
            rows = self._database.execute(
                f"SELECT * FROM results WHERE id IN ({ids})", [json.dumps(list(keys))]
            )
            return {stored.key: stored for _, stored in self._read(rows)}

    def add(
        self, run: int, job: Job, key: str, result: Result, rtl_hash: str, content: Json,
        host: str = "",
    ) -> int:  # fmt: skip
        """Keep a result that came just now, and that ``run`` stands on it; return its id.

        ``host`` is the machine that it comes from, this one if it is empty.
        """
        started = datetime.now(UTC) - timedelta(seconds=result.seconds)
        row = (
            key, job.name, job.kind, job.unit, _json(dict(job.settings)), job.seed, rtl_hash,
            _json(content), result.verdict.value, result.signature, result.report, result.replay,
            _json(dict(result.counts)), zlib.compress(_json(dict(result.details)).encode()),
            started.isoformat(timespec="milliseconds"), float(result.seconds),
            host or platform.node(),
        )  # fmt: skip
        columns, marks = ", ".join([*_CONTENT, "checksum"]), ", ".join("?" * (len(_CONTENT) + 1))
        with self._transaction():
            added = self._database.execute(
                f"INSERT INTO results ({columns}) VALUES ({marks})", [*row, _checksum(row)]
            ).lastrowid
            assert added is not None
            self._take(run, {job.name: added})
        return added

    def take(self, run: int, results: Mapping[str, int]) -> None:
        """Keep that ``run`` stands on earlier results too: their ids by the names of its jobs."""
        with self._transaction():
            self._take(run, results)

    def begin(self, suite: str, rtl_hash: str) -> int:
        """Keep that a run of ``suite`` begins; return its id, larger than all before."""
        with self._transaction():
            run = self._database.execute(
                "INSERT INTO runs (suite, rtl, started) VALUES (?, ?, ?)", [suite, rtl_hash, _now()]
            ).lastrowid
        assert run is not None
        return run

    def end(self, run: int, passed: bool, summary: Json) -> None:
        """Keep how a run ended."""
        with self._transaction():
            self._database.execute(
                "UPDATE runs SET ended = ?, passed = ?, summary = ? WHERE id = ?",
                [_now(), int(passed), _json(summary), run],
            )

    def last_good(self, suite: str, before: int) -> Run | None:
        """Return the newest run of ``suite`` that began before run ``before`` and passed."""
        with _told(self.path):
            found = self._database.execute(
                "SELECT id, suite, rtl, started, ended, passed, summary FROM runs"
                " WHERE suite = ? AND id < ? AND passed = 1 ORDER BY id DESC LIMIT 1",
                [suite, before],
            ).fetchone()
            if found is None:
                return None
            run, suite, rtl, started, ended, _, summary = found
            rows = self._database.execute(
                "SELECT results.*, taken.name FROM taken JOIN results ON results.id = taken.result"
                " WHERE taken.run = ?",
                [run],
            )
            results = {str(name): stored for (name,), stored in self._read(rows)}
        return Run(run, suite, rtl, started, ended, True, json.loads(summary), results)

    def newest_of(self, suite: str) -> dict[str, Stored]:
        """Return the newest result of each job of ``suite``, by name: all that it has ever run."""
        with _told(self.path):
            rows = self._database.execute(
                "SELECT results.*, taken.name, max(taken.run) FROM taken"
                " JOIN runs ON runs.id = taken.run JOIN results ON results.id = taken.result"
                " WHERE suite = ? GROUP BY taken.name",
                [suite],
            )
            return {str(name): stored for (name, _), stored in self._read(rows)}

    def _take(self, run: int, results: Mapping[str, int]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO taken VALUES (?, ?, ?)",
            [(run, name, result) for name, result in results.items()],
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write all or nothing."""
        with _told(self.path), _immediately(self._database):
            yield

    def _read(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], Stored]]:
        """Yield what stands beside each result, and the result, but for damaged ones."""
        damaged = 0
        end = 1 + len(_CONTENT)
        for row in rows:
            if _checksum(row[1:end]) == row[end]:
                yield row[end + 1 :], _stored(row)
            else:
                damaged += 1
        if damaged:
            print(
                f"a2q: {damaged} results in {shown(self.path)} are damaged and do not count",
                file=sys.stderr,
            )


def _whole(path: Path, lock: IO[str]) -> sqlite3.Connection:
    """Return an open store; ``lock`` is shared then. What is damaged was set aside.

    Only who has the lock alone makes a store or sets one aside: nobody else has it open.
    """
    deadline = time.monotonic() + _REPAIR_S
    while True:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            database = _existing(path)
        except _DamageError as damage:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{shown(path)} is damaged ({damage}) and another run has it open: run again "
                    "when that has ended"
                ) from None
        else:
            if database is not None:
                return database
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # others are about to make it, or still have it open
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(0.05)
            continue
        try:
            database = _existing(path)
        except _DamageError as damage:
            aside = _set_aside(path)
            database = None
            print(
                f"a2q: {shown(path)} is damaged ({damage}): set aside as {shown(aside)}; all jobs "
                "run again",
                file=sys.stderr,
            )
        if database is not None:
            database.close()
        else:
            _make(path)


def _existing(path: Path) -> sqlite3.Connection | None:
    """Return an open store; None if none was made yet. Errors: _DamageError, InputError."""
    if not path.exists():
        return None
    with contextlib.ExitStack() as on_error, _told(path, damage=True):
        database = _connect(path, "rw")
        on_error.callback(database.close)
        application, version, tables = (
            database.execute(question).fetchone()[0]
            for question in (
                "PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master"
            )
        )  # fmt: skip
        if not application and not tables:  # who made it was killed before there was anything
            return None
        if application != _APPLICATION:
            raise InputError(f"{shown(path)} must be a store of results, got another database")
        if version != _VERSION:
            raise InputError(
                f"{shown(path)} must be of version {_VERSION} or older, got {version}: move it away"
            )
        problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise _DamageError(problem.splitlines()[-1])
        on_error.pop_all()
    return database


def _make(path: Path) -> None:
    with _told(path), contextlib.closing(_connect(path, "rwc")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        with _immediately(database):
            for statement in _SCHEMA.split(";\n"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {_VERSION}")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S, isolation_level=None
    )
    # Damaged text must be found by its checksum, not end the reading of all others.
    database.text_factory = lambda text: text.decode(errors="replace")
    # What is written stands in the log when a transaction ends, and a killed process takes nothing
    # of that along. Only a power cut may take the last results, whole ones, whose jobs run again:
    # not worth a wait for the disk at each result.
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA foreign_keys = ON")
    return database


def _set_aside(path: Path) -> Path:
    """Rename a store and what SQLite keeps beside it to a name that is free; return that."""
    stem = f"results.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    aside = path.with_name(f"{stem}.sqlite")
    for suffix in ("-wal", "-shm", ""):  # a log of its own must not meet another database
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


@contextlib.contextmanager
def _immediately(database: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing, and take one's turn at once: no reader becomes a writer midway."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


@contextlib.contextmanager
def _told(path: Path, damage: bool = False) -> Iterator[None]:
    """Turn what SQLite says into one sentence; with ``damage``, damage into a _DamageError."""
    try:
        yield
    except UnicodeDecodeError as error:  # of the schema
        if damage:
            raise _DamageError(str(error)) from None
        raise InputError(f"{shown(path)} is damaged: {error}; the next run sets it aside") from None
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise
        kind = getattr(error, "sqlite_errorname", "")
        damaged = any(kind.startswith(name) for name in _DAMAGE)
        if damaged and damage:
            raise _DamageError(str(error)) from None
        then = "; the next run sets it aside" if damaged else ""
        raise InputError(f"no results can be kept in {shown(path)}: {error}{then}") from None


def _checksum(content: tuple[Any, ...]) -> int:
    """Return one number of all that a row holds, types included."""
    rest = [value for value in content if not isinstance(value, bytes)]
    blobs = [value for value in content if isinstance(value, bytes)]
    return zlib.crc32(b"".join(blobs), zlib.crc32(repr(rest).encode()))


def _stored(row: tuple[Any, ...]) -> Stored:
    columns: dict[str, Any] = dict(zip(("id", *_CONTENT), row, strict=False))
    result = Result(
        verdict=Verdict(columns["verdict"]),
        seconds=columns["seconds"],
        signature=columns["signature"],
        report=columns["report"],
        replay=columns["replay"],
        counts=json.loads(columns["counts"]),
        details=_Details(columns["details"]),
    )
    names = ("id", "key", "name", "started", "host")
    content = json.loads(columns["content"])
    return Stored(result=result, content=content, **{name: columns[name] for name in names})


def _json(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
