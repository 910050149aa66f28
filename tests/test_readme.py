"""The README shows what the commands print: its figures are computed again and compared."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from golden import bounds
from golden.layer import LabelledInputs, QuantLayer
from golden.mvau import matvec
from sim.paths import LAYERS, ROOT
from sim.tools import simulator

RESULTS = ROOT / "a2q_ref" / "experiments" / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def layer_table() -> str:
    """Return the table of the shipped layers as the README has it."""
    images = LabelledInputs.load(LAYERS / "test-images.npz")
    lines = [
        "| trained for | L1 bound | largest L1 norm | smallest safe P | sparsity | accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for name in [*(f"a2q-p{p}" for p in range(10, 25)), "unconstrained"]:
        layer = QuantLayer.load(LAYERS / f"{name}.npz")
        p = layer.trained_acc_bits
        bound = f"{float(bounds.a2q_max_l1_norm(p, layer.inputs)):.3f}" if p else "none"
        scores = layer.scores(matvec(layer.weights, images.values))
        lines.append(
            f"| {f'P={p}' if p else name} | {bound} | {bounds.l1_norm(layer.weights).max()} "
            f"| {bounds.layer_bits(layer.weights, layer.inputs)} "
            f"| {(layer.weights == 0).mean():.1%} | {images.accuracy(scores):.1%} |"
        )
    return "\n".join(lines)


def test_table_of_layers_is_what_the_files_say() -> None:
    assert layer_table() in README


def accuracies(study: str) -> dict[tuple[str, int], str]:
    """Return the accuracy of each series at each P, as an experiment wrote it."""
    text = (RESULTS / f"{study}.csv").read_text(encoding="utf-8")
    return {
        (row["series"], int(row["P"])): f"{float(row['accuracy_mean']):.1%}"
        for row in csv.DictReader(text.splitlines())
    }


def accuracy_table() -> str:
    """Return the table of accuracies as the README has it, from the experiments' own files."""
    lines = ["| P | ordinary, wraps | ordinary, saturates | A2Q | A2Q+ |", "|---|---|---|---|---|"]
    measured = accuracies("overflow") | accuracies("a2q-plus")
    for p in range(20, 9, -1):
        cells = (measured[series, p] for series in ("wrap", "saturate", "A2Q", "A2Q+"))
        lines.append(f"| {p} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_table_of_accuracies_is_what_the_experiments_wrote() -> None:
    overflow, plus = accuracies("overflow"), accuracies("a2q-plus")
    in_both = overflow.keys() & plus.keys()
    assert {series for series, _ in in_both} == {"A2Q"}
    assert all(overflow[place] == plus[place] for place in in_both)
    assert accuracy_table() in README


def printed_by(*command: str, folder: Path = ROOT) -> list[str]:
    """Return the lines that Python prints, run as a user would."""
    ran = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "A2Q_BUILD"},
    )  # fmt: skip
    return [line.rstrip() for line in ran.stdout.rstrip().splitlines()]


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def example(says: str) -> str:
    """Return the one example that has this in it."""
    (found,) = [example for example in EXAMPLES if says in example]
    return found


def test_example_of_a_layer_runs(tmp_path: Path) -> None:
    (bits,) = printed_by("-c", example("LabelledInputs("), folder=tmp_path)
    layer = QuantLayer.load(tmp_path / "build" / "my.npz")
    assert int(bits) == bounds.layer_bits(layer.weights, layer.inputs)


@pytest.mark.sim
def test_example_of_the_batch_engine_runs(tmp_path: Path) -> None:
    printed = printed_by("-c", example("batch.load("), folder=tmp_path)
    shown = re.findall(r"print\(.*\)  # (.*)", example("batch.load("))
    assert printed == shown


