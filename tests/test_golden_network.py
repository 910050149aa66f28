"""A network of stages is what plain loops over its images say, at any width; its file is whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, example, find, given, settings
from hypothesis import strategies as st
from strategies import FAMILIES, formats, origins, seeds
from test_golden_files import Payload, loads_or_refuses, members, refused

from golden import mvau, network
from golden.bounds import worst_case_inputs
from golden.integer import Format, InputError, IntArray, Overflow, bits_for
from golden.layer import QuantLayer
from golden.network import Network, Shape, Stage, Window, run

# Windows


@st.composite
def windows(draw: st.DrawFn) -> Window:
    kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.integers(0, (kernel - 1) * dilation))
    return Window(kernel, draw(st.integers(1, 4)), padding, dilation)


def positions(window: Window, size: int) -> list[list[int]]:
    """Return where the taps of each position lie along a side, by trying one after the other."""
    starts = range(-window.padding, size + window.padding, window.stride)
    taps = [[start + tap * window.dilation for tap in range(window.kernel)] for start in starts]
    return [places for places in taps if places[-1] < size + window.padding]


def pixel(image: list[Any], y: int, x: int, channel: int) -> int:
    inside = 0 <= y < len(image) and 0 <= x < len(image[0])
    return image[y][x][channel] if inside else 0


@given(windows(), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_a_position_sees_what_lies_under_its_window(
    window: Window, height: int, width: int, channels: int
) -> None:
    images = np.arange(1, 2 * height * width * channels + 1).reshape(2, height, width, channels)
    rows, columns = (positions(window, size) for size in (height, width))
    if not rows or not columns:
        with pytest.raises(
            InputError, match=r"a window of \d+ pixels must fit the padded image, got"
        ):
            window.of(images)
        return
    seen = [
        [
            [[[[pixel(image, y, x, c) for c in range(channels)] for x in xs] for y in ys]
             for xs in columns]
            for ys in rows
        ]
        for image in images.tolist()
    ]  # fmt: skip
    assert (window.output_size(height), window.output_size(width)) == (len(rows), len(columns))
    assert window.of(images).tolist() == seen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "kernel must be 1 to 256, got 0"),
        ((257,), "kernel must be 1 to 256, got 257"),
        ((True,), "kernel must be 1 to 256, got True"),
        ((3.0,), r"kernel must be 1 to 256, got 3\.0"),
        ((3, 0), "stride must be 1 to 256, got 0"),
        ((3, 1, -1), "padding must be 0 to 256, got -1"),
        ((3, 1, 0, 0), "dilation must be 1 to 256, got 0"),
        ((3, 1, 3), "padding must be less than the 3 that the window reaches over, got 3"),
        ((3, 1, 5, 2), "padding must be less than the 5 that the window reaches over, got 5"),
    ],
)
def test_refuses_a_window(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Window(*arguments)


# Networks

BITS = Format(2, signed=False)


def layer(mh: int, mw: int, outputs: Format | None = BITS, **others: Any) -> QuantLayer:
    rng = np.random.default_rng(mh + mw)
    after: dict[str, Any] = {}
    if outputs is not None:
        thresholds = np.sort(rng.integers(-9, 9, (mh, 2**outputs.bits - 1)), axis=1)
        after = {"thresholds": thresholds, "outputs": outputs}
    given = {"weights": rng.integers(-8, 8, (mh, mw)), "weight_bits": 4, "inputs": BITS}
    return QuantLayer(**given | after | others)


CONV = Stage("conv", layer(3, 18), Window(3, padding=1))
DEPTHWISE = Stage("depthwise", layer(3, 4), Window(2, stride=2), depthwise=True)
SCORES = Stage("scores", layer(4, 12, None))
NETWORK = Network("tiny", 4, 5, 2, (CONV, DEPTHWISE, SCORES), {"by": "test"})


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Draw some stages of any kind with windows that fit, then one that leaves one position."""
    shape = height, width, channels = tuple(draw(st.integers(1, top)) for top in (5, 4, 3))
    inputs = draw(formats(max_bits=4))
    stages: list[Stage] = []
    for at in range(draw(st.integers(0, 2))):
        stage = draw(a_stage(f"stage_{at}", shape, inputs, draw(formats(max_bits=3))))
        shape, inputs = stage.output_shape(shape), stage.layer.outputs
        stages.append(stage)
    last = draw(a_stage("scores", shape, inputs, None, connected=True))
    return Network("drawn", height, width, channels, (*stages, last), draw(origins))


