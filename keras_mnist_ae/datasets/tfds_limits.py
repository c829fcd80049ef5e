"""TensorFlow Datasets kept quiet, within time limits, and its failures as ours."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError

from ..errors import DataError, KaeError, MissingDependencyError, WriteError

RETRIES = 1  # TFDS tries ten times, with pauses that add up to minutes
TIMEOUT = (10, 30)  # seconds to connect, seconds between two bytes; TFDS has no limit of its own


@contextmanager
def quiet() -> Iterator[None]:
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
def bounded_network() -> Iterator[None]:
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
def explained(subject: str, writes: Path | None = None) -> Iterator[None]:
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
            f"cannot write {writes}: {error.strerror or error}\n"
            "Free some space there or choose another --data-dir."
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
