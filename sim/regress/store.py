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
import re
import sqlite3
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_VERSION = 2
_BUSY_S = 30  # how long a write waits for those of other processes
_REPAIR_S = 5  # how long a repair waits until nobody else has the store open
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

# Any change of it, but for comments, is another version.
_SCHEMA = re.sub(
    " +--.*",
    "",
    """
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
    checksum INTEGER NOT NULL   -- of all between id and it
);
CREATE INDEX by_key ON results (key);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    suite TEXT NOT NULL,
    rtl TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,                 -- NULL while it runs, and if it was killed
    passed INTEGER,
    summary TEXT,               -- JSON
    standing INTEGER,           -- checksum of what it stands on: of its rows in taken
    checksum INTEGER NOT NULL   -- of all between id and it
);
CREATE TABLE taken (            -- what runs stand on
    run INTEGER NOT NULL REFERENCES runs,
    name TEXT NOT NULL,
    result INTEGER NOT NULL REFERENCES results,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
""",
)
_TAKEN = "SELECT taken.name, results.* FROM taken JOIN results ON results.id = result"
_DEFINED = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"


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


class _UselessError(InputError):
    """The file is a store of ours, and can not be used."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{shown(path)} {fault}: a run that has it alone sets it aside")
        self.fault = fault


def _damaged(path: Path, what: object) -> _UselessError:
    return _UselessError(path, f"is damaged ({what})")


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

    What is damaged is said and never believed. Only damage to SQLite's log, which ``close`` moves
    into the file, is silent: what was written from there on is lost, as if it had never come.

    Errors, of all methods: InputError if the file can not be read or written; what it holds stays
    as it was.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, lock: IO[str]) -> None:
        """Use ``open`` instead."""
        self.path = path
        self._database = database
        self._lock = lock  # shared, as long as the file is open: nobody may set it aside
        # What was written of runs that have not ended; a checksum of what is read back would make
        # damage in between look right.
        self._begun: dict[int, tuple[str, str, str]] = {}
        self._taken: defaultdict[int, dict[str, int]] = defaultdict(dict)
        self._told_of: defaultdict[str, set[int]] = defaultdict(set)  # what is damaged

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the results in ``folder``, made if there are none.

        A damaged file is set aside, and named on standard error; so is one of an older version.
        Errors: InputError if the file is of another application or a newer version, or if it is
        damaged and others have it open.
        """
        path = folder / NAME
        locked = path.with_suffix(".lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in (locked, *_files(path)):  # nobody writes to the other end of a pipe
                if (file.exists() or file.is_symlink()) and not file.is_file():
                    raise InputError(f"{shown(file)} must be a regular file")
            lock = locked.open("a", encoding="utf-8")
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
        """Close the file; who closes it last moves SQLite's log into it."""
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
            return self._read(
                f"SELECT key, * FROM results WHERE id IN ({ids})", json.dumps(list(keys))
            )

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
        with self._transaction():
            added = self._put("results", None, row)
            self._take(run, {job.name: added})
        return added

    def take(self, run: int, results: Mapping[str, int]) -> None:
        """Keep that ``run`` stands on earlier results too: their ids by the names of its jobs."""
        with self._transaction():
            self._take(run, results)

    def begin(self, suite: str, rtl_hash: str) -> int:
        """Keep that a run of ``suite`` begins; return its id, larger than all before."""
        begun = (suite, rtl_hash, _now())
        with self._transaction():
            run = self._put("runs", None, (*begun, None, None, None, None))
        self._begun[run] = begun
        return run

    def end(self, run: int, passed: bool, summary: Json) -> None:
        """Keep how a run ended that began in this store."""
        standing = _standing(self._taken[run])
        row = (*self._begun[run], _now(), int(passed), _json(summary), standing)
        with self._transaction():
            self._put("runs", run, row)

    def last_good(self, suite: str, before: int) -> Run | None:
        """Return the newest run of ``suite`` that began before run ``before`` and passed.

        One that is damaged does not count, nor does one of whose results any is damaged.
        """
        found, damaged = None, set()
        with _told(self.path):
            for run, *row, checksum in self._database.execute(
                "SELECT * FROM runs WHERE id < ? ORDER BY id DESC", [before]
            ):
                its_suite, rtl, started, ended, passed, summary, standing = row
                if _checksum(row) != checksum:
                    damaged.add(run)
                elif its_suite == suite and passed:
                    results = self._read(f"{_TAKEN} WHERE run = ?", run)
                    if _standing({name: each.id for name, each in results.items()}) == standing:
                        summary = json.loads(summary)
                        found = Run(run, suite, rtl, started, ended, True, summary, results)
                        break
                    damaged.add(run)
        self._tell("runs", damaged)
        return found

    def newest_of(self, suite: str) -> dict[str, Stored]:
        """Return the newest result of each job of ``suite``, by name: all that it has ever run.

        Each is whole, but damage to what runs stood on may leave some out or bring older ones:
        enough to put jobs in order, not to believe them.
        """
        newest = (
            "SELECT name, max(run) FROM taken JOIN runs ON runs.id = run WHERE suite = ?"
            " GROUP BY name"
        )
        with _told(self.path):
            return self._read(f"{_TAKEN} WHERE (taken.name, run) IN ({newest})", suite)

    def _put(self, table: str, row: int | None, content: Sequence[object]) -> int:
        """Write a row, a new one if it is None, with its checksum; return its id."""
        values = [row, *content, _checksum(content)]
        marks = ", ".join("?" * len(values))
        put = self._database.execute(f"REPLACE INTO {table} VALUES ({marks})", values).lastrowid
        assert put is not None
        return put

    def _take(self, run: int, results: Mapping[str, int]) -> None:
        self._database.executemany(
            "REPLACE INTO taken VALUES (?, ?, ?)",
            [(run, name, result) for name, result in results.items()],
        )
        self._taken[run].update(results)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write all or nothing, and take one's turn at once: no reader becomes a writer midway."""
        with _told(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def _read(self, question: str, about: object) -> dict[str, Stored]:
        """Return results by the names that a question gives them, but for damaged ones."""
        found, damaged = {}, set()
        for name, *row in self._database.execute(question, [about]):
            if _checksum(row[1:-1]) == row[-1]:
                found[name] = _stored(row)
            else:
                damaged.add(row[0])
        self._tell("results", damaged)
        return found

    def _tell(self, table: str, damaged: set[int]) -> None:
        """Say what is damaged on standard error, of each row once."""
        if new := damaged - self._told_of[table]:
            print(
                f"a2q: {len(new)} {table} in {shown(self.path)} are damaged and do not count",
                file=sys.stderr,
            )
        self._told_of[table] |= new


def _whole(path: Path, lock: IO[str]) -> sqlite3.Connection:
    """Return an open store; ``lock`` is shared then. What is of no use was set aside.

    Only who has the lock alone makes a store or sets one aside: nobody else has it open.
    """
    deadline = time.monotonic() + _REPAIR_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:  # others are about to make it, or have it open
            fcntl.flock(lock, fcntl.LOCK_SH)
            alone = False
        try:
            database = _existing(path)
            if database is None and not alone:
                raise _damaged(path, "removed")
        except _UselessError as useless:
            if not alone and time.monotonic() > deadline:
                raise
            database = None
            if alone:
                aside = _set_aside(path)
                print(
                    f"a2q: {shown(path)} {useless.fault}: set aside as {shown(aside)}; all jobs "
                    "run again",
                    file=sys.stderr,
                )
        if database is None and alone:
            _make(path)
            database = _connect(path, "rw")
        if database is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return database
        fcntl.flock(lock, fcntl.LOCK_UN)
        time.sleep(0.05)


def _existing(path: Path) -> sqlite3.Connection | None:
    """Return an open store that is whole; None if none was made yet."""
    if not path.exists():
        return None
    with contextlib.ExitStack() as on_error, _told(path):
        database = _connect(path, "rw")
        on_error.callback(database.close)
        defined = database.execute(_DEFINED).fetchall()
        application, version = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        if not application and not defined:  # who made it was killed before there was anything
            return None
        if application != _APPLICATION:
            raise InputError(f"{shown(path)} must be a store of results, got another database")
        if version > _VERSION:
            raise InputError(
                f"{shown(path)} must be of version {_VERSION} or older, got {version}: move it away"
            )
        if version < _VERSION:
            raise _UselessError(path, f"is of version {version}, not {_VERSION}")
        with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(_SCHEMA)
            if defined != fresh.execute(_DEFINED).fetchall():
                raise _damaged(path, "other tables than it was made with")
        # The quick check leaves out the index, which says which result of a key is the newest.
        problem = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if problem != "ok":
            raise _damaged(path, problem.splitlines()[-1])
        on_error.pop_all()
    return database


def _make(path: Path) -> None:
    script = f"""PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; {_SCHEMA}
        PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; COMMIT;"""
    with _told(path), contextlib.closing(_connect(path, "rwc")) as database:
        database.executescript(script)


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


def _files(path: Path) -> list[Path]:
    """Return what SQLite keeps beside a database, and the database last."""
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm", "")]


def _set_aside(path: Path) -> Path:
    """Rename a store and what SQLite keeps beside it to a name that is free; return that."""
    stem = f"results.aside-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    aside = path.with_name(f"{stem}.sqlite")
    # A log of its own must not meet another database.
    for file, to in zip(_files(path), _files(aside), strict=True):
        with contextlib.suppress(FileNotFoundError):
            file.rename(to)
    return aside


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite says into one sentence, of a _UselessError if it is about damage."""
    try:
        yield
    except UnicodeDecodeError as error:  # it quotes a damaged name
        raise _damaged(path, error) from None
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise
        if getattr(error, "sqlite_errorname", "").startswith(_DAMAGE):
            raise _damaged(path, error) from None
        raise InputError(f"no results can be kept in {shown(path)}: {error}") from None


def _checksum(content: Sequence[object]) -> int:
    """Return one number of all that a row holds, types included."""
    rest = [value for value in content if not isinstance(value, bytes)]
    blobs = [value for value in content if isinstance(value, bytes)]
    return zlib.crc32(b"".join(blobs), zlib.crc32(repr(rest).encode()))


def _standing(taken: Mapping[str, int]) -> int:
    """Return one number of what a run stands on."""
    return _checksum(sorted(map(repr, taken.items())))


def _stored(row: Sequence[Any]) -> Stored:
    (
        id_, key, name, _, _, _, _, _, content, verdict, signature, report, replay, counts,
        details, started, seconds, host, _,
    ) = row  # fmt: skip
    result = Result(
        verdict=Verdict(verdict),
        seconds=seconds,
        signature=signature,
        report=report,
        replay=replay,
        counts=json.loads(counts),
        details=_Details(details),
    )
    return Stored(id_, key, name, result, json.loads(content), started, host)


def _json(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