@st.composite
def a_stage(
    draw: st.DrawFn, name: str, shape: Shape, inputs: Format, outputs: Format | None,
    connected: bool = False,
) -> Stage:  # fmt: skip
    height, width, channels = shape
    fitting = windows().filter(
        lambda w: (
            w.reach <= min(height, width) + 2 * w.padding and not (inputs.bipolar and w.padding)
        )  # which have no zero to pad with
    )
    window = None if connected else draw(st.none() | fitting)
    depthwise = window is not None and draw(st.booleans())
    mh = channels if depthwise else draw(st.integers(1, 3))
    taps = height * width if window is None else window.kernel**2
    mw = taps if depthwise else taps * channels
    weight_bits = draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(seeds()))
    after: dict[str, Any] = {
        "multiplier": rng.integers(1, 16, mh), "bias": rng.integers(-16, 16, mh)
    }  # fmt: skip
    if outputs is not None:
        steps = rng.integers(-16, 32, (mh, 2**outputs.bits - 1))
        after = {"thresholds": np.sort(steps, axis=1), "outputs": outputs}
    half = 2 ** (weight_bits - 1)
    weights = rng.integers(-half, half, (mh, mw))
    layer = QuantLayer(weights, weight_bits, inputs, **after)
    return Stage(name, layer, window, depthwise)


@pytest.mark.parametrize(
    "kind",
    [
        lambda drawn: len(drawn.stages) == 3,
        lambda drawn: any(stage.depthwise and stage.layer.mh > 1 for stage in drawn.stages),
        lambda drawn: any(stage.window and stage.window.padding > 1 for stage in drawn.stages),
        lambda drawn: any(stage.window and stage.window.dilation > 1 for stage in drawn.stages),
        lambda drawn: any(stage.window and not stage.depthwise for stage in drawn.stages[1:]),
        lambda drawn: drawn.shapes[0][0] > 1 and drawn.stages[0].window.stride > 1,
    ],
    ids=["three-stages", "depthwise", "padding", "dilation", "second-convolution", "stride"],
)
def test_every_kind_of_network_is_drawn(kind: Callable[[Network], bool]) -> None:
    enough = settings(phases=[Phase.generate], max_examples=1000, derandomize=True)
    find(networks(), kind, settings=enough)


def images_for(drawn: Network, seed: int) -> IntArray:
    rng = np.random.default_rng(seed)
    shape = (1, drawn.height, drawn.width, drawn.channels)
    return np.concatenate([family(rng, drawn.inputs, shape) for family in FAMILIES])


def dot(
    weights: list[int], values: list[int], acc_bits: int | None, overflow: Overflow
) -> tuple[int, bool]:
    """Add one product after the other; tell whether one of them, or a sum, left P bits."""
    acc, over = 0, False

    def held(exact: int) -> int:
        nonlocal over
        if acc_bits is None:
            return exact
        half = 2 ** (acc_bits - 1)
        over |= not -half <= exact < half
        if overflow is Overflow.SATURATE:
            return max(-half, min(half - 1, exact))
        return (exact + half) % (2 * half) - half

    for weight, value in zip(weights, values, strict=True):
        acc = held(acc + held(weight * value))
    return acc, over