@pytest.mark.sim
def test_example_of_verilog_of_ones_own_runs(tmp_path: Path) -> None:
    printed = printed_by("-c", example("batch.smallest("), folder=tmp_path)
    shown = re.findall(r"print\(.*\)  # (.*)", example("batch.smallest("))
    assert printed[: len(shown)] == shown
    assert printed[len(shown)].startswith("MISMATCH  overflow bit of output row ")


@pytest.mark.torch
def test_example_of_training_runs(tmp_path: Path) -> None:
    loss, *rest = printed_by("-c", example("quantize("), folder=tmp_path)
    assert loss.startswith("loss 0.")
    assert rest == ["(16, 15)", "()"]
    layer = QuantLayer.load(tmp_path / "build" / "conv.npz")
    assert bounds.layer_bits(layer.weights, layer.inputs) <= layer.trained_acc_bits


def test_all_examples_are_run() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.sim
@pytest.mark.parametrize(
    ("command", "introduction"),
    [
        (["sim", "--acc", "16", "--seed", "1"], r"ends\s+with:"),
        (["sweep", "--acc", "8..24"], r"through each:"),
        (["network", "--acc", "12"], r"with the golden model:"),
        (
            ["sim", "--acc", "16", "--dut", "tests/foreign/finn_mvu.toml"],
            r"after them the main job:",
        ),
    ],
    ids=["sim", "sweep", "network", "dut"],
)
def test_output_is_what_the_command_prints(command: list[str], introduction: str) -> None:
    shown = re.search(rf"{introduction}\n\n```\n(.*?)\n```", README, re.DOTALL)[1]
    assert lasting(printed_by("-m", "sim.cli", *command)) == lasting(shown.splitlines())


@pytest.mark.sim
def test_what_is_proved_is_what_the_readme_says() -> None:
    shown = re.search(r"believed\s+the\s+next\s+time\.\n\n```\n(.*?)\n```", README, re.DOTALL)[1]

    def said(text: str) -> list[str]:
        """Without versions and seconds; where lines are folded depends on how long it took."""
        text = re.sub(r"; Yosys [\w. ()]+; .*", "", text)
        return re.sub(r"(?m) +\d+\.\d *$", "", text).split()

    assert said("\n".join(printed_by("-m", "sim.cli", "prove", "--acc", "16"))) == said(shown)


def lasting(lines: list[str]) -> list[str]:
    """Return lines without what differs from machine to machine: speed, a version, hashes."""
    text = re.sub(r"Verilator [\w. ()]+", simulator("verilator").version, "\n".join(lines))
    text = re.sub(r"[\d,]+ frames a second in this", "# frames a second in this", text)
    return re.sub(r"-[0-9a-f]{16}\b", "-#", text).splitlines()


def test_the_description_of_a_foreign_unit_is_the_one_that_is_played() -> None:
    shown = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    assert shown == (ROOT / "tests" / "foreign" / "finn_mvu.toml").read_text(encoding="utf-8")


def test_files_that_the_docs_name_exist() -> None:
    of_ours = r"`((?:rtl|tb|golden|a2q_ref|sim|formal|tests)/[\w./]+\w)`"
    named = set(re.findall(of_ours, README))
    for document in ("ARCHITECTURE.md", "CONTRIBUTING.md", "formal/PROOFS.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        named |= set(re.findall(of_ours, text))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_targets_and_variables_that_the_readme_uses_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make (\w+)((?: \w+=\S+)*)", README, re.MULTILINE):
        target, variables = command
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for variable in re.findall(r" ([A-Z]+)=", variables):
            assert re.search(rf"^{variable} +\?=", makefile, re.MULTILINE), variable


def test_the_table_of_how_far_proofs_go_is_what_was_measured() -> None:
    text = (ROOT / "formal" / "PROOFS.md").read_text(encoding="utf-8")
    with (ROOT / "formal" / "scaling.csv").open(encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    assert len(rows) > 20
    assert f"<!-- formal/scaling.csv -->\n{table}\n<!-- end -->" in text
