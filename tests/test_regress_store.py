"""What a store of results acknowledged it still holds, and what is damaged it never believes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from golden.integer import InputError
from sim.regress.job import Job, Result, Verdict
from sim.regress.store import NAME, Store

CONTENT = {"verilator": "5.048"}
PASSED = Result(
    Verdict.PASSED, 1.25, counts={"results": 7}, details={"hit": [1, 2], "é": {"x": None}}
)
FAILED = Result(Verdict.FAILED, 0.5, "mismatch", "MISMATCH\nrow 3", "make repro CASE=x")


def job(name: str) -> Job:
    return Job(name, "play", "mvau", {"seed": 7, "spec": {"mw": 8}})


def add(store: Store, run: int, name: str, result: Result = PASSED, key: str = "") -> int:
    return store.add(run, job(name), key or f"key of {name}", result, "rtl", CONTENT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def rows(folder: Path, question: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(folder / NAME)) as database:
        return database.execute(question).fetchall()


def write(folder: Path, change: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / NAME)) as database:
        assert database.execute(change).rowcount != 0
        database.commit()


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("results.aside-*.sqlite"))


# What is kept


def test_a_result_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    run = store.begin("smoke", "rtl")
    assert store.newest(["key of a"]) == {}
    row = store.add(run, job("a"), "key of a", PASSED, "rtl", CONTENT, host="far")
    add(store, run, "b", FAILED)
    store.close()
    with Store.open(tmp_path) as again:
        found = again.newest(["key of a", "key of b", "key of c"])
    assert {key: stored.result for key, stored in found.items()} == {
        "key of a": PASSED,
        "key of b": FAILED,
    }
    stored = found["key of a"]
    assert (stored.id, stored.key, stored.name, stored.host) == (row, "key of a", "a", "far")
    assert stored.started.endswith("+00:00")
    assert dict(stored.result.details) == PASSED.details
    ((seed, settings, content),) = rows(
        tmp_path, "SELECT seed, settings, content FROM results WHERE name = 'a'"
    )
    assert (seed, settings) == (7, '{"seed":7,"spec":{"mw":8}}')
    assert content == '{"verilator":"5.048"}'


def test_the_newest_counts_and_the_older_stay(store: Store, tmp_path: Path) -> None:
    run = store.begin("smoke", "rtl")
    for result in (PASSED, FAILED, PASSED, FAILED):
        add(store, run, "a", result)
    assert store.newest(["key of a"])["key of a"].result == FAILED
    assert rows(tmp_path, "SELECT count(*) FROM results") == [(4,)]


def test_many_keys_at_once(store: Store) -> None:
    run = store.begin("smoke", "rtl")
    for i in range(50):
        add(store, run, f"{i}")
    asked = [f"key of {i}" for i in range(40_000)]
    assert len(store.newest(asked)) == 50


def test_the_last_good_run(store: Store) -> None:
    def run(suite: str, passed: bool | None, **results: Result) -> int:
        begun = store.begin(suite, f"rtl of {suite}")
        for name, result in results.items():
            add(store, begun, name, result, key=f"{begun} {name}")
        if passed is not None:
            store.end(begun, passed, {"jobs": len(results)})
        return begun

    good = run("smoke", True, a=PASSED, b=PASSED)
    believed = store.begin("smoke", "rtl 2")
    store.take(believed, {s.name: s.id for s in store.newest([f"{good} a", f"{good} b"]).values()})
    run("smoke", False, a=FAILED, b=PASSED)
    run("smoke", None, a=PASSED)
    run("full", True, c=PASSED)
    now = store.begin("smoke", "rtl 3")
    found = store.last_good("smoke", now)
    assert found is not None
    assert (found.id, found.rtl_hash, found.summary) == (good, "rtl of smoke", {"jobs": 2})
    assert found.ended >= found.started
    store.end(believed, True, {})
    found = store.last_good("smoke", now)
    assert found is not None
    assert found.id == believed
    assert {name: s.result for name, s in found.results.items()} == {"a": PASSED, "b": PASSED}
    assert store.last_good("smoke", good) is None
    assert store.last_good("none", now) is None


def test_the_newest_of_each_job_of_a_suite(store: Store) -> None:
    first = store.begin("smoke", "rtl")
    for name in "abc":
        add(store, first, name, FAILED)
    believed = add(store, store.begin("full", "rtl"), "b", PASSED)
    store.take(store.begin("smoke", "rtl"), {"b": believed})
    second = store.begin("smoke", "rtl")
    add(store, second, "a", PASSED)
    add(store, second, "d", Result(Verdict.DIED, 1))
    add(store, store.begin("full", "rtl"), "c", PASSED)
    found = {name: s.result.verdict.value for name, s in store.newest_of("smoke").items()}
    assert found == {"a": "passed", "b": "passed", "c": "failed", "d": "died"}
    assert store.newest_of("none") == {}


# Processes that are killed, and many at once

WRITER = """
import sys
from pathlib import Path
from sim.regress.store import Store
from sim.regress.job import Job, Result, Verdict
with Store.open(Path(sys.argv[1])) as store:
    run = store.begin("smoke", "rtl")
    for i in range(int(sys.argv[3])):
        name = f"{sys.argv[2]}.{i}"
        result = Result(Verdict.PASSED, 0, details={"bins": list(range(i, i + 500))})
        store.add(run, Job(name, "play", "mvau", {}), name, result, "rtl", {})
        print(name, flush=True)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def check_whole(folder: Path, acknowledged: list[str]) -> None:
    assert acknowledged
    with Store.open(folder) as store:
        assert store.newest(acknowledged).keys() == set(acknowledged)
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]
    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]
    assert aside(folder) == []


