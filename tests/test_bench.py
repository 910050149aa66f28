"""The benchmark of the quantizers runs, names all it measured, and refuses what makes no sense.

What it measures is no test: the times of a shared machine prove nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from a2q_ref import bench
from a2q_ref.bench import PLAIN, Case, Setting
from a2q_ref.scheme import Method, Scheme
from sim import cli

pytestmark = pytest.mark.torch

TINY = (
    Case((6, 8)),
    Case((4, 2, 3, 3)),
    Case((6, 8), (3, 8)),
    Case((4, 2, 3, 3), (1, 2, 5, 5)),
)
EAGER = Setting("cpu", 1, compiled=False)
OURS = [PLAIN, "ours, baseline", "ours, A2Q P=16", "ours, A2Q P=20", "ours, A2Q+ P=16"]
BREVITAS = ["Brevitas, plain", "Brevitas, A2Q P=16", "Brevitas, A2Q+ P=16"]

needs_brevitas = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning:.*brevitas"),
]
WITHOUT_AND_WITH = [
    pytest.param(False, id="without Brevitas"),
    pytest.param(True, id="with Brevitas", marks=needs_brevitas),
]


@pytest.fixture
def names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All contestants; the parameter says whether Brevitas is installed."""
    if not request.param:
        monkeypatch.setattr(bench, "brevitas_is_there", lambda: False)
    monkeypatch.setattr(bench, "_BLOCK", 1e-6)
    return OURS + BREVITAS * request.param


