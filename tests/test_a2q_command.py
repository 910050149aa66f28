"""Arguments are refused before any work, and every end has its status and its one line."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from a2q_ref import command
from a2q_ref.pool import WorkerError
from golden.integer import InputError


class TestWhole:
    def test_takes_ten_digits(self) -> None:
        assert command.whole(0, 9)("0000000007") == 7

    @pytest.mark.parametrize(
        "text", ["", "-1", "+1", "1.0", " 1", "1_0", "11", "00000000001", "9" * 5000, "٣", "²"]
    )
    def test_refuses(self, text: str) -> None:
        with pytest.raises(argparse.ArgumentTypeError, match=r"^must be 0 to 10, got '"):
            command.whole(0, 10)(text)


class TestPaths:
    def test_a_folder_is_there_or_can_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path)
        for path in (tmp_path, tmp_path / "new" / "deep", tmp_path / "link" / "new"):
            assert command.folder(str(path)) == path
        assert [path.name for path in tmp_path.iterdir()] == ["link"]

    @pytest.mark.parametrize("below", [".", "new"])
    @pytest.mark.parametrize("name", ["file", "dangling", "locked"])
    def test_refuses_a_folder(
        self, name: str, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock(tmp_path / "locked", monkeypatch)
        (tmp_path / "file").touch()
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        with pytest.raises(argparse.ArgumentTypeError, match="must be a folder that can be wri"):
            command.folder(str(tmp_path / name / below))

    def test_a_file_is_what_a_link_points_to(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for name in ("file", "new"):
            link = tmp_path / f"to {name}"
            link.symlink_to(name)
            assert command.file(str(link)) == command.file(str(tmp_path / name)) == tmp_path / name

    @pytest.mark.parametrize("name", [".", "no/file", "locked/file", "pipe"])
    def test_refuses_a_file(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock(tmp_path / "locked", monkeypatch)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(argparse.ArgumentTypeError, match="must be a regular file that can be"):
            command.file(str(tmp_path / name))


def lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder that nobody can write, not even root."""
    folder.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)


def failure(cause: Exception | None) -> WorkerError:
    error = WorkerError("task failed")
    error.__cause__ = cause
    return error


class TestRun:
    @pytest.mark.parametrize(
        ("error", "status", "line"),
        [
            (InputError("no such width"), 2, "no such width"),
            (FileNotFoundError(2, "No such file", "x"), 2, "[Errno 2] No such file: 'x'"),
            (failure(None), 1, "task failed"),
            (failure(ValueError("oh")), 1, "task failed"),
            (failure(InputError("oh")), 2, "task failed"),
            (failure(OSError("oh")), 2, "task failed"),
            (KeyboardInterrupt(), 130, "stopped; all is kept"),
        ],
        ids=repr,
    )
    def test_every_end_has_its_status_and_its_line(
        self,
        error: BaseException,
        status: int,
        line: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def work() -> None:
            raise error

        assert command.run("a2q", work, "all is kept") == status
        assert capsys.readouterr() == ("", f"a2q: {line}\n")

    def test_a_good_end_says_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.run("a2q", lambda: None, "all is kept") == 0
        assert capsys.readouterr() == ("", "")
