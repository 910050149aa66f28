"""Files of layers and vectors: whole round trips, and one sentence for what is no such file."""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import BIPOLAR, labelled_inputs, quant_layers

from golden import archive
from golden.integer import Format, InputError
from golden.layer import LabelledInputs, QuantLayer

LAYER = QuantLayer(
    weights=np.array([[1, -2, 3], [4, 5, -8]]),
    weight_bits=4,
    inputs=Format(8, signed=False),
    trained_acc_bits=16,
    multiplier=np.array([3, 1]),
    bias=np.array([-70_000, 2**60]),
    acc_bias=np.array([5, -6]),
    thresholds=np.array([[-300, 0, 0], [1, 2, 90_000]]),
    outputs=Format(2, signed=True),
    origin={"by": "test"},
)
VECTORS = LabelledInputs(
    values=np.array([[0, 255], [7, 1]]), labels=np.array([0, 3]), inputs=Format(8, signed=False)
)
File = QuantLayer | LabelledInputs


def content(file: File) -> dict[str, Any]:
    """Return all fields, comparable."""
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(file).items()
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.npz"


def members(file: File, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the arrays that ``save`` writes."""
    file.save(path)
    with np.load(path) as archived:
        arrays = dict(archived)
    return json.loads(arrays.pop("header").item()), arrays


def refused(kind: type[File], path: Path, message: str) -> None:
    """Loading ends in one sentence that names the file."""
    with pytest.raises(InputError, match=message) as caught:
        kind.load(path)
    assert str(caught.value).startswith(str(path)) or f" in {path} " in str(caught.value)
    assert "\n" not in str(caught.value)


@given(quant_layers() | labelled_inputs())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, file: File) -> None:
    path = tmp_path_factory.mktemp("round") / "deep" / "file.npz"
    file.save(path)
    assert content(type(file).load(path)) == content(file)
    first = path.read_bytes()
    type(file).load(path).save(path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


def test_equal_content_gives_equal_bytes(path: Path) -> None:
    one = replace(LAYER, origin={"by": "test", "at": 1})
    same = replace(LAYER, origin={"at": 1, "by": "test"})
    assert file_bytes(one, path) == file_bytes(same, path)


@pytest.mark.parametrize("bias", [0, 255, 2**31, 2**32, 2**61 - 1, -(2**61)])
def test_every_width_of_integer_comes_back(path: Path, bias: int) -> None:
    layer = QuantLayer(np.ones((1, 1), int), 4, Format(8, signed=True), bias=np.array([bias]))
    layer.save(path)
    assert QuantLayer.load(path).bias.tolist() == [bias]


def test_scores_and_accuracy() -> None:
    assert LAYER.scores(np.array([[10, -1]])).tolist() == [[30 - 70_000, 2**60 - 1]]
    assert VECTORS.accuracy(np.array([[9, 0, 0, 1], [1, 0, 0, 0]])) == 0.5
    with pytest.raises(InputError, match="one row per vector, got 1 rows for 2"):
        VECTORS.accuracy(np.array([[9, 0, 0, 1]]))


def test_the_widest_score_fits_64_bits() -> None:
    widest = QuantLayer(
        np.ones((1, 1), int), 4, Format(8, signed=True),
        multiplier=np.array([2**15 - 1]), bias=np.array([-(2**61)]),
    )  # fmt: skip
    lowest = -(65536 * 2**15 * 2**16)
    assert widest.scores(np.array([[lowest]])).tolist() == [[lowest * (2**15 - 1) - 2**61]]


# Activations


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", range(1, 9))
def test_an_activation_counts_thresholds(bits: int, signed: bool) -> None:
    """Every accumulator around the thresholds, and both ends of 64 bits, against a naive sum."""
    rng, outputs = np.random.default_rng(bits), Format(bits, signed)
    thresholds = np.sort(rng.integers(-40, 40, (3, 2**bits - 1)), axis=1)
    layer = QuantLayer(
        np.ones((3, 1), int), 2, Format(8, signed=False), thresholds=thresholds, outputs=outputs
    )
    low, high = -(2**63), 2**63 - 1
    values = [low, *range(-42, 43), high]
    acc = np.stack([values, values[::-1], values], axis=1)
    naive = [
        [outputs.minimum + sum(t <= a for t in steps) for steps, a in zip(rows, sums, strict=True)]
        for sums, rows in ((s, thresholds.tolist()) for s in acc.tolist())
    ]
    got = layer.activations(acc)
    assert got.tolist() == naive
    assert got.dtype == np.int64
    assert got[[0, -1], 0].tolist() == [outputs.minimum, outputs.maximum]


def test_a_bipolar_activation_is_a_sign() -> None:
    layer = QuantLayer(
        np.ones((2, 1), int), 2, Format(8, signed=False),
        thresholds=np.array([[0], [7]]), outputs=BIPOLAR,
    )  # fmt: skip
    acc = np.array([[-1, 6], [0, 7]])
    assert layer.activations(acc).tolist() == [[-1, -1], [1, 1]]


def test_a_bipolar_layer(path: Path) -> None:
    layer = QuantLayer(np.array([[1, -1]]), 1, BIPOLAR, bipolar_weight=True)
    layer.save(path)
    assert content(QuantLayer.load(path)) == content(layer)
    spec = layer.spec(acc_bits=4)
    assert (spec.weights, spec.inputs) == (BIPOLAR, BIPOLAR)
    with pytest.raises(InputError, match=r"weights must fit bipolar 1-bit integers .* got 0"):
        replace(layer, weights=np.array([[1, 0]]))
    with pytest.raises(InputError, match="BIPOLAR_WEIGHT must have WEIGHT_BITS 1, got"):
        replace(layer, weight_bits=2)


def test_files_of_before_there_were_bipolar_formats_have_none(path: Path) -> None:
    for file in (LAYER, VECTORS):
        header, arrays = members(file, path)
        old = {name: value for name, value in header.items() if not name.startswith("bipolar")}
        assert len(old) < len(header)
        np.savez(path, header=np.array(json.dumps(old)), **arrays)
        assert content(type(file).load(path)) == content(file)


def test_the_farthest_thresholds_still_count() -> None:
    layer = QuantLayer(
        np.ones((1, 1), int), 2, Format(8, signed=False),
        thresholds=np.array([[-(2**62), 0, 2**62 - 1]]), outputs=Format(2, signed=False),
    )  # fmt: skip
    acc = np.array([[-(2**62) - 1], [-(2**62)], [2**62 - 2], [2**62 - 1]])
    assert layer.activations(acc).ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("acc", "message"),
    [
        (np.zeros((4, 3), int), "acc must have MH=2 columns, got 3"),
        (np.zeros((4, 2)), "acc must be integers, got dtype float64"),
        (np.zeros(2, int), "acc must be a 2-dimensional"),
    ],
)
def test_activations_of_other_accumulators_are_refused(acc: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LAYER.activations(acc)


def test_a_layer_without_thresholds_has_no_activations(path: Path) -> None:
    layer = replace(LAYER, thresholds=None, outputs=None)
    header, arrays = members(layer, path)
    assert (header["output_bits"], header["signed_output"]) == (None, None)
    assert arrays["thresholds"].shape == (2, 0)
    with pytest.raises(InputError, match="must come from a layer with thresholds, got one without"):
        QuantLayer.load(path).activations(np.zeros((1, 2), int))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": None}, "must come together, got outputs alone"),
        ({"outputs": None}, "must come together, got thresholds alone"),
        ({"outputs": Format(9, signed=False)}, "outputs must have 1 to 8 bits, got 9"),
        ({"thresholds": np.zeros((2, 3))}, "thresholds must be integers, got dtype float64"),
        ({"acc_bias": np.zeros(2)}, "acc_bias must be integers, got dtype float64"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_fields(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(LAYER, **changes)


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 0), (2, 0, 1)])
def test_an_absent_activation_has_one_shape(path: Path, shape: tuple[int, ...]) -> None:
    header, arrays = members(replace(LAYER, thresholds=None, outputs=None), path)
    arrays["thresholds"] = np.zeros(shape, int)
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    refused(QuantLayer, path, "must come together, got thresholds alone")


# Nothing is ever executed


class Payload:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.proof),)


def write_object_array(path: Path, payload: Payload) -> None:
    header, arrays = members(LAYER, path)
    arrays["weights"] = np.array([[payload]], dtype=object)
    np.savez(path, header=np.array(json.dumps(header)), **arrays)


def write_object_header(path: Path, payload: Payload) -> None:
    _, arrays = members(LAYER, path)
    np.savez(path, header=np.array(payload, dtype=object), **arrays)


def write_pickle(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps(payload))


@pytest.mark.parametrize("write", [write_object_array, write_object_header, write_pickle])
def test_never_unpickles(path: Path, write: Callable[[Path, Payload], None]) -> None:
    proof = path.with_name("executed")
    write(path, Payload(proof))
    refused(QuantLayer, path, "damaged or of another kind")
    assert not proof.exists()
    pickle.loads(pickle.dumps(Payload(proof)))
    assert proof.exists()  # the payload does go off where it is unpickled


# What is no file of ours


def test_refuses_a_missing_file(path: Path) -> None:
    refused(QuantLayer, path, "there is no such file")


def test_refuses_a_directory(tmp_path: Path) -> None:
    refused(QuantLayer, tmp_path, "there is no such file")


def test_refuses_a_name_too_long(tmp_path: Path) -> None:
    refused(QuantLayer, tmp_path / ("x" * 300), "damaged or of another kind")


@pytest.mark.parametrize("file", [LAYER, VECTORS], ids=lambda file: file.FORMAT)
def test_refuses_every_truncation(path: Path, file: File) -> None:
    file.save(path)
    whole = path.read_bytes()
    lengths = range(0, len(whole), 10)
    assert len(lengths) > 50
    for length in lengths:
        path.write_bytes(whole[:length])
        refused(type(file), path, "damaged or of another kind")


def file_bytes(file: File, path: Path) -> bytes:
    file.save(path)
    return path.read_bytes()


def loads_or_refuses(kind: type[File], path: Path) -> File | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, about headers of Python 2
        try:
            return kind.load(path)
        except InputError as error:
            sentence = str(error)
    assert "\n" not in sentence
    return None


@pytest.mark.parametrize("file", [LAYER, VECTORS], ids=lambda file: file.FORMAT)
def test_a_flipped_bit_is_harmless_or_refused(path: Path, file: File) -> None:
    """Checksums cover the members; what is outside them says nothing about the content."""
    whole = file_bytes(file, path)
    refusals = 0
    for at, byte in enumerate(whole):
        path.write_bytes(whole[:at] + bytes([byte ^ (1 << at % 8)]) + whole[at + 1 :])
        loaded = loads_or_refuses(type(file), path)
        refusals += loaded is None
        assert loaded is None or content(loaded) == content(file)
    assert refusals > len(whole) // 3


@given(data=st.data())
def test_any_damage_is_harmless_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Damage inside the members, with checksums that fit it."""
    path = tmp_path_factory.mktemp("damage") / "file.npz"
    LAYER.save(path)
    with zipfile.ZipFile(path) as archived:
        parts = {name: archived.read(name) for name in archived.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    part = parts[name]
    start = data.draw(st.integers(0, len(part)))
    end = data.draw(st.integers(start, min(len(part), start + 8)))
    parts[name] = part[:start] + data.draw(st.binary(max_size=8)) + part[end:]
    with zipfile.ZipFile(path, "w") as archived:
        for member, raw in parts.items():
            archived.writestr(member, raw)
    loaded = loads_or_refuses(QuantLayer, path)
    assert loaded is None or isinstance(loaded, QuantLayer)


@given(st.binary(max_size=64), st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"]))
def test_any_bytes_are_refused(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, magic: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "file.npz"
    path.write_bytes(magic + body)
    assert loads_or_refuses(QuantLayer, path) is None


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def claiming(shape: tuple[int, ...], dtype: str = "|i1") -> bytes:
    """Return an array file that promises this shape and holds a few bytes."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue() + bytes(16)


def test_refuses_a_plain_npy_file(path: Path) -> None:
    path.write_bytes(npy(np.ones((2, 2), int)))
    refused(QuantLayer, path, "damaged or of another kind")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no array",
        claiming((2**62, 2**62)),
        claiming((2**50,)),
        claiming((2**33, 1)),
        claiming((-1, 3)),
        claiming((2,), "<U2000000000"),
    ],
    ids=["empty", "text", "beyond-64-bits", "petabyte", "gigabytes", "negative", "giant-text"],
)
@pytest.mark.parametrize("member", ["weights", "header"])
def test_refuses_a_hostile_member(path: Path, member: str, raw: bytes) -> None:
    LAYER.save(path)
    with zipfile.ZipFile(path) as archived:
        parts = {name: archived.read(name) for name in archived.namelist()}
    with zipfile.ZipFile(path, "w") as archived:
        for name, good in parts.items():
            archived.writestr(name, raw if name == f"{member}.npy" else good)
    refused(QuantLayer, path, "damaged or of another kind")


# What is a file of ours, with something wrong in it


def with_header(path: Path, **changes: Any) -> None:
    header, arrays = members(LAYER, path)
    np.savez(path, header=np.array(json.dumps(header | changes)), **arrays)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "a2q-inputs"}, "must be an a2q-layer file, but its header does not say so"),
        ({"format": None}, "its header does not say so"),
        ({"version": 1}, "must be version 2 of a2q-layer, got 1"),
        ({"version": 3}, "must be version 2 of a2q-layer, got 3"),
        ({"version": "2"}, "must be version 2 of a2q-layer, got '2'"),
        ({"version": True}, "must be version 2 of a2q-layer, got True"),
        ({"version": 2.0}, r"must be version 2 of a2q-layer, got 2\.0"),
        ({"version": None}, "must be version 2 of a2q-layer, got None"),
        ({"weight_bits": 0}, "WEIGHT_BITS must be 1 to 16, got WEIGHT_BITS=0"),
        ({"weight_bits": 17}, "WEIGHT_BITS must be 1 to 16, got WEIGHT_BITS=17"),
        ({"weight_bits": 10**400}, "WEIGHT_BITS must be 1 to 16, got WEIGHT_BITS=1000"),
        ({"weight_bits": 4.0}, r"WEIGHT_BITS must be an integer, got 4\.0"),
        ({"weight_bits": True}, "WEIGHT_BITS must be an integer, got True"),
        ({"weight_bits": None}, "WEIGHT_BITS must be an integer, got None"),
        ({"weight_bits": float("nan")}, "WEIGHT_BITS must be an integer, got nan"),
        ({"weight_bits": 3}, r"weights must fit signed 3-bit integers \(-4 to 3\), got -8"),
        ({"input_bits": 0}, "input_bits must be 1 to 16 .*, got 0"),
        ({"input_bits": 17}, "input_bits must be 1 to 16 .*, got 17"),
        ({"input_bits": True}, "input_bits must be 1 to 16 .*, got True"),
        ({"input_bits": "8"}, "input_bits must be 1 to 16 .*, got '8'"),
        ({"signed_input": 1}, "signed_input true or false, got 8, 1"),
        ({"output_bits": 0}, "output_bits must be 1 to 8 .*, got 0, True"),
        ({"output_bits": 9}, "output_bits must be 1 to 8 .*, got 9, True"),
        ({"output_bits": 2.0}, r"output_bits must be 1 to 8 .*, got 2\.0, True"),
        ({"output_bits": None}, "output_bits must be 1 to 8 .*, got None, True"),
        ({"signed_output": None}, "signed_output true or false, got 2, None"),
        ({"signed_output": 0}, "signed_output true or false, got 2, 0"),
        ({"bipolar_weight": True}, "BIPOLAR_WEIGHT must have WEIGHT_BITS 1, got .*WEIGHT_BITS=4"),
        ({"bipolar_weight": 0}, "bipolar_weight must be true or false, got 0"),
        ({"bipolar_input": True}, "a bipolar format must have 1 signed bit, got unsigned 8-bit"),
        ({"bipolar_input": 0}, "bipolar_input must be true or false, got 0"),
        ({"bipolar_output": None}, "bipolar_output must be true or false, got None"),
        ({"output_bits": 1}, r"thresholds must have shape \(2, 1\), got \(2, 3\)"),
        ({"output_bits": 3}, r"thresholds must have shape \(2, 7\), got \(2, 3\)"),
        (
            {"output_bits": None, "signed_output": None},
            "thresholds and outputs must come together, got thresholds alone",
        ),
        ({"trained_acc_bits": 1}, "ACC_BITS must be 2 to 64, got ACC_BITS=1"),
        ({"trained_acc_bits": 65}, "ACC_BITS must be 2 to 64, got ACC_BITS=65"),
        ({"trained_acc_bits": True}, "ACC_BITS must be an integer, got True"),
        ({"trained_acc_bits": [16]}, r"ACC_BITS must be an integer, got \[16\]"),
        ({"origin": [1]}, r"origin must be a JSON object, got \[1\]"),
        ({"origin": None}, "origin must be a JSON object, got None"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_a_header(path: Path, changes: dict[str, Any], message: str) -> None:
    with_header(path, **changes)
    refused(QuantLayer, path, message)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("format", "its header does not say so"),
        ("version", "must be version 2 of a2q-layer, got None"),
        ("weight_bits", "the header must have 'weight_bits'"),
        ("trained_acc_bits", "the header must have 'trained_acc_bits'"),
        ("input_bits", "input_bits must be 1 to 16 .*, got None"),
        ("signed_input", "signed_input true or false, got 8, None"),
        ("output_bits", "the header must have 'output_bits'"),
        ("signed_output", "signed_output true or false, got 2, None"),
        ("origin", "origin must be a JSON object, got None"),
    ],
)
def test_refuses_a_header_without(path: Path, field: str, message: str) -> None:
    header, arrays = members(LAYER, path)
    del header[field]
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    refused(QuantLayer, path, message)


@pytest.mark.parametrize(
    "header",
    [
        np.array("{"),
        np.array("[1]"),
        np.array("null"),
        np.array(""),
        np.array("[" * 100_000),
        np.array('{"version": ' + "1" * 5000 + "}"),
        np.array(["{}", "{}"]),
        np.array(b"{}"),
        np.array(7),
        None,
    ],
    ids=[
        "no-json", "list", "null", "blank", "deep", "giant-number", "two-texts", "bytes", "number",
        "missing",
    ],
)  # fmt: skip
def test_refuses_what_is_no_header(path: Path, header: Any) -> None:
    _, arrays = members(LAYER, path)
    np.savez(path, **arrays, **({} if header is None else {"header": header}))
    refused(QuantLayer, path, "its header does not say so")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weights": None},
            "exactly the arrays weights, multiplier, bias, acc_bias, thresholds, "
            "got acc_bias, bias, multiplier, thresholds$",
        ),
        ({"bias": None}, "exactly the arrays .*, got acc_bias, multiplier, thresholds, weights$"),
        ({"acc_bias": None}, "exactly the arrays .*, got bias, multiplier, thresholds, weights$"),
        ({"thresholds": None}, "exactly the arrays .*, got acc_bias, bias, multiplier, weights$"),
        ({"extra": np.ones(1, int)}, "exactly the arrays .*, got acc_bias, bias, extra, "),
        ({"weights": np.ones((2, 3))}, "weights in .* must be integers .*, got float64"),
        ({"weights": np.full((2, 3), np.nan)}, "weights in .* must be integers .*, got float64"),
        ({"weights": np.ones((2, 3), bool)}, "weights in .* must be integers .*, got bool"),
        ({"weights": np.ones((2, 3), np.uint64)}, "weights in .* of at most 64 signed bits"),
        ({"weights": np.ones((2, 3), "m8[s]")}, "weights in .* must be integers"),
        ({"weights": np.full((2, 3), 8)}, r"signed 4-bit integers \(-8 to 7\), got 8"),
        ({"weights": np.full((2, 3), -9)}, r"signed 4-bit integers \(-8 to 7\), got -9"),
        ({"weights": np.full((2, 3), -(2**63))}, r"weights must fit .*, got -9223372036854775808"),
        (
            {"weights": np.ones((0, 3), int)},
            r"weights must be .* with elements, got shape \(0, 3\)",
        ),
        (
            {"weights": np.ones((2, 0), int)},
            r"weights must be .* with elements, got shape \(2, 0\)",
        ),
        ({"weights": np.ones(3, int)}, r"weights must be a 2-dimensional .*, got shape \(3,\)"),
        ({"weights": np.ones((1, 2, 3), int)}, "weights must be a 2-dimensional"),
        ({"weights": np.ones((65537, 1), int)}, "MH must be 1 to 65536, got MH=65537"),
        ({"weights": np.ones((1, 65537), int)}, "MW must be 1 to 65536, got MW=65537"),
        ({"multiplier": np.array([1, 2, 3])}, "multiplier must have one value or MH=2, got 3"),
        ({"multiplier": np.array([1, 0])}, "multiplier must be positive, got 0"),
        ({"multiplier": np.array([2**15])}, "multiplier must fit signed 16-bit integers"),
        ({"multiplier": np.array(1)}, "multiplier must be a 1-dimensional"),
        ({"bias": np.array([2**61])}, "bias must fit signed 62-bit integers"),
        ({"bias": np.array([], int)}, "bias must be a 1-dimensional array with elements"),
        ({"acc_bias": np.array([2**46])}, "acc_bias must fit signed 47-bit integers"),
        ({"acc_bias": np.zeros(3, int)}, "acc_bias must have one value or MH=2, got 3"),
        ({"acc_bias": np.zeros(2)}, "acc_bias in .* must be integers .*, got float64"),
        (
            {"thresholds": np.array([[1, 2, 3], [4, 6, 5]])},
            "thresholds must ascend, got 6 before 5 in row 1",
        ),
        (
            {"thresholds": np.array([[2**62 - 1, -(2**62), 0], [0, 0, 0]])},
            f"thresholds must ascend, got {2**62 - 1} before {-(2**62)} in row 0",
        ),
        (
            {"thresholds": np.array([[0, 0, 2**62], [0, 0, 0]])},
            "thresholds must fit signed 63-bit integers",
        ),
        ({"thresholds": np.zeros((2, 3))}, "thresholds in .* must be integers .*, got float64"),
        (
            {"thresholds": np.zeros((2, 2), int)},
            r"thresholds must have shape \(2, 3\), got \(2, 2\)",
        ),
        (
            {"thresholds": np.zeros((1, 3), int)},
            r"thresholds must have shape \(2, 3\), got \(1, 3\)",
        ),
        ({"thresholds": np.zeros(6, int)}, "thresholds must be a 2-dimensional"),
        (
            {"thresholds": np.zeros((2, 0), int)},
            r"thresholds must be .* with elements, got shape \(2, 0\)",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_arrays(path: Path, changes: dict[str, Any], message: str) -> None:
    header, arrays = members(LAYER, path)
    changed = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(path, header=np.array(json.dumps(header)), **changed)
    refused(QuantLayer, path, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"values": np.array([[256, 0], [0, 0]])},
            r"unsigned 8-bit integers \(0 to 255\), got 256",
        ),
        ({"values": np.array([[-1, 0], [0, 0]])}, r"unsigned 8-bit integers \(0 to 255\), got -1"),
        ({"values": np.ones((2, 65537), int)}, "MW must be 1 to 65536, got MW=65537"),
        ({"values": np.ones((3, 2), int)}, "labels must be one per vector, got 2 for 3"),
        ({"labels": np.array([0, -1])}, "labels must fit unsigned 32-bit integers"),
        ({"labels": np.array([[0], [1]])}, "labels must be a 1-dimensional"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_vectors(path: Path, changes: dict[str, Any], message: str) -> None:
    header, arrays = members(VECTORS, path)
    np.savez(path, header=np.array(json.dumps(header)), **(arrays | changes))
    refused(LabelledInputs, path, message)


def test_refuses_the_file_of_the_other_kind(path: Path) -> None:
    VECTORS.save(path)
    refused(QuantLayer, path, "must be an a2q-layer file, but its header does not say so")
    LAYER.save(path)
    refused(LabelledInputs, path, "must be an a2q-inputs file, but its header does not say so")


def test_vectors_wider_than_any_unit_are_refused_before_they_are_saved() -> None:
    with pytest.raises(InputError, match="INPUT_BITS must be 1 to 16, got INPUT_BITS=17"):
        LabelledInputs(np.zeros((1, 1), int), np.zeros(1, int), Format(17, signed=False))


# Whole or not at all


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file_bytes(LAYER, path)

    def full_disk(stream: BinaryIO, *_: object, **__: object) -> None:
        stream.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(archive.np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="No space left"):
        LAYER.save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_small_file_that_inflates_past_all_measure_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYER.save(path)
    monkeypatch.setattr(archive, "LARGEST", 100)
    with pytest.raises(InputError, match="damaged or of another kind"):
        QuantLayer.load(path)


def test_what_members_inflate_to_is_counted_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYER.save(path)
    with zipfile.ZipFile(path) as archived:
        total = sum(member.file_size for member in archived.infolist())
    monkeypatch.setattr(archive, "LARGEST", total)
    assert content(QuantLayer.load(path)) == content(LAYER)
    monkeypatch.setattr(archive, "LARGEST", total - 1)
    refused(QuantLayer, path, "damaged or of another kind")


def test_two_processes_that_write_one_file_do_not_meet(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with archive.whole_file(path) as mine:
        mine.write_bytes(b"mine")
        monkeypatch.setattr(archive.os, "getpid", lambda: 0)
        with archive.whole_file(path) as theirs:
            theirs.write_bytes(b"theirs")
            assert {mine.name[0], theirs.name[0]} == {"."}
        assert path.read_bytes() == b"theirs"
    assert path.read_bytes() == b"mine"
    assert list(path.parent.iterdir()) == [path]


def test_a_save_over_a_directory_leaves_nothing(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        LAYER.save(path)
    assert list(path.parent.iterdir()) == [path]


def test_what_json_cannot_say_is_not_saved(path: Path) -> None:
    layer = QuantLayer(np.ones((1, 1), int), 4, Format(8, signed=True), origin={"by": object()})
    with pytest.raises(TypeError):
        layer.save(path)
    assert not path.exists()
