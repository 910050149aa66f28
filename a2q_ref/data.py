"""Handwritten digits as integers: scikit-learn's 1797 images of 8x8, or MNIST from its own files.

The files of MNIST are data to distrust: what is missing, damaged or of another kind is refused in
one sentence, and no header makes the reader allocate or inflate more than 2^28 bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

from golden.integer import Format, InputError, IntArray
from golden.layer import LabelledInputs

_TEST_EVERY = 5

_PARTS = {"train": "train", "test": "t10k"}  # each part with the first word of its file names
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_UNSIGNED_BYTE = 0x08
_MOST_BYTES = 1 << 28  # of one file, which take up to 17 times as much on the way; MNIST has 2^25.5
_MOST_PIXELS = 1 << 16  # of one image: the widest layer there is


@dataclass(frozen=True)
class Dataset:
    """Images of the digits 0 to 9, one image per vector, to train and to test with."""

    name: str  # "digits" or "mnist"
    train: LabelledInputs
    test: LabelledInputs

    classes = 10


def load(folder: Path | None = None, bits: int = 8) -> Dataset:
    """Return scikit-learn's digits, or the MNIST that lies in ``folder``, as unsigned integers.

    Errors: InputError if ``bits`` is not 1 to 16, or if a file is missing, damaged or of another
    kind; the message names the file.
    """
    if type(bits) is not int or not 1 <= bits <= 16:
        raise InputError(f"bits must be 1 to 16, got {bits!r}")
    inputs = Format(bits, signed=False)
    return _digits(inputs) if folder is None else _mnist(folder, inputs)


def _digits(inputs: Format) -> Dataset:
    """Return 1437 and 360 images of 64 pixels.

    Every fifth image, from the first on, is a test image: a split without a random number.
    """
    pixels, labels = load_digits(return_X_y=True)
    scaled, rule = _scale(16, inputs)  # its pixels count the ink in 4x4 blocks
    values = scaled[pixels.astype(np.int64)]
    is_test = np.arange(len(values)) % _TEST_EVERY == 0
    origin = {
        "data": f"scikit-learn load_digits, {rule}",
        "test": f"index % {_TEST_EVERY} == 0",
    }
    train, test = (
        LabelledInputs(values[part], labels[part], inputs, {**origin, "part": name})
        for part, name in ((~is_test, "train"), (is_test, "test"))
    )
    return Dataset("digits", train, test)


def _mnist(folder: Path, inputs: Format) -> Dataset:
    scaled, rule = _scale(255, inputs)
    files = _find(folder)
    parts: dict[str, LabelledInputs] = {}
    size: tuple[int, ...] | None = None
    for part, word in _PARTS.items():
        images_path, labels_path = files[f"{word}-{_IMAGES}"], files[f"{word}-{_LABELS}"]
        images, labels = _read(images_path, ndim=3), _read(labels_path, ndim=1)
        if len(labels) != len(images):
            raise InputError(
                f"{labels_path} must have one label for each of the {len(images)} images in "
                f"{images_path.name}, got {len(labels)}"
            )
        if (highest := int(labels.max())) >= Dataset.classes:
            raise InputError(f"{labels_path} must hold labels 0 to 9, got {highest}")
        size = size or images.shape[1:]
        if images.shape[1:] != size:
            raise InputError(
                f"{images_path} must have images of {_times(size)} pixels, as those to train "
                f"with, got {_times(images.shape[1:])}"
            )
        origin = {
            "data": f"MNIST idx, {rule}",
            "part": part,
            "sha256": hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
        }
        values = scaled[images.reshape(len(images), -1)]
        parts[part] = LabelledInputs(values, labels.astype(np.int64), inputs, origin)
    return Dataset("mnist", **parts)


def _find(folder: Path) -> dict[str, Path]:
    """Return the path of each of the four files; plain before .gz, a dash before a dot."""
    try:
        present = {entry.name for entry in folder.iterdir() if entry.is_file()}
    except OSError as error:
        raise InputError(
            f"{folder} must be a folder that holds MNIST, got: {error.strerror}"
        ) from error
    names = [f"{word}-{kind}" for word in _PARTS.values() for kind in (_IMAGES, _LABELS)]
    paths = {}
    for name in names:
        dotted = name.replace("-idx", ".idx")
        spellings = (name, dotted, f"{name}.gz", f"{dotted}.gz")
        found = next((spelling for spelling in spellings if spelling in present), None)
        if found is None:
            raise InputError(
                f"{folder} must hold {', '.join(names)}, each plain or as .gz, got no {name}"
            )
        paths[name] = folder / found
    return paths


def _read(path: Path, ndim: int) -> npt.NDArray[np.uint8]:
    """Return the array of unsigned bytes in an idx file, plain or .gz.

    A header is the magic number (0, 0, element type, ndim) and one big-endian size per dimension.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            sizes = _sizes(path, stream.read(4 + 4 * ndim), ndim)
            promised = math.prod(sizes)
            content = stream.read(promised + 1)  # one more, to notice that there is more
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be readable and undamaged, got: {error}") from error
    if len(content) != promised:
        given = f"{promised + 1} or more" if len(content) > promised else len(content)
        raise InputError(
            f"{path} must hold {promised} bytes after its header, which promises "
            f"{_times(sizes)}, got {given}"
        )
    return np.frombuffer(content, np.uint8).reshape(sizes)


def _sizes(path: Path, header: bytes, ndim: int) -> tuple[int, ...]:
    """Return the size of each dimension, for a header that may be believed."""
    length = 4 + 4 * ndim
    if len(header) < length:
        raise InputError(f"{path} must begin with a header of {length} bytes, got {len(header)}")
    zeros, element, dimensions, *sizes = struct.unpack(f">HBB{ndim}I", header)
    if (zeros, dimensions) != (0, ndim):
        raise InputError(
            f"{path} must begin with the magic number 00 00 08 {ndim:02x}, "
            f"got {header[:4].hex(' ')}"
        )
    if element != _UNSIGNED_BYTE:
        raise InputError(
            f"{path} must hold unsigned bytes, which are element type 0x08, got 0x{element:02x}"
        )
    if 0 in sizes:
        raise InputError(f"{path} must have no dimension of size 0, got {_times(sizes)}")
    if (promised := math.prod(sizes)) > _MOST_BYTES:
        raise InputError(
            f"{path} must promise at most {_MOST_BYTES} bytes, got {_times(sizes)} = {promised}"
        )
    if (pixels := math.prod(sizes[1:])) > _MOST_PIXELS:
        raise InputError(
            f"{path} must have images of at most {_MOST_PIXELS} pixels, got {_times(sizes[1:])} "
            f"= {pixels}"
        )
    return tuple(sizes)


def _times(sizes: Iterable[int]) -> str:
    return "x".join(map(str, sizes))


def _scale(pixel_maximum: int, inputs: Format) -> tuple[IntArray, str]:
    """Return the integer of each pixel 0 to ``pixel_maximum``, and the rule in words."""
    half = pixel_maximum // 2
    pixels = np.arange(pixel_maximum + 1, dtype=np.int64)
    return (
        (pixels * inputs.maximum + half) // pixel_maximum,
        f"pixel p of 0..{pixel_maximum} as (p * {inputs.maximum} + {half}) // {pixel_maximum}",
    )
