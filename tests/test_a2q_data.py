"""Pixels become the promised integers, and a file of MNIST is whole or refused in one sentence."""

from __future__ import annotations

import errno
import gzip
import hashlib
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from a2q_ref import data
from golden.integer import Format, InputError

pytestmark = pytest.mark.torch

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# 52 images of 2x3 pixels: all 256 values of a pixel occur.
PIXELS = np.arange(52 * 2 * 3).reshape(52, 2, 3) % 256
ARRAYS = {
    TRAIN_IMAGES: PIXELS,
    TRAIN_LABELS: np.arange(52) % 10,
    TEST_IMAGES: 255 - PIXELS[:4],
    TEST_LABELS: np.array([9, 0, 3, 3]),
}


def idx(array: npt.ArrayLike, element: int = 0x08) -> bytes:
    """Return the bytes of an idx file."""
    content = np.array(array, np.uint8)
    sizes = struct.pack(f">{content.ndim}I", *content.shape)
    return bytes([0, 0, element, content.ndim]) + sizes + content.tobytes()


VALID = {name: idx(array) for name, array in ARRAYS.items()}
PROMISES_25_BYTES = VALID[TEST_IMAGES][:4] + struct.pack(">3I", 1, 5, 5)


BAD_CONTENT = {
    "labels for images": (
        TEST_IMAGES,
        VALID[TEST_LABELS] + bytes(4),
        "must begin with the magic number 00 00 08 03, got 00 00 08 01$",
    ),
    "images for labels": (
        TRAIN_LABELS,
        VALID[TEST_IMAGES],
        "must begin with the magic number 00 00 08 01, got 00 00 08 03$",
    ),
    "gz under another name": (
        TRAIN_IMAGES,
        gzip.compress(VALID[TRAIN_IMAGES]),
        "must begin with the magic number 00 00 08 03, got 1f 8b 08 00$",
    ),
    "no zeros in front": (
        TEST_LABELS,
        b"\1" + VALID[TEST_LABELS][1:],
        "must begin with the magic number 00 00 08 01, got 01 00 08 01$",
    ),
    "floats": (
        TEST_LABELS,
        idx([1, 2, 3, 4], element=0x0D),
        "must hold unsigned bytes, which are element type 0x08, got 0x0d$",
    ),
    "nothing": (TEST_IMAGES, b"", "must begin with a header of 16 bytes, got 0$"),
    "images' header cut": (
        TEST_IMAGES,
        VALID[TEST_IMAGES][:15],
        "must begin with a header of 16 bytes, got 15$",
    ),
    "labels' header cut": (
        TEST_LABELS,
        VALID[TEST_LABELS][:7],
        "must begin with a header of 8 bytes, got 7$",
    ),
    "a pixel too few": (
        TEST_IMAGES,
        VALID[TEST_IMAGES][:-1],
        "must hold 24 bytes after its header, which promises 4x2x3, got 23$",
    ),
    "a byte too many": (
        TEST_LABELS,
        VALID[TEST_LABELS] + b"\0",
        "must hold 4 bytes after its header, which promises 4, got 5 or more$",
    ),
    "a label too few": (
        TEST_LABELS,
        idx([1, 2, 3]),
        f"must have one label for each of the 4 images in {TEST_IMAGES}, got 3$",
    ),
    "label 10": (TEST_LABELS, idx([0, 9, 10, 1]), "must hold labels 0 to 9, got 10$"),
    "no label": (TEST_LABELS, idx([]), "must have no dimension of size 0, got 0$"),
    "no image": (
        TRAIN_IMAGES,
        idx(np.zeros((0, 2, 3))),
        "must have no dimension of size 0, got 0x2x3$",
    ),
    "no row": (
        TRAIN_IMAGES,
        idx(np.zeros((52, 0, 3))),
        "must have no dimension of size 0, got 52x0x3$",
    ),
    "no column": (
        TRAIN_IMAGES,
        idx(np.zeros((52, 2, 0))),
        "must have no dimension of size 0, got 52x2x0$",
    ),
    "other size to test": (
        TEST_IMAGES,
        idx(np.zeros((4, 3, 2))),
        "must have images of 2x3 pixels, as those to train with, got 3x2$",
    ),
    "a product past 64 bits": (
        TRAIN_IMAGES,
        VALID[TRAIN_IMAGES][:4] + b"\xff" * 12,
        "must promise at most 268435456 bytes, "
        f"got 4294967295x4294967295x4294967295 = {(2**32 - 1) ** 3}$",
    ),
    "2^28 + 1 labels": (
        TRAIN_LABELS,
        VALID[TRAIN_LABELS][:4] + struct.pack(">I", 2**28 + 1),
        "must promise at most 268435456 bytes, got 268435457 = 268435457$",
    ),
}


