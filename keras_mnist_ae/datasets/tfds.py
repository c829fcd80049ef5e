"""TensorFlow Datasets: a builder of ours that needs no TensorFlow for the IDX sets, and any other
image dataset of theirs as arrays.
"""

import io
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import requests
import tensorflow_datasets as tfds
from numpy.typing import NDArray
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError
from tensorflow_datasets.core.registered import DatasetNotFoundError

from ..errors import DataError, KaeError, MissingDependencyError, UsageError, WriteError
from ..system import signals
from .idx import IDX_SETS, Arrays, read_set

RETRIES = 1  # TFDS tries ten times, with pauses that add up to minutes
TIMEOUT = (10, 30)  # seconds to connect, seconds between two bytes; TFDS has no limit of its own

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
    BUILDER_CONFIGS = [
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
    with _quiet(), _explained(name):
        if name in IDX_SETS:
            return KaeIdx(config=name, data_dir=folder)
        stock = name.removeprefix("tfds:")
        try:
            found = tfds.builder(stock, data_dir=folder)
        except DatasetNotFoundError as error:
            near = get_close_matches(stock, tfds.list_builders(with_community_datasets=False), n=1)
            hint = (
                f"Did you mean tfds:{near[0]}?"
                if near
                else "Their names: https://www.tensorflow.org/datasets/catalog/overview"
            )
            raise UsageError(f"TensorFlow Datasets has no dataset {stock!r}.\n{hint}") from error
        features = _features(found)
        image = features.get("image")
        if image is None or len(image.shape) != 3 or None in image.shape or image.np_dtype != np.uint8:
            has = " ".join(str(found.info.features).split())
            raise DataError(
                f"{name} has no feature 'image' of type uint8 and one height x width x channels.\nIt has: {has[:300]}"
            )
        return found


def is_prepared(builder: Any) -> bool:
    with _quiet():
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
    with signals.unfinished(), tidy, _quiet(), _bounded_network(), _explained(source, writes=folder):
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
            f"{builder.name} has no splits train and test (or validation).\nIt has: {', '.join(splits) or 'none'}"
        )
    with _quiet(), _explained(f"{builder.data_dir} cannot be read; remove it to have it prepared anew"):
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


@contextmanager
def _quiet() -> Iterator[None]:
    """TFDS prints on stdout, which belongs to our results; its progress bars and notes are no
    messages of ours either.
    """
    tfds.disable_progress_bar()
    logs = [
        logging.getLogger(name) for name in ("absl", "urllib3")
    ]  # the retries of urllib3 are told of in our message
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


@contextmanager
def _bounded_network() -> Iterator[None]:
    """Make TFDS give up within a minute: its downloader has neither parameters nor limits of its
    own.
    """
    kept = downloader.MAX_RETRIES, downloader._open_with_requests
    downloader.MAX_RETRIES, downloader._open_with_requests = (
        RETRIES,
        partial(downloader._open_with_requests, timeout=TIMEOUT),
    )
    try:
        yield
    finally:
        downloader.MAX_RETRIES, downloader._open_with_requests = kept


@contextmanager
def _explained(subject: str, writes: Path | None = None) -> Iterator[None]:
    """Turn whatever TFDS raises about `subject`, while it writes into the folder `writes`, into
    failures of ours.
    """
    try:
        yield
    except KaeError:
        raise
    except ImportError as error:
        package = (getattr(_root(error), "name", None) or "tensorflow").split(".")[0]
        wanted = "'keras_mnist_ae[tensorflow]'" if package == "tensorflow" else package
        raise MissingDependencyError(
            f"{subject} needs {package}, which is not installed.\nInstall it: pip install {wanted}"
        ) from error
    except (requests.RequestException, DownloadError, NonMatchingChecksumError) as error:
        raise DataError(_network_fault(error, subject)) from error
    except OSError as error:
        if writes is None:
            raise DataError(f"{subject}: {_one_line(error)}") from error
        raise WriteError(
            f"cannot write {writes}: {error.strerror or error}\nFree some space there or choose another --data-dir."
        ) from error
    except Exception as error:  # a builder is foreign code: it may raise anything
        raise DataError(f"{subject}: {_one_line(error)}") from error


def _network_fault(error: Exception, source: str) -> str:
    """One line: which address, `source` where the error does not know it, and what is wrong with
    it.
    """
    url = str(error.request.url) if isinstance(error, requests.RequestException) and error.request else source
    match error:
        case NonMatchingChecksumError():
            parts = re.search(r"Artifact (\S+),.*checksum='(\w+)'.*checksum='(\w+)'", str(error), re.DOTALL)
            return (
                f"{parts[1]} has a wrong checksum: expected sha256 {parts[2]}, found {parts[3]}"
                if parts
                else _one_line(error)
            )
        case requests.exceptions.ChunkedEncodingError():
            return f"{url} came truncated: {_one_line(_root(error))}"
        case requests.exceptions.RetryError():
            return f"{url} answers with an error: {_one_line(_root(error))}"
        case requests.RequestException() if "timed out" in str(error):
            return f"{url} does not answer: {_one_line(_root(error))}"
        case requests.ConnectionError():
            return f"{url} cannot be reached: {_one_line(_root(error))}"
    return _one_line(error)  # an HTTP error: the text names address and status


def _root(error: BaseException) -> BaseException:
    """The exception that began it."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def _one_line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