@pytest.mark.parametrize("names", WITHOUT_AND_WITH, indirect=True)
def test_prints_and_writes_every_contestant_of_every_case(
    names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    assert bench.main(["--rounds", "1", "--eager", "--json", str(file)], TINY) == 0
    out = capsys.readouterr().out
    places = bench.settings(compiled=False)
    for name in names:
        lines = [line for line in out.splitlines() if line.startswith(f"{name} ")]
        assert len(lines) == len(places)
        assert all(len(line.removeprefix(name).split()) == 2 * len(TINY) for line in lines)
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    assert [result["contestant"] for result in results] == names * len(TINY) * len(places)
    assert all(result["microseconds"] > 0 and result["ratio"] > 0 for result in results)
    assert all(result["ratio"] == 1 for result in results if result["contestant"] == PLAIN)
    for who in ("ours", "Brevitas"):
        said = out.count(f": {who} / plain QAT: quantizer alone ")
        assert said == len(places) * any(name.startswith(who) for name in names)
    assert ("make bench-quantizers installs it" in out) == (names == OURS)


@pytest.mark.parametrize("names", WITHOUT_AND_WITH, indirect=True)
@pytest.mark.parametrize("case", TINY, ids=lambda case: case.name)
def test_gradients_are_finite(names: list[str], case: Case) -> None:
    steps = bench.steps(case, EAGER)
    assert list(steps) == names
    for name, step in steps.items():
        step()
        first = [gradient.clone() for gradient in gradients(step)]
        step()
        learns_scale = name != "Brevitas, plain"  # which reads it off the weights
        assert len(first) >= 1 + learns_scale
        assert first[0].any()
        for gradient, again in zip(first, gradients(step), strict=True):
            assert gradient.isfinite().all()
            assert gradient.equal(again)  # not on top of those of the step before


def gradients(step: bench.Step) -> list[torch.Tensor]:
    learned = [*step.weights.parameters(), *([] if step.x is None else [step.x])]
    return [parameter.grad for parameter in learned if parameter.grad is not None]


def result(contestant: str, ratio: float, case: Case = TINY[0]) -> bench.Result:
    return bench.Result(EAGER, case, contestant, 1.0, ratio)


def test_summary_spans_what_was_measured() -> None:
    results = [
        result(PLAIN, 1.0),
        result("ours, baseline", 0.8),
        result("ours, A2Q P=16", 1.1),
        result("ours, A2Q P=16", 1.3, TINY[2]),
        result("Brevitas, plain", 2.0),
    ]
    assert bench.summary(results) == [
        "cpu, 1 thread: ours / plain QAT: quantizer alone 0.80 to 1.10, layer step 1.30 to 1.30 "
        "(goal: at most 1.15)",
        "cpu, 1 thread: Brevitas / plain QAT: quantizer alone 2.00 to 2.00",
    ]


def test_ratios_are_of_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that gets slower from round to round changes no ratio."""
    monkeypatch.setattr(bench, "brevitas_is_there", lambda: False)
    calls: list[str] = []

    def seconds(step: bench.Step, repeats: int, setting: Setting) -> float:
        assert torch.get_num_threads() == setting.threads
        busy = 10.0 ** ((len(calls) - 3) // len(OURS))  # 3 to find the number of repeats
        calls.append("")
        return busy * (1.0 if isinstance(step.weights, bench.PlainQat) else 1.5)

    monkeypatch.setattr(bench, "_seconds", seconds)
    threads = torch.get_num_threads()
    results = bench.measure(TINY[0], Setting("cpu", threads + 1, False), 5, lambda: None)
    assert [r.ratio for r in results] == [1.0, 1.5, 1.5, 1.5, 1.5]
    assert results[0].microseconds == 1e8
    assert torch.get_num_threads() == threads


def test_medians_are_over_the_rounds_and_a_round_repeats_what_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    makers = {name: bench.contestants(True)[name] for name in OURS[:2]}
    monkeypatch.setattr(bench, "contestants", lambda compiled: makers)
    plain, ours = iter([4e-3, 2e-3, 3e-3, 1.0, 2.0, 6.0]), iter([6.0, 4.0, 6.0])
    repeated: list[int] = []
    ticks: list[str] = []

    def seconds(step: bench.Step, repeats: int, setting: Setting) -> float:
        repeated.append(repeats)
        return next(plain if isinstance(step.weights, bench.PlainQat) else ours)

    monkeypatch.setattr(bench, "_seconds", seconds)
    results = bench.measure(TINY[0], EAGER, 3, lambda: ticks.append(""))
    assert [(r.microseconds, r.ratio) for r in results] == [(2e6, 1.0), (6e6, 2.0)]
    assert repeated == [1] * 3 + [3] * 2 * 3  # 5 ms of steps that take 2 ms
    assert len(ticks) == 3


def test_nobody_always_comes_after_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "brevitas_is_there", lambda: False)
    ran: list[bench.Step] = []
    monkeypatch.setattr(bench, "_seconds", lambda step, *_: ran.append(step) or 1.0)
    bench.measure(TINY[0], EAGER, 4, lambda: None)
    rounds = [tuple(ran[first : first + len(OURS)]) for first in range(3, len(ran), len(OURS))]
    assert len(set(rounds)) == len(rounds) == 4
    assert len({frozenset(order) for order in rounds}) == 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_time_is_of_one_step_and_a_gpu_is_waited_for(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    clock = iter([10.0, 16.0])
    watch = SimpleNamespace(perf_counter=lambda: log.append("clock") or next(clock))
    monkeypatch.setattr(bench, "time", watch)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("wait"))
    assert bench._seconds(lambda: log.append("step"), 3, Setting(device, None, False)) == 2.0
    wait = ["wait"] * (device == "cuda")
    assert log == [*wait, "clock", "step", "step", "step", *wait, "clock"]


def test_settings_are_every_place_eager_and_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    places = ["cpu, 1 thread", "cpu, 3 threads", "cuda"]
    assert [setting.name for setting in bench.settings(compiled=False)] == places
    assert [setting.name for setting in bench.settings(compiled=True)] == [
        name for place in places for name in (place, f"{place}, compiled")
    ]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench.settings(compiled=False) == [EAGER]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_compiled_setting_compiles_whole_graphs(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, bool]] = []
    monkeypatch.setattr(torch, "compile", lambda f, **options: asked.append(options) or f)
    bench.steps(TINY[2], Setting("cpu", 1, compiled))
    assert asked == [{"fullgraph": True}] * len(OURS) * compiled


@pytest.mark.parametrize("names", WITHOUT_AND_WITH, indirect=True)
def test_every_contestant_is_what_it_is_called(names: list[str]) -> None:
    steps = bench.steps(TINY[0], EAGER)
    made = {name: steps[name].weights for name in names}
    assert isinstance(made[PLAIN], bench.PlainQat)
    assert [made[name].quantizer.scheme for name in OURS[1:]] == [
        Scheme(Method.BASELINE),
        Scheme(Method.A2Q, acc_bits=16),
        Scheme(Method.A2Q, acc_bits=20),
        Scheme(Method.A2Q_PLUS, acc_bits=16),
    ]
    for name, quantizer in zip(
        names[len(OURS) :],
        (
            "Int8WeightPerChannelFloat",
            "Int8AccumulatorAwareWeightQuant",
            "Int8AccumulatorAwareZeroCenterWeightQuant",
        ),
        strict=False,
    ):
        used = made[name].layer.weight_quant.quant_injector
        assert used.__name__ == quantizer
        assert name.endswith("plain") or used.accumulator_bit_width == 16
        assert made[name].layer.weight.equal(made[PLAIN].v)


def test_says_why_nothing_was_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *_: [result(PLAIN, 1.0)])
    monkeypatch.setattr(bench, "settings", lambda compiled: [] if compiled else [EAGER])
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert bench.main([], TINY) == 0
    assert "nothing was compiled: there is no no-such-compiler\n" in capsys.readouterr().out
    monkeypatch.setenv("CXX", "true")
    monkeypatch.setattr(bench.sysconfig, "get_path", lambda _: str(tmp_path))
    assert bench.main([], TINY) == 0
    assert (
        "nothing was compiled: there is no Python.h (apt-get install python3-dev)\n"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "argument --rounds: must be 1 to 1000000, got '0'"),
        (["--rounds", "x"], "argument --rounds: must be 1 to 1000000, got 'x'"),
        (["--json", "/dev/null"], "argument --json: must be a regular file that can be written"),
        (["--json", "none/x.json"], "argument --json: must be a regular file that can be written"),
        (["more"], "unrecognized arguments: more"),
        (["--eage"], "unrecognized arguments: --eage"),
    ],
)
def test_refuses(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(bench, "measure", lambda *_: pytest.fail("it went on"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["bench-quantizers", *arguments])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"a2q bench-quantizers: {message}")
    assert err.count("\n") == 1