def with_files(folder: Path) -> Path:
    """Write the four files, plain."""
    for name, content in VALID.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return with_files(tmp_path)


def facts(dataset: data.Dataset) -> list[object]:
    """Return all that there is to compare."""
    return [dataset.name, dataset.classes] + [
        (part.values.tolist(), part.labels.tolist(), part.inputs, part.origin)
        for part in (dataset.train, dataset.test)
    ]


def refused(folder: Path, file: str, message: str) -> None:
    """Loading ends in one sentence that names the file."""
    with pytest.raises(InputError, match=message) as caught:
        data.load(folder)
    assert str(caught.value).startswith(str(folder / file))
    assert "\n" not in str(caught.value)


class TestDigits:
    def test_pixels_and_split(self) -> None:
        digits = data.load()
        training, test = digits.train, digits.test
        assert (digits.name, digits.classes) == ("digits", 10)
        assert (training.values.shape, test.values.shape) == ((1437, 64), (360, 64))
        assert training.inputs == test.inputs == Format(8, signed=False)
        assert set(np.unique(training.values)) == {(p * 255 + 8) // 16 for p in range(17)}
        assert test.labels[:4].tolist() == [0, 5, 0, 5]

    def test_origin(self) -> None:
        digits = data.load()
        story = {
            "data": "scikit-learn load_digits, pixel p of 0..16 as (p * 255 + 8) // 16",
            "test": "index % 5 == 0",
        }
        assert digits.train.origin == {**story, "part": "train"}
        assert digits.test.origin == {**story, "part": "test"}

    @pytest.mark.parametrize("bits", [1, 4, 16])
    def test_other_widths(self, bits: int) -> None:
        maximum = 2**bits - 1
        wide, narrow = data.load(bits=16).train, data.load(bits=bits).train
        assert narrow.inputs == Format(bits, signed=False)
        assert narrow.origin["data"].endswith(f"as (p * {maximum} + 8) // 16")
        pixels = (wide.values * 16 + 8) // 65535
        assert (pixels.min(), pixels.max()) == (0, 16)
        assert (narrow.values == (pixels * maximum + 8) // 16).all()

    @pytest.mark.parametrize("bits", [0, 17, -1, True, 8.0, "8"])
    def test_refuses_other_bits(self, bits: int, folder: Path) -> None:
        for where in (None, folder):
            with pytest.raises(InputError, match=f"^bits must be 1 to 16, got {bits!r}$"):
                data.load(where, bits=bits)


class TestMnist:
    def test_values_and_labels(self, folder: Path) -> None:
        mnist = data.load(folder)
        assert (mnist.name, mnist.classes) == ("mnist", 10)
        for part, images, labels in (
            (mnist.train, TRAIN_IMAGES, TRAIN_LABELS),
            (mnist.test, TEST_IMAGES, TEST_LABELS),
        ):
            assert part.inputs == Format(8, signed=False)
            # Every pixel is itself in 8 bits, and the rows of an image follow each other.
            assert part.values.tolist() == [
                [int(pixel) for row in image for pixel in row] for image in ARRAYS[images]
            ]
            assert part.labels.tolist() == ARRAYS[labels].tolist()

    @pytest.mark.parametrize("bits", [1, 4, 8, 16])
    def test_widths(self, folder: Path, bits: int) -> None:
        maximum = 2**bits - 1
        training = data.load(folder, bits).train
        assert training.inputs == Format(bits, signed=False)
        assert training.values.ravel().tolist() == [
            (int(p) * maximum + 127) // 255 for p in PIXELS.ravel()
        ]
        assert set(training.values[:, 0]) <= set(range(maximum + 1))

    def test_origin(self, folder: Path) -> None:
        mnist = data.load(folder, bits=4)
        for part, name, images, labels in (
            (mnist.train, "train", TRAIN_IMAGES, TRAIN_LABELS),
            (mnist.test, "test", TEST_IMAGES, TEST_LABELS),
        ):
            assert part.origin == {
                "data": "MNIST idx, pixel p of 0..255 as (p * 15 + 127) // 255",
                "part": name,
                "sha256": hashlib.sha256(VALID[images][16:] + VALID[labels][8:]).hexdigest(),
            }

    @pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
    @pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
    def test_names(self, folder: Path, zipped: bool, dotted: bool) -> None:
        expected = facts(data.load(folder))
        for name, content in VALID.items():
            (folder / name).unlink()
            spelled = name.replace("-idx", ".idx") if dotted else name
            if zipped:
                (folder / f"{spelled}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / spelled).write_bytes(content)
        assert facts(data.load(folder)) == expected

    def test_plain_goes_before_gz_and_a_folder_is_no_file(self, folder: Path) -> None:
        expected = facts(data.load(folder))
        for name in VALID:
            (folder / f"{name}.gz").write_bytes(b"never read")
        (folder / TEST_LABELS).rename(folder / "t10k-labels.idx1-ubyte")
        (folder / TEST_LABELS).mkdir()
        assert facts(data.load(folder)) == expected

    def test_one_image_of_one_pixel_is_enough(self, folder: Path) -> None:
        for images, labels in ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)):
            (folder / images).write_bytes(idx([[[7]]]))
            (folder / labels).write_bytes(idx([9]))
        assert data.load(folder).test.values.tolist() == [[7]]

    def test_the_largest_promise_is_kept(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(data, "_MOST_BYTES", PIXELS.size)
        data.load(folder)
        monkeypatch.setattr(data, "_MOST_BYTES", PIXELS.size - 1)
        refused(folder, TRAIN_IMAGES, "must promise at most 311 bytes, got 52x2x3 = 312$")


class TestRefusals:
    def test_folder(self, folder: Path) -> None:
        missing = folder / "nowhere"
        refused(missing, "", "must be a folder that holds MNIST, got: No such file or directory$")
        file = folder / TEST_IMAGES
        refused(file, "", "must be a folder that holds MNIST, got: Not a directory$")

    @pytest.mark.parametrize("name", VALID)
    def test_missing_file(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        refused(
            folder,
            "",
            "must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
            f"t10k-labels-idx1-ubyte, each plain or as .gz, got no {name}$",
        )

    @pytest.mark.parametrize(("name", "content", "message"), BAD_CONTENT.values(), ids=BAD_CONTENT)
    @pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
    def test_content(
        self, folder: Path, name: str, content: bytes, message: str, zipped: bool
    ) -> None:
        if zipped:
            (folder / name).unlink()
            name, content = f"{name}.gz", gzip.compress(content, mtime=0)
        (folder / name).write_bytes(content)
        refused(folder, name, message)

    def test_images_wider_than_any_unit(self, folder: Path) -> None:
        for width in (1 << 16, (1 << 16) + 1):
            for images, labels in ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)):
                (folder / images).write_bytes(idx(np.zeros((1, 1, width))))
                (folder / labels).write_bytes(idx([0]))
            if width == 1 << 16:
                assert data.load(folder).train.values.shape == (1, width)
        refused(folder, TRAIN_IMAGES, "must have images of at most 65536 pixels, got 1x65537")

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda packed: packed[:-1], "ended before the end-of-stream marker"),
            (lambda packed: packed[:12], "ended before the end-of-stream marker"),
            (lambda packed: packed[:-8] + bytes(8), "CRC check failed"),
            (lambda packed: packed[:10] + b"\xff" + packed[11:], "Error -3 while decompressing"),
            (lambda packed: packed + b"more", "Not a gzipped file"),
            (lambda _: VALID[TEST_IMAGES], "Not a gzipped file"),
        ],
        ids=["cut at the end", "cut early", "sum", "deflate", "something behind", "plain"],
    )
    def test_damaged_gz(self, folder: Path, damage: Callable[[bytes], bytes], message: str) -> None:
        (folder / TEST_IMAGES).unlink()
        (folder / f"{TEST_IMAGES}.gz").write_bytes(damage(gzip.compress(VALID[TEST_IMAGES])))
        refused(folder, f"{TEST_IMAGES}.gz", f"must be readable and undamaged, got: .*{message}")

    def test_unreadable(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def locked(path: Path, mode: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", locked)
        refused(folder, TRAIN_IMAGES, "must be readable and undamaged, got: .*Permission denied")

    def test_a_promise_over_the_largest_allocates_nothing(self, folder: Path) -> None:
        content = VALID[TRAIN_IMAGES][:4] + struct.pack(">3I", 1 << 10, 1 << 10, (1 << 10) + 1)
        (folder / TRAIN_IMAGES).write_bytes(content)
        assert peak_of_refusal(folder, TRAIN_IMAGES, "must promise at most") < 1 << 20

    def test_a_bomb_is_not_inflated(self, folder: Path) -> None:
        (folder / TRAIN_IMAGES).unlink()
        bomb = gzip.compress(PROMISES_25_BYTES + bytes(1 << 25), compresslevel=1)
        (folder / f"{TRAIN_IMAGES}.gz").write_bytes(bomb)
        message = "must hold 25 bytes after its header, which promises 1x5x5, got 26 or more$"
        assert peak_of_refusal(folder, f"{TRAIN_IMAGES}.gz", message) < 1 << 20


def peak_of_refusal(folder: Path, file: str, message: str) -> int:
    """Return the most bytes that were allocated at a time until the file was refused."""
    tracemalloc.start()
    try:
        refused(folder, file, message)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@st.composite
def damaged(draw: st.DrawFn, content: bytes, header: int) -> bytes:
    """The content cut anywhere, or with any one byte of its header changed."""
    if draw(st.booleans()):
        return content[: draw(st.integers(0, len(content) - 1))]
    at = draw(st.integers(0, header - 1))
    return content[:at] + draw(st.binary(min_size=1, max_size=1)) + content[at + 1 :]


@given(
    drawn=st.data(),
    name=st.sampled_from(sorted(VALID)),
    form=st.sampled_from(["plain", "damaged, then gz", "gz, then damaged"]),
)
def test_damage_gives_the_same_data_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, drawn: st.DataObject, name: str, form: str
) -> None:
    folder = with_files(tmp_path_factory.mktemp("damaged"))
    expected = facts(data.load(folder))
    content, header = VALID[name], len(VALID[name]) - ARRAYS[name].size
    if form == "gz, then damaged":
        content, header = gzip.compress(content, mtime=0), 10
    content = drawn.draw(damaged(content, header))
    (folder / name).unlink()
    if form == "damaged, then gz":
        content = gzip.compress(content, mtime=0)
    (folder / (name if form == "plain" else f"{name}.gz")).write_bytes(content)
    try:
        outcome: list[object] | str = facts(data.load(folder))
    except InputError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        event(f"{form}: refused")
        assert outcome.startswith(str(folder))
        assert "\n" not in outcome
    else:
        event(f"{form}: same data")
        assert outcome == expected