def behind(layer: QuantLayer, acc: tuple[int, ...]) -> list[int]:
    """Return scores, or activations, of one position."""
    if layer.thresholds is None:
        return [m * a + b for m, a, b in zip(layer.multiplier, acc, layer.bias, strict=True)]
    rows = zip(layer.thresholds.tolist(), acc, strict=True)
    steps_up = layer.outputs.values  # from the lowest on
    return [steps_up[sum(step <= a for step in steps)] for steps, a in rows]


def taps_of(stage: Stage, image: list[Any]) -> Iterator[list[list[int]]]:
    """Yield what each row of weights sees, for one position after the other."""
    channels = range(len(image[0][0]))
    if stage.window is None:
        yield [[value for row in image for at in row for value in at]] * stage.layer.mh
        return
    for ys in positions(stage.window, len(image)):
        for xs in positions(stage.window, len(image[0])):
            if stage.depthwise:
                yield [[pixel(image, y, x, c) for y in ys for x in xs] for c in channels]
            else:
                yield [
                    [pixel(image, y, x, c) for y in ys for x in xs for c in channels]
                ] * stage.layer.mh


def by_hand(
    drawn: Network, images: IntArray, acc_bits: int | None, overflow: Overflow
) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """Yield accumulators, overflow bits and outputs of each stage, in plain loops, one lane."""
    given = images.tolist()
    for stage, (_, width, _) in zip(drawn.stages, drawn.shapes, strict=True):
        weights = stage.layer.weights.tolist()
        sums, flags, outs, after = [], [], [], []
        for image in given:
            pixels = []
            for seen in taps_of(stage, image):
                rows = zip(weights, seen, strict=True)
                told = [dot(row, values, acc_bits, overflow) for row, values in rows]
                acc, over = zip(*told, strict=True)
                sums.append([*acc])
                flags.append([*over])
                pixels.append(behind(stage.layer, acc))
            outs += pixels
            after.append([pixels[at : at + width] for at in range(0, len(pixels), width)])
        yield sums, flags, outs
        given = after


@example(NETWORK, None, Overflow.WRAP, 0)
@example(NETWORK, 6, Overflow.WRAP, 0)
@given(networks(), st.none() | st.integers(2, 12), st.sampled_from(Overflow), st.integers(0, 99))
def test_a_network_is_what_plain_loops_say(
    drawn: Network, acc_bits: int | None, overflow: Overflow, seed: int
) -> None:
    images = images_for(drawn, seed)
    trace = run(drawn, images, acc_bits, overflow)
    told = list(by_hand(drawn, images, acc_bits, overflow))
    for stage, (sums, flags, outs) in zip(trace.stages, told, strict=True):
        assert stage.acc.tolist() == sums
        assert stage.overflow.tolist() == flags
        assert stage.outputs.tolist() == outs
    assert trace.scores.tolist() == told[-1][2]
    if acc_bits is None:
        assert not any(stage.overflow.any() for stage in trace.stages)


@settings(max_examples=40)
@given(networks(), st.integers(2, 9), st.data())
def test_each_stage_adds_in_the_order_of_its_lanes(
    drawn: Network, acc_bits: int, data: st.DataObject
) -> None:
    """Saturating, where the order shows: against the model that visits every partial sum."""
    simd = [
        data.draw(st.sampled_from([n for n in range(1, mw + 1) if mw % n == 0]))
        for mw in (stage.layer.mw for stage in drawn.stages)
    ]
    trace = run(drawn, images_for(drawn, 0), acc_bits, Overflow.SATURATE, simd)
    for stage, told, lanes in zip(drawn.stages, trace.stages, simd, strict=True):
        layer = stage.layer
        spec = layer.spec(acc_bits, simd=lanes, overflow=Overflow.SATURATE)
        rows = [slice(row, row + 1) for row in range(layer.mh)]
        parts = (
            np.split(told.vectors, layer.mh, axis=1)
            if stage.depthwise
            else [told.vectors] * layer.mh
        )
        for row, part in zip(rows, parts, strict=True):
            ordered = mvau.run(replace(spec, mh=1), layer.weights[row], part)
            assert told.acc[:, row].tolist() == ordered.out.tolist()
            assert told.overflow[:, row].tolist() == ordered.overflow.tolist()


