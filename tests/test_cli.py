"""Bad input ends in one sentence on stderr and status 2, before anything is built or written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from golden.integer import Format
from golden.layer import LabelledInputs, QuantLayer
from sim import cli, plan, run
from sim.paths import ROOT

Capture = pytest.CaptureFixture[str]
INPUTS = Format(4, signed=False)
LAYER = QuantLayer(np.array([[1, -2, 3, 4], [5, 6, 7, -8]]), weight_bits=4, inputs=INPUTS)
IMAGES = LabelledInputs(np.array([[1, 2, 3, 4]]), np.array([0]), INPUTS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with layers of its own, where nothing may be built."""
    shipped = tmp_path / "shipped"
    QuantLayer(LAYER.weights, 4, INPUTS, trained_acc_bits=10).save(shipped / "a2q-p10.npz")
    LAYER.save(shipped / "unconstrained.npz")
    IMAGES.save(shipped / "test-images.npz")
    for name in ("shipped_layers", "shipped_images"):
        monkeypatch.setattr(plan, name, partial(getattr(plan, name), folder=shipped))
    monkeypatch.setattr(run, "build", lambda *arguments: pytest.fail("a build was started"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capfd: Capture, arguments: list[str], message: str) -> None:
    """The command ends with status 2 and exactly one line, that says ``message``."""
    assert cli.main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"a2q: {message}"), err
    assert err.endswith("\n")
    assert err.count("\n") == 1


def test_good_input_comes_as_far_as_the_build() -> None:
    """If this did not get there, no other test of this file would mean anything."""
    LAYER.save(Path("mine.npz"))
    IMAGES.save(Path("images.npz"))
    mine = ["--layer", "mine.npz", "--inputs", "images.npz", "--pe", "2", "--simd", "4"]
    how = ["--overflow", "saturate", "--stall", "input=every-3", "--seed", "0", "--json", "v.json"]
    for arguments in ([], mine, how, ["--acc", "64", *mine, *how]):
        with pytest.raises(pytest.fail.Exception, match="a build was started"):
            cli.main(["sim", *arguments])


SIM = {
    "ACC of 0": (["--acc", "0"], "ACC must be an integer from 2 to 64, got '0'"),
    "ACC of 1": (["--acc", "1"], "ACC must be an integer from 2 to 64, got '1'"),
    "ACC of 65": (["--acc", "65"], "ACC must be an integer from 2 to 64, got '65'"),
    "ACC in words": (["--acc", "abc"], "ACC must be an integer from 2 to 64, got 'abc'"),
    "ACC empty": (["--acc", ""], "ACC must be an integer from 2 to 64, got ''"),
    "ACC fractional": (["--acc", "1.5"], "ACC must be an integer from 2 to 64, got '1.5'"),
    "ACC negative": (["--acc", "-3"], "ACC must be an integer from 2 to 64, got '-3'"),
    "ACC with a space": (["--acc", " 16"], "ACC must be an integer from 2 to 64, got ' 16'"),
    "ACC with a line": (["--acc", "16\n"], "ACC must be an integer from 2 to 64, got '16\\n'"),
    "ACC hexadecimal": (["--acc", "0x10"], "ACC must be an integer from 2 to 64, got '0x10'"),
    "ACC full-width": (["--acc", "\uff11\uff16"], "ACC must be an integer from 2 to 64, got"),
    "ACC superscript": (["--acc", "\u00b2"], "ACC must be an integer from 2 to 64, got"),
    "ACC of 5000 digits": (["--acc", "9" * 5000], "ACC must be an integer from 2 to 64, got"),
    "ACC without value": (["--acc"], "argument --acc: expected one argument"),
    "ACC below the trained layers": (["--acc", "9"], "ACC must be at least 10, where the trained"),
    "UNITS unknown": (["--units", "mac,pe"], "UNITS must be some of mac, mvau, unrolled, got"),
    "UNITS twice": (["--units", "mac,mac"], "UNITS must be some of mac, mvau, unrolled, got"),
    "UNITS empty": (["--units", ""], "UNITS must be some of mac, mvau, unrolled, got ''"),
    "UNITS folded": (["--units", "unrolled", "--pe", "1"], "an unrolled must have PE=MH=2"),
    "UNITS that has no weights to stall": (
        ["--units", "unrolled", "--stall", "weight=every-2"],
        "stalls must be on input, output",
    ),
    "PE of 0": (["--pe", "0"], "PE must be an integer from 1 to 65536, got '0'"),
    "PE empty": (["--pe", ""], "PE must be an integer"),
    "PE in words": (["--pe", "two"], "PE must be an integer from 1 to 65536, got 'two'"),
    "PE that does not divide": (["--pe", "3"], "PE must divide MH, got PE=3 MH=2"),
    "SIMD of 0": (["--simd", "0"], "SIMD must be an integer from 1 to 65536, got '0'"),
    "SIMD that does not divide": (["--simd", "3"], "SIMD must divide MW, got SIMD=3 MW=4"),
    "SEED negative": (["--seed=-1"], "SEED must be an integer from 0 to 2147483647, got '-1'"),
    "SEED too high": (["--seed", "2147483648"], "SEED must be an integer from 0 to 2147483647"),
    "SEED in words": (["--seed", "x"], "SEED must be an integer from 0 to 2147483647, got 'x'"),
    "OVERFLOW unknown": (["--overflow", "clip"], "OVERFLOW must be wrap or saturate, got 'clip'"),
    "OVERFLOW empty": (["--overflow", ""], "OVERFLOW must be wrap or saturate, got ''"),
    "OVERFLOW in capitals": (["--overflow", "WRAP"], "OVERFLOW must be wrap or saturate"),
    "STALL without pattern": (["--stall", "input"], "STALL must be STREAM=PATTERN"),
    "STALL with an empty pattern": (["--stall", "input="], "a stall pattern must be never"),
    "STALL unknown pattern": (["--stall", "input=often"], "a stall pattern must be never"),
    "STALL unknown stream": (["--stall", "clk=never"], "STALL must be STREAM=PATTERN with input"),
    "STALL twice": (
        ["--stall", "input=never,input=every-2"],
        "STALL must be STREAM=PATTERN with input, weight, output, each",
    ),
    "STALL half wrong": (["--stall", "input=never,output"], "STALL must be STREAM=PATTERN"),
    "SIM unknown": (["--sim", "modelsim"], "SIM must be verilator or icarus, got 'modelsim'"),
    "SIM empty": (["--sim", ""], "SIM must be verilator or icarus, got ''"),
    "INPUTS without LAYER": (["--inputs", "x.npz"], "INPUTS must come with a LAYER"),
    "LAYER missing": (["--layer", "none.npz"], "none.npz must be an a2q-layer file, but there is"),
    "LAYER a folder": (["--layer", "."], ". must be an a2q-layer file, but there is no such file"),
    "LAYER with a long name": (["--layer", "x" * 300], "x"),
    "unknown option": (["--depth", "3"], "unrecognized arguments: --depth 3"),
    "one word too many": (["16"], "unrecognized arguments: 16"),
}


