"""Pictures of more than 8 bits, or of a range of their own."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.datasets import Reading
from keras_mnist_ae.datasets.reading import Fit
from keras_mnist_ae.errors import DataError
from keras_mnist_ae.export.infer import reading_of
from keras_mnist_ae.export.inputs import reading as given_to_infer
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.runs.reading import trained_reading

RNG = np.random.default_rng(7)


def numbers(kind, low, high, channels=()):
    array = RNG.uniform(low, high, (8, 9, 7, *channels)).astype(kind)
    array.reshape(-1)[:2] = low, high
    return array


def tiffs(folder, images, **options):
    for at, image in enumerate(images):
        tifffile.imwrite(folder / f"{at}.tif", image, **options)


def scaled(images, low, high):
    return np.rint((images.astype(np.float64) - low) * 255 / (high - low)).astype(np.uint8)


def read(folder, **reading):
    data = datasets.load(folder, reading=Reading(**reading))
    return np.concatenate([data.train.images, data.test.images])


def alike(found, expected):
    expected = expected.reshape(*expected.shape[:3], -1)
    return sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in expected)


COLOURS = {"photometric": "rgb"}
GREYS = {
    "12 bits": (numbers("u2", 0, 4095), {}, {}, (0, 4095)),
    "32 bits": (numbers("u4", 0, 100_000), {}, {"value_range": (0, 100_000)}, (0, 100_000)),
    "signed": (numbers("i2", -1000, 3000), {}, {"value_range": (-1000, 3000)}, (-1000, 3000)),
    "float64": (numbers("f8", 0, 1), {}, {"value_range": (0, 1)}, (0, 1)),
    "packed": (numbers("u2", 0, 4095), {"compression": "zlib"}, {}, (0, 4095)),
    "12 bits in colour": (numbers("u2", 0, 4095, (3,)), COLOURS, {}, (0, 4095)),
    "float32 in colour": (numbers("f4", -1, 1, (3,)), COLOURS, {"value_range": (-1, 1)}, (-1, 1)),
}


@pytest.mark.parametrize("name", GREYS)
def test_numbers_of_a_tiff_keep_their_range(tmp_path, name):
    images, options, reading, ends = GREYS[name]
    tiffs(tmp_path, images, **options)
    assert alike(read(tmp_path, **reading), scaled(images, *ends))


@pytest.mark.parametrize("name", GREYS)
def test_pages_of_a_tiff_too(tmp_path, name):
    images, options, reading, ends = GREYS[name]
    tifffile.imwrite(tmp_path / "stack.tif", images, **({"photometric": "minisblack"} | options))
    assert alike(read(tmp_path / "stack.tif", **reading), scaled(images, *ends))


def test_planes_are_channels(tmp_path):
    images = numbers("u2", 0, 65535, (3,))
    tiffs(tmp_path, images.transpose(0, 3, 1, 2), planarconfig="separate", **COLOURS)
    assert alike(read(tmp_path), (images >> 8).astype(np.uint8))


def test_white_is_zero(tmp_path):
    images = numbers("u2", 0, 65535)
    tiffs(tmp_path, images, photometric="miniswhite")
    assert alike(read(tmp_path), 255 - (images >> 8).astype(np.uint8))


def test_alpha_lies_over_white(tmp_path):
    images = numbers("u2", 0, 65535, (4,))
    images[..., 3] = 0
    tiffs(tmp_path, images, extrasamples=["unassalpha"], **COLOURS)
    assert (read(tmp_path) == 255).all()


def test_a_deep_tiff_is_turned_upright(tmp_path):
    images = numbers("u2", 0, 65535)
    tiffs(tmp_path, images, extratags=[(274, "H", 1, 6, True)])  # a quarter to the right
    assert alike(read(tmp_path), np.rot90((images >> 8).astype(np.uint8), -1, (1, 2)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (numbers("u4", 0, 100_000), "8 of 8 pictures .* holds values from .* --range|range=LOW:HIGH"),
        (numbers("i2", -1000, 3000), "say their range"),
        (numbers("f4", 0, 1), "floating point numbers; say their range"),
    ],
)
def test_a_range_that_nothing_tells_is_asked_for(tmp_path, images, message):
    tiffs(tmp_path, images)
    with pytest.raises(DataError, match=message):
        read(tmp_path)
    tifffile.imwrite(tmp_path / "stack.tif", images, photometric="minisblack")
    with pytest.raises(DataError, match=message.split(" .* ")[-1]):
        read(tmp_path / "stack.tif")


def test_channels_that_are_no_colours_are_left_out(tmp_path, capsys):
    tiffs(tmp_path, numbers("u2", 0, 65535, (3,)), **COLOURS)
    tifffile.imwrite(tmp_path / "cmyk.tif", numbers("u2", 0, 9, (4,))[0], photometric="separated")
    assert len(read(tmp_path)) == 8
    assert "cmyk.tif (it has 4 channels (SEPARATED), neither grey nor RGB)" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_range_holds_for_pictures_of_8_bits(tmp_path, capsys, mode):
    images = RNG.integers(0, 2, (8, 9, 7, 3) if mode == "RGB" else (8, 9, 7), dtype=np.uint8)
    for at, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{at}.png")
    assert read(tmp_path).max() == 1
    assert "no pixel is above 1 of 255; if 1 is white, say so: --range 0:1" in capsys.readouterr().err
    assert alike(read(tmp_path, value_range=(0, 1)), images * 255)
    with pytest.raises(DataError, match="values from 0 to 1; the range is 0.2:1"):
        read(tmp_path, value_range=(0.2, 1))


def test_dark_arrays_are_told(tmp_path, capsys):
    np.save(tmp_path / "a.npy", RNG.integers(0, 11, (8, 9, 7), dtype=np.uint8))
    read(tmp_path / "a.npy")
    assert "no pixel is above 10 of 255" in capsys.readouterr().err


def png(path, array):
    """16 bits a channel in colour, which Pillow does not write."""
    height, width, channels = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
            for name, content in parts
        )
    )


def test_colours_of_16_bits_in_png_keep_their_range(tmp_path):
    images = numbers("u2", 0, 65535, (3,))
    for at, image in enumerate(images):
        png(tmp_path / f"{at}.png", image)
    found, expected = read(tmp_path, value_range=(0, 65535)), scaled(images, 0, 65535)
    assert sorted(found.mean((1, 2, 3))) == pytest.approx(sorted(expected.mean((1, 2, 3))), abs=1)


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize(("top", "reading"), [(255, {}), (4095, {}), (1000, {"value_range": (0, 1000)})])
def test_colours_whose_lower_bits_are_dropped_are_refused(tmp_path, channels, top, reading):
    for at, image in enumerate(numbers("u2", 0, top, (channels,))):
        png(tmp_path / f"{at}.png", image)
    with pytest.raises(DataError, match="of its 16 bits only the upper 8 can be read"):
        read(tmp_path, **reading)


def test_a_dark_picture_among_bright_ones_of_16_bits_is_kept(tmp_path):
    for at, image in enumerate(numbers("u2", 0, 65535, (3,))):
        png(tmp_path / f"{at}.png", image // 256 if at == 5 else image)
    assert len(read(tmp_path)) == 8


def test_grey_with_alpha_of_16_bits_is_grey(tmp_path):
    for at, image in enumerate(numbers("u2", 0, 65535, (2,))):
        png(tmp_path / f"{at}.png", image)
    assert read(tmp_path).shape[-1] == 1


def test_a_range_is_of_the_numbers_in_a_pgm(tmp_path):
    images = numbers("u2", 0, 4095)
    for at, image in enumerate(images):
        (tmp_path / f"{at}.pgm").write_bytes(b"P5 7 9 4095\n" + image.astype(">u2").tobytes())
    assert alike(read(tmp_path, value_range=(0, 4095)), scaled(images, 0, 4095))
    for at, image in enumerate(images // 5):
        (tmp_path / f"{at}.pgm").write_bytes(b"P5 7 9 4095\n" + image.astype(">u2").tobytes())
    assert alike(read(tmp_path, value_range=(0, 1000)), scaled(images // 5, 0, 1000))


def test_bars_are_black_whatever_is_inverted(tmp_path):
    image = RNG.integers(0, 256, (6, 12, 24), dtype=np.uint8)
    np.save(tmp_path / "a.npy", image)
    (tmp_path / "p").mkdir()
    for at, one in enumerate(image):
        Image.fromarray(one).save(tmp_path / "p" / f"{at}.png")
    asked = {"size": Fit(24, 24), "mode": "pad", "invert": True}
    assert alike(read(tmp_path / "a.npy", **asked), read(tmp_path / "p", **asked))
    assert not read(tmp_path / "p", **asked)[:, :5].any()


def test_a_run_reads_others_with_the_depth_of_its_own(tmp_path):
    """A dark picture of 12 bits does not turn bright, in a run as in its export."""
    images = numbers("u2", 0, 4095)
    for name, these in (("own", images), ("dark", images // 32)):
        (tmp_path / name).mkdir()
        tiffs(tmp_path / name, these)
    run = kae.train("conv", tmp_path / "own", resize="28", epochs=1, runs_dir=tmp_path, name="run")
    export = run.export_onnx()
    assert reading_of(OnnxAutoencoder(export).info).depth == trained_reading(run).depth == (0, 4095)
    expected = int(scaled(images // 32, 0, 4095).max())
    for reading in (trained_reading(run), reading_of(OnnxAutoencoder(export).info)):
        asked = reading.changed((28, 28, 1), {})
        with given_to_infer(str(tmp_path / "dark"), ["image"], (28, 28, 1), asked) as given:
            found = np.concatenate([chunk.arrays["image"] for chunk in given.chunks])
        assert int(found.max()) == pytest.approx(expected, abs=1)