def test_many_processes_add_at_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, f"w{i}", 40) for i in range(6)]
    acknowledged = []
    for one in writers:
        out, err = one.communicate(timeout=60)
        assert (one.returncode, err) == (0, "")
        acknowledged += out.split()
    assert len(acknowledged) == 240
    check_whole(tmp_path, acknowledged)


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)
    acknowledged = []
    for i in range(20):
        one = writer(tmp_path, f"w{i}", 10**9)
        assert one.stdout is not None
        assert one.stderr is not None
        acknowledged.append(one.stdout.readline().strip())
        time.sleep(rng.random() / 10)
        os.kill(one.pid, signal.SIGKILL)
        # A line that the kill cut off was acknowledged to nobody.
        acknowledged += [line.strip() for line in one.stdout if line.endswith("\n")]
        one.wait()
        one.stdout.close()
        one.stderr.close()
    assert len(acknowledged) > 40
    check_whole(tmp_path, acknowledged)


# Damage


def filled(folder: Path, count: int = 200) -> Path:
    with Store.open(folder) as store:
        run = store.begin("smoke", "rtl")
        for i in range(count):
            bins = random.Random(i).sample(range(10**6), 400)
            add(store, run, f"{i}", Result(Verdict.PASSED, 0, details={"bins": bins}))
    return folder / NAME


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def stub(path: Path) -> None:
    os.truncate(path, 50)


def text(path: Path) -> None:
    path.write_text("not a database at all\n" * 1000, encoding="utf-8")


def no_header(path: Path) -> None:
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


def tree(path: Path) -> None:
    """Overwrite the inner page of the results' tree."""
    ((root,),) = rows(path.parent, "SELECT rootpage FROM sqlite_master WHERE name = 'results'")
    overwrite(path, (root - 1) * 4096, 4096)


def column(path: Path) -> None:
    """Rename a column: the schema is still legal."""
    replace(path, b"seed INTEGER", b"reed INTEGER")


def words(path: Path) -> None:
    """Make SQLite quote a name that is no text."""
    replace(path, b"by_key ON results", b"by_key ON resul\xffs")


