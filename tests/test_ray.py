"""The unit of work for Ray against `kae infer encode`, and the recipe of docs/howto/many.md where Ray
is installed.
"""

import io

import numpy as np
import pytest
from PIL import Image

import keras_mnist_ae as kae
from keras_mnist_ae.errors import DataError
from keras_mnist_ae.export.infer import infer
from keras_mnist_ae.export.ray import Encode

IMAGES = kae.datasets.load("digits").test.images[:40]


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def graphs(finished_runs, tmp_path_factory):
    """A function from a variant to the folder of its graphs, and the codes of IMAGES in a file."""

    def of(variant):
        folder = finished_runs(variant).export_onnx()
        work = tmp_path_factory.mktemp("codes")
        np.save(work / "images.npy", IMAGES)
        infer("encode", folder, work / "images.npy", work / "codes.npz")
        return folder, dict(np.load(work / "codes.npz"))

    return of


def column(items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    "made",
    [
        lambda: IMAGES,
        lambda: IMAGES[..., 0],
        lambda: IMAGES.astype(np.int64),
        lambda: column([*IMAGES]),
        lambda: column([encoded(image) for image in IMAGES]),
        lambda: column([{"bytes": encoded(image), "path": None} for image in IMAGES]),
    ],
    ids=["stacked", "without channels", "int64", "one by one", "bytes", "hub"],
)
def test_codes_are_those_of_infer(made, graphs):
    folder, expected = graphs("conv-unpool")
    batch = {"image": made(), "id": np.arange(40)}
    found = Encode(folder)(batch)
    assert list(found) == ["id", "latent", *(name for name in expected if name.startswith("switch"))]
    for name in ("latent", *(name for name in expected if name.startswith("switch"))):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_array_equal(found["id"], np.arange(40))


def test_pictures_of_other_sizes_are_fitted_as_infer_fits_them(graphs, tmp_path):
    folder, _ = graphs("mlp")
    pictures = [np.repeat(np.repeat(image, 2, 0), 3, 1) for image in IMAGES[:9]]
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(pictures):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(encoded(picture))
    options = {"resize": True, "fit": "pad", "invert": True}
    infer("encode", folder, tmp_path / "pictures", tmp_path / "codes.npz", **options)
    expected = np.load(tmp_path / "codes.npz")["latent"]
    encode = Encode(folder, "picture", **options)
    for items in (pictures, [encoded(picture) for picture in pictures]):
        np.testing.assert_array_equal(encode({"picture": column(items)})["latent"], expected)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"images": IMAGES}, "there is no column 'image': the batch has images"),
        ({"image": column([b"no picture"])}, "an image cannot be read: cannot identify"),
        ({"image": IMAGES[:, :14]}, "it is 14x28x1, the graphs take 28x28x1; fit it: resize=True"),
        ({"image": IMAGES.astype(np.float32)}, "values from 0 to 255|floating point in \\[0, 1\\]"),
        ({"image": column(["a.png"])}, "is of type <U5"),
    ],
)
def test_what_cannot_be_encoded_is_said(batch, said, graphs):
    with pytest.raises(DataError, match=said):
        Encode(graphs("mlp")[0])(batch)


def test_an_empty_batch_stays_empty(graphs):
    assert len(Encode(graphs("mlp")[0])({"image": IMAGES[:0]})["latent"]) == 0


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_the_recipe(graphs, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'ray[data]'")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    folder, expected = graphs("mlp")
    (tmp_path / "pictures").mkdir()
    for number, image in enumerate(IMAGES):
        (tmp_path / "pictures" / f"{number:02}.png").write_bytes(encoded(image))
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=10**8)
    try:
        pictures = ray.data.read_images(tmp_path / "pictures", include_paths=True)
        codes = pictures.map_batches(
            Encode, fn_constructor_args=[str(folder.absolute())], concurrency=2, num_cpus=0.5
        )
        codes.write_parquet(str(tmp_path / "codes"))
        rows = ray.data.read_parquet(str(tmp_path / "codes")).to_pandas().sort_values("path")
    finally:
        ray.shutdown()
    np.testing.assert_array_equal(np.stack(rows["latent"].to_list()), expected["latent"])
