"""Exported graphs over a `ray.data.Dataset`. Needs the extra `ray`, on every machine."""

import io
import os
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..datasets.decoding import Decoder
from ..datasets.opening import pillow_unheard
from ..datasets.reading import Fit, Reading, ReadingOptions, scaled
from ..datasets.resize import fitted_array
from ..errors import DataError, reason
from .infer import graphs_of, ports_and_names
from .inputs import stacked
from .runtime import OnnxAutoencoder
from .streams import CHUNK


class Encode:
    """The codes of images, for `ray.data.Dataset.map_batches`: each actor loads the graphs once and
    computes on one thread.

    A batch comes back without the images and with `latent`, float32 of shape (n, d); for a variant
    with pooling switches also with these, uint8 of shape (n, h, w, c). The bits are those of `kae
    infer encode`.

    Args:
        folder: a folder of graphs, or the name or path of a run with an export, where every machine
            finds it.
        column: of the images: arrays (H, W, C) or (H, W), as `ray.data.read_images` gives them, or
            encoded pictures as bytes, as `ray.data.read_binary_files` gives them, or as {"bytes":
            ...}, as datasets of the Hugging Face hub have them.
        reading: what is read otherwise than the run's own images: see `ReadingOptions`.

    Raises:
        UsageError: There is no such run or export.
        DataError: An image is broken or does not fit the graphs.

    Examples:
        Codes of a folder of pictures, by two actors:

            import ray
            from keras_mnist_ae.export.ray import Encode

            pictures = ray.data.read_images("pictures/", include_paths=True)
            codes = pictures.map_batches(
                Encode, fn_constructor_args=["runs/my-run"], concurrency=2, num_cpus=0.5
            )
            codes.write_parquet("codes/")
    """

    def __init__(
        self, folder: str | os.PathLike[str], column: str = "image", **reading: Unpack[ReadingOptions]
    ) -> None:
        model, asked = graphs_of(os.fspath(folder), Path("runs"))
        self._model = OnnxAutoencoder(model.folder, threads=1, chunk=CHUNK)
        self._names = ports_and_names("encode", model.info)[1]
        self._column = column
        self._image = _Image(model.info.image, asked.changed(model.info.image, reading))

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, Any]:
        if self._column not in batch:
            raise DataError(f"there is no column {self._column!r}: the batch has {', '.join(batch)}.")
        rest = {name: values for name, values in batch.items() if name != self._column}
        with pillow_unheard():
            images = [self._image(item) for item in batch[self._column]]
        codes = self._model.encode(stacked(images, self._model.info.image))
        parts = codes if isinstance(codes, list) else [codes]
        return {**rest, **dict(zip(self._names, parts, strict=True))}


class _Image:
    """From an item of a column to the image that the graphs take."""

    def __init__(self, shape: tuple[int, ...], asked: Reading) -> None:
        height, width, channels = shape
        self._size = Fit(height, width, channels)
        self._asked = asked
        self._decode = Decoder((height, width, channels), asked)

    def __call__(self, item: Any) -> NDArray[Any]:
        try:
            if isinstance(item, dict):
                item = item["bytes"]
            if isinstance(item, bytes | bytearray | memoryview):
                return self._decode(io.BytesIO(bytes(item)))
            return self._array(np.asarray(item))
        except (OSError, ValueError, KeyError, SyntaxError) as error:  # of Pillow's readers
            raise DataError(f"an image cannot be read: {reason(error, 200)}") from error

    def _array(self, image: NDArray[Any]) -> NDArray[Any]:
        image, asked = image[..., np.newaxis] if image.ndim == 2 else image, self._asked
        if image.dtype.kind != "f" or asked.value_range or asked.size or asked.invert:
            image = scaled(image[np.newaxis], asked.value_range, "it")[0]
        image = 255 - image if asked.invert else image
        if asked.size and image.shape != self._size:
            image = fitted_array(image, self._size, asked.mode)
        if image.shape != self._size:
            shapes = ("x".join(map(str, shape)) for shape in (image.shape, self._size))
            raise ValueError("it is {}, the graphs take {}; fit it: resize=True".format(*shapes))
        return image
