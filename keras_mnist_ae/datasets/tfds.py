"""TensorFlow Datasets: a builder of ours that needs no TensorFlow for the IDX sets, and any other
image dataset of theirs as arrays.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import NDArray
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.registered import DatasetNotFoundError

from ..errors import DataError, UsageError
from ..system import signals
from ..system.hints import did_you_mean
from .idx import IDX_SETS, Arrays, read_set
from .tfds_limits import bounded_network, explained, quiet

BATCH = 250  # records: one at a time, MNIST takes 13 s instead of 5


class _Info(tfds.core.DatasetInfo):
    def initialize_from_bucket(self) -> None:
        """Asks nobody: TFDS' own, although switched off, leaves an empty folder among the temporary
        files each time.
        """


class KaeIdx(tfds.core.GeneratorBasedBuilder):
    """The IDX sets, one config each: unzipped by us, stored as tensors in the published order (PNG
    reads three times slower).
    """

    name = "kae_idx"
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  (TFDS reads it from the class)
        tfds.core.BuilderConfig(name=name, description=known.title) for name, known in IDX_SETS.items()
    ]

    @property
    def url_infos(self) -> dict[str, UrlInfo]:
        """Size and sha256 of the published archives: what TFDS checks downloads against."""
        known = IDX_SETS[self.builder_config.name]
        return {
            f"{known.url}{file.name}.gz": UrlInfo(file.gz_bytes, file.gz_sha256, f"{file.name}.gz")
            for file in known.files
        }

    def _info(self) -> tfds.core.DatasetInfo:
        known = IDX_SETS[self.builder_config.name]
        image = tfds.features.Tensor(shape=(*known.files[0].shape[1:], 1), dtype=np.uint8, encoding="bytes")
        features = {"image": image, "label": tfds.features.ClassLabel(names=known.classes)}
        return _Info(builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        known = IDX_SETS[self.builder_config.name]
        paths = dl_manager.download(list(self.url_infos))
        train_images, train_labels, test_images, test_labels = read_set([Path(path) for path in paths], known)
        return {
            "train": self._generate_examples(train_images, train_labels),
            "test": self._generate_examples(test_images, test_labels),
        }

    def _generate_examples(
        self, images: NDArray[Any], labels: NDArray[Any] | None
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        assert labels is not None
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": image, "label": int(label)}


def builder(name: str, folder: Path) -> Any:
    """The builder, at home in `folder`, of one of `IDX_SETS` (ours) or of tfds:NAME (theirs).

    Raises `UsageError` for a name that TFDS does not know and `DataError` for a dataset without
    images of one size.
    """
    with quiet(), explained(name):
        if name in IDX_SETS:
            return KaeIdx(config=name, data_dir=folder)
        stock = name.removeprefix("tfds:")
        try:
            found = tfds.builder(stock, data_dir=folder)
        except DatasetNotFoundError as error:
            hint = did_you_mean(
                name, [f"tfds:{each}" for each in tfds.list_builders(with_community_datasets=False)]
            )
            raise UsageError(
                f"TensorFlow Datasets has no dataset {stock!r}{hint}\n"
                "Their names: https://www.tensorflow.org/datasets/catalog/overview"
            ) from error
        features = _features(found)
        image = features.get("image")
        if image is None or len(image.shape) != 3 or None in image.shape or image.np_dtype != np.uint8:
            has = " ".join(str(found.info.features).split())
            raise DataError(
                f"{name} has no feature 'image' of type uint8 and one height x width x channels.\n"
                f"It has: {has[:300]}"
            )
        return found


def is_prepared(builder: Any) -> bool:
    with quiet():
        return bool(builder.is_prepared())


def prepare(builder: Any) -> None:
    """Download, check and store a dataset in its folder: whole, or not at all.

    Raises `DataError` with one line, the reason, when a download fails; `WriteError` when the
    folder cannot be written; `MissingDependencyError`. A failed download leaves nothing that would
    be taken for good, and can simply be repeated.
    """
    folder = Path(builder.data_dir_root)
    ours = isinstance(
        builder, KaeIdx
    )  # the archives of ours are not kept; others may want files that the user put beside theirs
    source = IDX_SETS[builder.builder_config.name].url if ours else builder.name
    tidy = _removed_on_failure(folder, Path(builder.data_dir))
    with signals.unfinished(), tidy, quiet(), bounded_network(), explained(source, writes=folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".download-", dir=folder, ignore_cleanup_errors=True
        ) as downloads:
            config = tfds.download.DownloadConfig(try_download_gcs=False, force_checksums_validation=ours)
            builder.download_and_prepare(
                download_dir=downloads if ours else None, download_config=config, file_format="array_record"
            )


def read(builder: Any) -> tuple[Arrays, tuple[str, ...]]:
    """All images and labels of a prepared dataset, and the names of its classes. The test images
    are split test, else validation.

    Raises `DataError` for a dataset without these splits or with damaged files.
    """
    splits = builder.info.splits
    test = next((split for split in ("test", "validation") if split in splits), None)
    if "train" not in splits or test is None:
        raise DataError(
            f"{builder.name} has no splits train and test (or validation).\n"
            f"It has: {', '.join(splits) or 'none'}"
        )
    with quiet(), explained(f"{builder.data_dir} cannot be read; remove it to have it prepared anew"):
        arrays = (*_split(builder, "train"), *_split(builder, test))
    return arrays, tuple(getattr(_features(builder).get("label"), "names", None) or ())


def _features(builder: Any) -> dict[str, Any]:
    return dict(builder.info.features.items())


def _split(builder: Any, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Images uint8 of shape (n, H, W, C); labels int64 of shape (n,), None where the dataset has no
    class labels.
    """
    features = _features(builder)
    images = np.empty((builder.info.splits[split].num_examples, *features["image"].shape), np.uint8)
    labels = (
        np.empty(len(images), np.int64)
        if isinstance(features.get("label"), tfds.features.ClassLabel)
        else None
    )
    source = builder.as_data_source(split)
    for start in range(0, len(images), BATCH):
        batch = range(start, min(start + BATCH, len(images)))
        for index, record in zip(batch, source.__getitems__(batch), strict=True):
            images[index] = record["image"]
            if labels is not None:
                labels[index] = record["label"]
    return images, labels


@contextmanager
def _removed_on_failure(*folders: Path) -> Iterator[None]:
    """Remove those of the folders that were not there before: TFDS makes them, and files in them,
    before it asks the network.
    """
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in new:
            shutil.rmtree(folder, ignore_errors=True)
        raise