@settings(max_examples=40)
@given(networks())
def test_needed_bits_are_enough_and_no_fewer(drawn: Network) -> None:
    """Each row of each stage against the inputs that are worst for it, sent to that stage alone."""
    for stage, bits in zip(drawn.stages, drawn.needed_bits, strict=True):
        layer = stage.layer
        worst = np.concatenate(worst_case_inputs(layer.weights, layer.inputs))
        vectors = np.tile(worst, (1, layer.mh)) if stage.depthwise else worst
        exact = stage.accumulate(vectors, None, Overflow.WRAP).out
        assert max(2, bits_for(int(exact.min()), int(exact.max()))) == bits
        assert not stage.accumulate(vectors, bits, Overflow.WRAP).overflow.any()
        if bits > 2:
            assert stage.accumulate(vectors, bits - 1, Overflow.WRAP).overflow.any()


# What is no network


def test_shapes_are_those_after_each_stage() -> None:
    assert NETWORK.shapes == ((4, 5, 3), (2, 2, 3), (1, 1, 4))
    assert NETWORK.inputs == BITS


def test_a_last_convolution_may_leave_the_one_position() -> None:
    last = Stage("scores", layer(4, 12, None), Window(2, stride=2))
    as_conv = replace(NETWORK, stages=(CONV, DEPTHWISE, last))
    images = images_for(NETWORK, 0)
    assert run(as_conv, images).scores.tolist() == run(NETWORK, images).scores.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Tiny"}, "a network must have a name of lower case letters, .*, got 'Tiny'"),
        ({"name": None}, "a network must have a name of .*, got None"),
        ({"height": 0}, "height must be 1 to 65536, got 0"),
        ({"width": 4.0}, r"width must be 1 to 65536, got 4\.0"),
        ({"channels": True}, "channels must be 1 to 65536, got True"),
        ({"channels": 1}, "stage conv must have 9 columns of weights on inputs of 4x5x1, got 18"),
        ({"height": 6}, "stage scores must have 18 columns of weights on .* 3x2x3, got 12"),
        ({"height": 1}, "stage depthwise: a window of 2 pixels must fit the padded image, got 1"),
        ({"stages": ()}, "a network must have a stage, got none"),
        ({"stages": (CONV, CONV, SCORES)}, "stages must have names of .*, got conv, conv, scores"),
        ({"stages": (CONV, SCORES)}, "stage scores must have 60 columns of weights on .*, got 12"),
        (
            {"stages": (replace(DEPTHWISE, layer=layer(4, 4)), SCORES)},
            "stage depthwise must have a row for each of 2 channels, got 4",
        ),
        (
            {"stages": (CONV, replace(DEPTHWISE, layer=layer(3, 12)), SCORES)},
            "stage depthwise must have 4 columns of weights on inputs of 4x5x3, got 12",
        ),
        (
            {"stages": (CONV, replace(DEPTHWISE, layer=layer(3, 4, None)), SCORES)},
            "stage depthwise must give the unsigned 2-bit inputs of scores, got no thresholds",
        ),
        (
            {"stages": (CONV, replace(DEPTHWISE, layer=layer(3, 4, Format(2, True))), SCORES)},
            "stage depthwise must give the unsigned 2-bit inputs of scores, got signed 2-bit",
        ),
        (
            {"stages": (CONV, DEPTHWISE, replace(SCORES, layer=layer(4, 12)))},
            "the last stage must give scores, got one with thresholds",
        ),
        (
            {"stages": (Stage("conv", layer(3, 18, None), Window(3)),)},
            "the last stage must leave one position, got 2x3x3",
        ),
        (
            {"height": 3, "stages": (Stage("conv", layer(3, 18, None), Window(3)),)},
            "the last stage must leave one position, got 1x3x3",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_a_network(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(NETWORK, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "1st"}, "a stage must have a name of lower case letters, .*, got '1st'"),
        ({"name": "a-b"}, "a stage must have a name of .*, got 'a-b'"),
        ({"depthwise": 1}, "depthwise of conv must be true or false, .*, got 1"),
        ({"window": None, "depthwise": True}, "false without a window, got True"),
        (
            {"layer": layer(3, 18, acc_bias=np.array([0, -7, 0]))},
            "acc_bias of conv must be 0, where the units start every accumulator, got -7",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_a_stage(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(CONV, **changes)


class WithoutZero(Format):
    """As a format of -1 and 1 would be."""

    def require(self, values: Any, name: str, ndim: int) -> IntArray:
        if not np.all(values):
            raise InputError(f"{name} must not be 0")
        return super().require(values, name, ndim)


def test_refuses_padding_where_the_inputs_have_no_zero() -> None:
    signs = WithoutZero(2, signed=True)
    without = replace(CONV, layer=layer(3, 18, inputs=signs), window=Window(3))
    stages = (without, replace(SCORES, layer=layer(4, 18, None)))
    assert Network("tiny", 4, 5, 2, stages).inputs is signs
    with pytest.raises(InputError, match="what conv is padded with must not be 0"):
        replace(NETWORK, stages=(replace(without, window=CONV.window), DEPTHWISE, SCORES))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 5, 4, 2), int), "images must be 4x5x2, got 5x4x2"),
        (np.zeros((1, 40), int), "images must be a 4-dimensional"),
        (np.zeros((1, 4, 5, 2)), "images must be integers"),
        (np.full((1, 4, 5, 2), 4), "images must fit unsigned 2-bit integers"),
        (np.zeros((0, 4, 5, 2), int), "images must be .* with elements"),
    ],
)
def test_refuses_images(images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(NETWORK, images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"simd": [1, 1]}, "SIMD must be given for each of 3 stages, got 2"),
        ({"simd": [1, 3, 1]}, "SIMD must divide MW, got SIMD=3 MW=4"),
        ({"acc_bits": 65}, "ACC_BITS must be 2 to 64, got ACC_BITS=65"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_units(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(NETWORK, np.zeros((1, 4, 5, 2), int), **arguments)


def test_images_are_vectors_row_by_row_with_channels_last() -> None:
    vectors = np.arange(80).reshape(2, 40) % 4
    images = NETWORK.images(vectors)
    assert images[1, 2, 3, 1] == vectors[1, (2 * 5 + 3) * 2 + 1]
    assert images.shape == (2, 4, 5, 2)
    with pytest.raises(InputError, match="images of tiny must have 4x5x2 values, got 39"):
        NETWORK.images(vectors[:, :39])
    with pytest.raises(InputError, match="images must fit unsigned 2-bit integers"):
        NETWORK.images(vectors + 1)


# Files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.npz"


@settings(max_examples=40)
@given(networks())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, drawn: Network) -> None:
    path = tmp_path_factory.mktemp("round") / "file.npz"
    drawn.save(path)
    loaded = Network.load(path)
    for field in ("name", "height", "width", "channels", "origin", "shapes", "needed_bits"):
        assert getattr(loaded, field) == getattr(drawn, field)
    for mine, theirs in zip(drawn.stages, loaded.stages, strict=True):
        assert (mine.name, mine.window, mine.depthwise) == (
            theirs.name, theirs.window, theirs.depthwise
        )  # fmt: skip
        for name, value in vars(mine.layer).items():
            assert np.array_equal(value, getattr(theirs.layer, name)), name
    first = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == first


def rewritten(path: Path, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    np.savez(path, header=np.array(json.dumps(header)), **arrays)


def test_refuses_every_truncation(path: Path) -> None:
    NETWORK.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 20):
        path.write_bytes(whole[:length])
        refused(Network, path, "damaged or of another kind")


def test_a_flipped_bit_is_harmless_or_refused(path: Path) -> None:
    NETWORK.save(path)
    whole = path.read_bytes()
    refusals = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        loaded = loads_or_refuses(Network, path)
        refusals += loaded is None
        if loaded is not None:
            loaded.save(path)
            assert path.read_bytes() == whole
    assert refusals > len(whole) // 10


def test_never_unpickles(path: Path) -> None:
    header, arrays = members(NETWORK, path)
    proof = path.with_name("executed")
    arrays["conv.weights"] = np.array([[Payload(proof)]], dtype=object)
    rewritten(path, header, arrays)
    refused(Network, path, "damaged or of another kind")
    assert not proof.exists()


def test_a_layer_is_no_network(path: Path) -> None:
    CONV.layer.save(path)
    refused(Network, path, "must be an a2q-network file, but its header does not say so")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "must be version 1 of a2q-network, got 2"),
        ({"name": 7}, "a network must have a name of .*, got 7"),
        ({"height": None}, "height must be 1 to 65536, got None"),
        ({"width": 6}, "stage scores must have 18 columns .*, got 12"),
        ({"channels": 2.0}, r"channels must be 1 to 65536, got 2\.0"),
        ({"origin": []}, r"origin must be a JSON object, got \[\]"),
        ({"stages": None}, "stages must be a list of JSON objects"),
        ({"stages": [1]}, "stages must be a list of JSON objects"),
        ({"stages": []}, "must hold exactly the arrays , got conv.acc_bias"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_a_header(path: Path, changes: dict[str, Any], message: str) -> None:
    header, arrays = members(NETWORK, path)
    rewritten(path, header | changes, arrays)
    refused(Network, path, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "cone"}, "must hold exactly the arrays cone.weights, .*, got conv.acc_bias"),
        ({"depthwise": 0}, "stage conv: depthwise of conv must be true or false, .*, got 0"),
        ({"depthwise": True}, "stage conv must have 9 columns of weights .*, got 18"),
        ({"depthwise": ...}, "stage conv must have 'depthwise'"),
        ({"window": None}, "stage conv must have 40 columns of weights .*, got 18"),
        ({"window": 3}, "stage conv: a window must have exactly dilation, kernel, .*, got 3"),
        ({"window": {"kernel": 3}}, "a window must have exactly dilation, kernel, padding, stride"),
        (
            {"window": {"kernel": 3, "stride": 1, "padding": "1", "dilation": 1}},
            "stage conv: padding must be 0 to 256, got '1'",
        ),
        ({"layer": ...}, "stage conv: the layer must be a JSON object, got None"),
        ({"layer": {}}, "stage conv: the header must have 'output_bits'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_a_stage_of_a_header(path: Path, changes: dict[str, Any], message: str) -> None:
    """``...`` stands for a field that is left out."""
    header, arrays = members(NETWORK, path)
    stage = header["stages"][0] | changes
    header["stages"][0] = {name: value for name, value in stage.items() if value is not ...}
    rewritten(path, header, arrays)
    refused(Network, path, message)


def test_refuses_arrays_of_another_stage(path: Path) -> None:
    header, arrays = members(NETWORK, path)
    arrays["conv.thresholds"], arrays["depthwise.weights"] = (
        arrays["depthwise.weights"], arrays["conv.thresholds"],
    )  # fmt: skip
    rewritten(path, header, arrays)
    refused(Network, path, r"stage conv: thresholds must have shape \(3, 3\), got \(3, 4\)")


def test_a_failed_save_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    NETWORK.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(network.archive.np, "savez_compressed", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        replace(NETWORK, name="other").save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