def replace(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def overwrite(path: Path, start: int, length: int) -> None:
    data = bytearray(path.read_bytes())
    data[start : start + length] = random.Random(3).randbytes(length)
    path.write_bytes(data)


def of_the_past(path: Path) -> None:
    write(path.parent, "DROP TABLE taken")
    write(path.parent, "PRAGMA user_version = 1")


@pytest.mark.parametrize(
    "damage", [of_the_past, truncated, stub, text, no_header, tree, column, words]
)
def test_a_damaged_file_is_set_aside(
    damage: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = filled(tmp_path)
    damage(path)
    found = path.read_bytes()
    with Store.open(tmp_path) as store:
        assert store.newest(["key of 1"]) == {}
        add(store, store.begin("smoke", "rtl"), "1")
        assert len(store.newest(["key of 1"])) == 1
    (kept,) = aside(tmp_path)
    assert kept.read_bytes() == found
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert str(path) in err
    assert str(kept) in err
    with Store.open(tmp_path) as store:
        assert len(store.newest(["key of 1"])) == 1
    assert capsys.readouterr().err == ""


def test_what_is_set_aside_keeps_its_log(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as other:  # no store: it takes no lock
        other.execute("SELECT count(*) FROM results").fetchone()
        column(path)
        Store.open(tmp_path).close()
        (kept,) = aside(tmp_path)
        assert {file.name for file in tmp_path.iterdir()} == {
            NAME, "results.lock", kept.name, f"{kept.name}-wal", f"{kept.name}-shm"
        }  # fmt: skip


def test_random_bytes_are_never_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever they hit: the file is set aside, or the results that they hit do not count."""
    path = filled(tmp_path / "whole")
    with Store.open(tmp_path / "whole") as store:
        right = store.newest(f"key of {i}" for i in range(200))
    size, rng, lost, set_aside = path.stat().st_size, random.Random(4), 0, 0
    for i in range(40):
        folder = tmp_path / f"{i}"
        folder.mkdir()
        shutil.copy(path, folder / NAME)
        start = rng.randrange(4096, size - 16)
        overwrite(folder / NAME, start if i % 2 else start // 4096 * 4096, 16)
        with Store.open(folder) as store:
            try:
                found = store.newest(right)
            except InputError:  # found while it is read, in one sentence: nothing is believed
                continue
            for key, stored in found.items():
                assert stored == right[key]
                assert dict(stored.result.details) == dict(right[key].result.details)
        said = capsys.readouterr().err
        assert (len(found) == len(right)) or "damaged" in said
        lost += 0 < len(found) < len(right)
        set_aside += len(aside(folder))
    assert lost > 5
    assert set_aside > 1


def test_a_damaged_result_does_not_bring_an_older_one_back(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run = store.begin("smoke", "rtl")
        add(store, run, "a", PASSED)
        add(store, run, "a", FAILED)
    write(tmp_path, "UPDATE results SET verdict = 'passed' WHERE verdict = 'failed'")
    with Store.open(tmp_path) as store:
        assert store.newest(["key of a"]) == {}


def test_nor_does_a_damaged_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(tmp_path) as store:
        run = store.begin("smoke", "rtl")
        ids = [add(store, run, name) for name in "bca"]
        ids.append(add(store, run, "a", FAILED))
    assert ids == [1, 2, 3, 4]
    replace(tmp_path / NAME, b"key of a\x04", b"key of a\x02")
    with Store.open(tmp_path) as store:
        assert store.newest(["key of a"]) == {}
    assert "wrong # of entries" in capsys.readouterr().err or aside(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE runs SET summary = '{' WHERE id = 3",
        "UPDATE runs SET started = 'today' WHERE id = 3",
        "UPDATE runs SET suite = 'smoky' WHERE id = 3",
        "UPDATE runs SET suite = 'smoke' WHERE id = 4",
        "UPDATE runs SET passed = 0 WHERE id = 3",
        "UPDATE runs SET passed = 1 WHERE id = 5",
        "UPDATE runs SET passed = 1 WHERE id = 6",
        "UPDATE runs SET checksum = 0 WHERE id = 3",
        "UPDATE taken SET name = 'c' WHERE run = 3 AND name = 'b'",
        "UPDATE taken SET name = x'00' WHERE run = 3 AND name = 'b'",
        "UPDATE taken SET result = 2 WHERE run = 3 AND name = 'b'",
        "UPDATE taken SET result = 99 WHERE run = 3 AND name = 'b'",
        "DELETE FROM taken WHERE run = 3 AND name = 'b'",
        "DELETE FROM taken WHERE run = 3",
        "UPDATE results SET counts = '{}' WHERE id = 6",
    ],
)
def test_a_damaged_run_is_not_the_last_good_one(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(tmp_path) as store:
        ends = [("smoke", True), ("full", True), ("smoke", True), ("full", True),
                ("smoke", False), ("smoke", None)]  # fmt: skip
        for suite, passed in ends:
            run = store.begin(suite, "rtl")
            for name in "ab":
                add(store, run, name)
            if passed is not None:
                store.end(run, passed, {"seed": run})
        assert run == 6
        assert good(store) == {"smoke": 3, "full": 4}
    write(tmp_path, damage)
    with Store.open(tmp_path) as store:
        due = {"smoke": 3, "full": 2} if "id = 4" in damage else {"smoke": 1, "full": 4}
        if "passed = 1" in damage:
            due = {"smoke": 3, "full": 4}
        assert good(store) == due
        assert good(store) == due
        assert store.newest_of("smoke").keys() >= {"a"}
    *others, said = capsys.readouterr().err.splitlines()
    assert said == f"a2q: 1 runs in {tmp_path / NAME} are damaged and do not count"
    assert len(others) == ("results" in damage)


def good(store: Store) -> dict[str, int]:
    """Return the last good run of each suite; its summary tells its id."""
    runs = [run for suite in ("smoke", "full") if (run := store.last_good(suite, 99))]
    assert all(run.id == run.summary["seed"] and run.results.keys() == set("ab") for run in runs)
    return {run.suite: run.id for run in runs}


@pytest.mark.parametrize(
    "damage",
    ["UPDATE runs SET suite = 'full'", "UPDATE taken SET name = 'b'", "DELETE FROM taken"],
)
def test_the_end_of_a_run_does_not_make_damage_right(
    damage: str, store: Store, tmp_path: Path
) -> None:
    run = store.begin("smoke", "rtl")
    add(store, run, "a")
    write(tmp_path, damage)
    store.end(run, True, {})
    assert store.last_good("full", run + 1) is None
    found = store.last_good("smoke", run + 1)
    assert (found and found.results.keys()) == ({"a"} if "runs" in damage else None)


@pytest.mark.parametrize("part", ["", "-wal"])
def test_flipped_bytes_are_never_believed(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the first page, which says what all else is, and of the log that a killed run leaves."""
    keys, good, place = [], {}, tmp_path / "place"
    with Store.open(tmp_path / "ended") as store:
        for _ in range(8):
            run = store.begin("smoke", "rtl")
            for name in "abcdef":
                keys.append(f"{run} {name}")
                add(store, run, name, key=keys[-1])
            store.end(run, True, {"run": run})
            good[run] = store.last_good("smoke", run + 1)
        right = store.newest(keys)
        shutil.copytree(tmp_path / "ended", tmp_path / "killed")
    rng, kept, lost, refused = random.Random(5), 0, 0, []
    for _ in range(200):
        shutil.copytree(tmp_path / ("killed" if part else "ended"), place)
        data = bytearray((place / f"{NAME}{part}").read_bytes())
        data[rng.randrange(len(data) if part else 4096)] ^= rng.randrange(1, 256)
        (place / f"{NAME}{part}").write_bytes(data)
        try:
            with Store.open(place) as store:
                found, last = store.newest(keys), store.last_good("smoke", 99)
                again = store.begin("smoke", "rtl")
                add(store, again, "a")
                store.end(again, True, {"run": again})
                now = store.last_good("smoke", again + 1)
        except InputError as error:
            refused.append(str(error))
        else:
            said = capsys.readouterr().err
            assert found.items() <= right.items()
            assert last is None or last == good[last.id]
            assert now is not None
            assert now.id == again
            assert part or (found, last) == (right, good[8]) or "set aside" in said
            kept += bool(found)
            lost += found != right
        shutil.rmtree(place)
    assert kept > 20
    assert lost > 20
    assert all(each.endswith(("got another database", ": move it away")) for each in refused)


def test_a_damaged_file_that_others_have_open_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.regress.store._REPAIR_S", 0.1)
    with Store.open(tmp_path):
        text(tmp_path / NAME)
        with pytest.raises(InputError, match=r"is damaged .*: a run that has it alone sets it"):
            Store.open(tmp_path)
        assert aside(tmp_path) == []
        text(tmp_path / NAME)


def test_a_file_that_others_have_open_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.regress.store._REPAIR_S", 0.1)
    with Store.open(tmp_path):
        (tmp_path / NAME).unlink()
        with pytest.raises(InputError, match=r"is damaged \(removed\)"):
            Store.open(tmp_path)
    Store.open(tmp_path).close()


def test_an_empty_file_is_a_new_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / NAME).touch()
    with Store.open(tmp_path) as store:
        add(store, store.begin("smoke", "rtl"), "a")
        assert len(store.newest(["key of a"])) == 1
    assert (aside(tmp_path), capsys.readouterr().err) == ([], "")


# What is refused, as it stands


def of_another(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE mine (x)")
    database.close()


def of_the_future(path: Path) -> None:
    Store.open(path.parent).close()
    write(path.parent, "PRAGMA user_version = 3")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (of_another, r"must be a store of results, got another database$"),
        (of_the_future, r"must be of version 2 or older, got 3: move it away$"),
    ],
)
def test_what_is_not_ours_is_left_alone(
    make: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / NAME
    make(path)
    found = path.read_bytes() if path.is_file() else b""
    with pytest.raises(InputError, match=sentence) as caught:
        Store.open(tmp_path)
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == found
    assert aside(tmp_path) == []


def loop(path: Path) -> None:
    path.symlink_to(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(path.parent):
        one.bind(path.name)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, bound, loop])
@pytest.mark.parametrize("name", ["results.lock", NAME, f"{NAME}-wal", f"{NAME}-shm"])
def test_what_is_no_file(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=f"^{path} must be a regular file$"):
        Store.open(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_impossible_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"no results can be kept in .*file/regress: Not a dir"):
        Store.open(tmp_path / "file" / "regress")


def test_a_full_disk_leaves_the_store_as_it_was(store: Store, tmp_path: Path) -> None:
    run = store.begin("smoke", "rtl")
    add(store, run, "small")
    ((pages,),) = rows(tmp_path, "PRAGMA page_count")
    store._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    big = Result(Verdict.FAILED, 0, report="".join(map(str, range(50_000))))
    with pytest.raises(InputError, match=r"^no results can be kept in .*sqlite: database or disk"):
        add(store, run, "big", big)
    assert store.newest(["key of small", "key of big"]).keys() == {"key of small"}
    store._database.execute("PRAGMA max_page_count = 1000000")
    add(store, run, "big", big)
    assert store.newest(["key of big"])["key of big"].result == big
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


READER = """
import os, sys
from pathlib import Path
from golden.integer import InputError
from sim.regress.store import Store
if os.geteuid() == 0:
    os.setuid(65534)
try:
    Store.open(Path(sys.argv[1]))
except InputError as error:
    print(error)
"""


def test_a_folder_that_can_only_be_read() -> None:
    # Not below the folders of other tests, which none but their user may enter.
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "regress"
        filled(folder, 3)
        found = (folder / NAME).read_bytes()
        Path(place).chmod(0o755)
        (folder / NAME).chmod(0o444)
        folder.chmod(0o555)
        (folder / "results.lock").chmod(0o444)
        command = [sys.executable, "-c", READER, str(folder)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        folder.chmod(0o755)
        assert said == f"no results can be kept in {folder}/results.lock: Permission denied\n"
        assert (folder / NAME).read_bytes() == found


def test_a_store_that_can_only_be_read_from_now_on(store: Store) -> None:
    run = store.begin("smoke", "rtl")
    add(store, run, "a")
    store._database.execute("PRAGMA query_only = 1")
    with pytest.raises(InputError, match=r"attempt to write a readonly database$"):
        add(store, run, "b")
    assert store.newest(["key of a", "key of b"]).keys() == {"key of a"}