@pytest.mark.parametrize(("arguments", "message"), SIM.values(), ids=SIM.keys())
def test_sim_refuses(here: Path, capfd: Capture, arguments: list[str], message: str) -> None:
    refused(capfd, ["sim", *arguments, "--json", "verdict.json"], message)
    assert [path.name for path in here.iterdir()] == ["shipped"]


@pytest.mark.parametrize("name", ["none/verdict.json", "shipped", "", "file/verdict.json"])
def test_sim_refuses_json_where_it_can_not_be_written(capfd: Capture, name: str) -> None:
    Path("file").touch()
    refused(capfd, ["sim", "--json", name], "JSON must be a regular file that can be written, got ")


def test_sim_does_not_replace_a_device_by_its_verdict(capfd: Capture) -> None:
    refused(capfd, ["sim", "--json", "/dev/null"], "JSON must be a regular file")
    assert Path("/dev/null").is_char_device()


def test_what_the_disk_refuses_is_said_in_one_line(capfd: Capture, tmp_path: Path) -> None:
    name = "x" * 300
    refused(capfd, ["sim", "--json", name], f"{tmp_path.resolve() / name}: File name too long")


def test_a_build_folder_that_can_not_be_made(
    capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "build")

    monkeypatch.setattr(run, "build", build)
    assert cli.main(["sim"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == "a2q: build: Permission denied"


def damaged(change: Callable[[bytes], bytes]) -> None:
    LAYER.save(Path("bad.npz"))
    Path("bad.npz").write_bytes(change(Path("bad.npz").read_bytes()))


def test_sim_refuses_a_truncated_layer(capfd: Capture) -> None:
    for keep in (0, 1, 100, -1):
        damaged(lambda whole, keep=keep: whole[:keep])
        refused(capfd, ["sim", "--layer", "bad.npz"], "bad.npz must be an a2q-layer file, but ")


def test_sim_refuses_a_layer_of_another_format(capfd: Capture) -> None:
    IMAGES.save(Path("bad.npz"))
    refused(capfd, ["sim", "--layer", "bad.npz"], "bad.npz must be an a2q-layer file, but its head")


def test_sim_refuses_a_layer_out_of_range(capfd: Capture) -> None:
    LAYER.save(Path("bad.npz"))
    with np.load("bad.npz") as archive:
        arrays = dict(archive)
    np.savez("bad.npz", **(arrays | {"weights": arrays["weights"] * 2}))
    refused(capfd, ["sim", "--layer", "bad.npz"], "bad.npz: weights must fit signed 4-bit integers")


@pytest.mark.parametrize(
    "images",
    [
        LabelledInputs(np.ones((1, 3), int), np.array([0]), INPUTS),
        LabelledInputs(np.ones((1, 4), int), np.array([0]), Format(5, signed=False)),
        LabelledInputs(np.ones((1, 4), int), np.array([0]), Format(4, signed=True)),
    ],
    ids=["of another width", "of more bits", "with a sign"],
)
def test_sim_refuses_inputs_for_another_layer(capfd: Capture, images: LabelledInputs) -> None:
    LAYER.save(Path("mine.npz"))
    images.save(Path("images.npz"))
    refused(
        capfd,
        ["sim", "--layer", "mine.npz", "--inputs", "images.npz"],
        "inputs for mine must be 4 unsigned 4-bit integers, got ",
    )


def test_sim_refuses_inputs_that_are_none(capfd: Capture) -> None:
    LAYER.save(Path("mine.npz"))
    for name in ("none.npz", "mine.npz"):
        arguments = ["sim", "--layer", "mine.npz", "--inputs", name]
        refused(capfd, arguments, f"{name} must be an a2q-inputs file, but ")


def test_a_layer_file_of_any_name_is_played() -> None:
    for stem in ("a2q-p10", "[/b] of mine", "\u00fcber." + "x" * 200):
        LAYER.save(Path(f"{stem}.npz"))
        with pytest.raises(pytest.fail.Exception, match="a build was started"):
            cli.main(["sim", "--layer", f"{stem}.npz"])


@pytest.mark.parametrize("content", [None, "", "garbage", "{}", "[1]", '{"format": "a2q-case"}'])
def test_repro_refuses(capfd: Capture, content: str | None) -> None:
    if content is not None:
        Path("case.json").write_text(content, encoding="utf-8")
    refused(capfd, ["repro", "case.json"], "case.json must be ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "argument COMMAND: invalid choice: 'fly'"),
        ([""], "argument COMMAND: invalid choice: ''"),
        (["--fly"], "the following arguments are required: COMMAND"),
        (["repro"], "the following arguments are required: CASE"),
        (["repro", ""], "CASE must name a case.json, got nothing"),
        (["repro", "none.json", "--depth"], "unrecognized arguments: --depth"),
        (["lint", "mac"], "unrecognized arguments: mac"),
    ],
)
def test_refuses(capfd: Capture, arguments: list[str], message: str) -> None:
    refused(capfd, arguments, message)


def test_output_that_nobody_reads_is_one_sentence() -> None:
    command = [sys.executable, "-m", "sim.cli", "regress", "--suite", "nightly", "--list"]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == "a2q: nobody reads what it prints any more\n"
    process.stderr.close()
    assert process.wait() == 2


@pytest.mark.parametrize("arguments", [["--help"], ["sim", "--help"], ["repro", "-h"]])
def test_help(capfd: Capture, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    out, err = capfd.readouterr()
    assert out.startswith("usage: a2q")
    assert err == ""


def a2q(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    command = Path(sys.executable).with_name("a2q")
    return subprocess.run([command, *arguments], text=True, capture_output=True, check=False)


def test_the_installed_command() -> None:
    bad = a2q("sim", "--acc", "65", "--json", "verdict.json")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "a2q: ACC must be an integer from 2 to 64, got '65'\n"
    assert not Path("verdict.json").exists()
    assert a2q("sim", "--help").returncode == 0


@pytest.mark.parametrize(
    ("target", "variable"),
    [("sim", "NETWORK=mlp"), ("sim", "MW=8"), ("network", "SIM=icarus"), ("network", "PE=2"),
     ("sweep", "STALL=input=every-3"), ("sweep", "DUT=x.toml")],
)  # fmt: skip
def test_make_refuses_what_a_target_has_no_use_for(target: str, variable: str) -> None:
    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        stamps = ("-o", ".venv/light", "-o", ".venv/experiments")
        return subprocess.run(
            ["make", "-n", *stamps, target, *arguments],
            capture_output=True, text=True, check=False, cwd=ROOT,
            env={**os.environ, "MAKEFLAGS": ""},  # not what the tests themselves were called with
        )  # fmt: skip

    assert make().returncode == 0
    refused = make(variable)
    assert refused.returncode == 2
    assert f"make {target} takes no {variable.partition('=')[0]}." in refused.stderr


def test_make_knows_no_variable_that_is_misspelt() -> None:
    env = {**os.environ, "MAKEFLAGS": ""}
    command = ["make", "-n", "sim", "DTU=mine.toml"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    assert ran.returncode == 2
    assert "there is no variable DTU: make help lists them." in ran.stderr
