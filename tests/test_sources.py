"""Data as people have them, and the reading that a person would expect of each."""

import gzip
import io
import json
import re
import struct
import tarfile

import numpy as np
import pyarrow as arrow
import pytest
from PIL import Image
from pyarrow import parquet

from keras_mnist_ae import datasets
from keras_mnist_ae.datasets import Reading
from keras_mnist_ae.datasets.catalog import SOURCES, NamedSource
from keras_mnist_ae.datasets.reading import Fit
from keras_mnist_ae.errors import DataError, UsageError
from keras_mnist_ae.runs.config import configure

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 200, (12, 12), dtype=np.uint8)
IMAGES = RNG.integers(0, 255, (24, 8, 8), dtype=np.uint8)
LABELS = np.arange(24) % 3


def draw(path, mode="L", size=(12, 12), **options):
    """A picture at a path, with the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.resize(PIXELS, size[::-1])).convert(mode)
    picture.save(path, **options)


def tree(root, *names, **options):
    for name in names:
        draw(root / name, **options)


def many(*folders, suffix="png", count=6):
    return [f"{folder}/{number}.{suffix}" for folder in folders for number in range(count)]


def table(root, name, columns):
    parquet.write_table(arrow.table(columns), root / name)


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def turned(image):
    """As a camera held upright stores it: turned by a quarter, and told."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(stream, "PNG", exif=exif)
    return stream.getvalue()


def shard(root, name, members):
    with tarfile.open(root / name, "w") as archive:
        for member, content in members.items():
            about = tarfile.TarInfo(member)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))


def idx(path, array, packed=False):
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


def csv(root, name, rows, header=None):
    lines = ([",".join(header)] if header else []) + [",".join(map(str, row)) for row in rows]
    (root / name).write_text("\n".join(lines))


ROWS = [[label, *image.ravel()] for label, image in zip(LABELS, IMAGES, strict=True)]
HEADER = ["label", *(f"pixel{number}" for number in range(64))]


def clip(root):
    """A folder of class pictures and a loop of links."""
    tree(root, *many("a", "b"))
    (root / "c").symlink_to(root / "a")
    (root / "a" / "back").symlink_to(root)


def run_folder(root):
    tree(root, *many("a", "b"))
    tree(root, "runs/mine/figures/losses.png", "runs/compare.png")
    for name in ("config.toml", "checksums.json"):
        (root / "runs" / "mine" / name).write_text("")
    (root / "runs" / "latest").write_text("mine\n")


def environment(root):
    tree(root, *many("a", "b"), "venv/lib/icon.png")
    (root / "venv" / "pyvenv.cfg").write_text("")


def text_beside(root):
    tree(root, *many("a", "b"))
    (root / "a" / "notes.txt").write_text("x")
    (root / "README").write_text("x")
    (root / ".DS_Store").write_text("x")


def broken(root):
    tree(root, *many("a", "b"))
    (root / "a" / "0.png").write_bytes(b"nothing")
    (root / "b" / "9.png").write_bytes(b"")


def deep(values):
    def make(root):
        for number in range(6):
            Image.fromarray(np.full((8, 8), values, np.uint16)).save(root / f"{number}.png")

    return make


def pages(root):
    stack = [Image.fromarray(image) for image in IMAGES]
    stack[0].save(root / "stack.tif", save_all=True, append_images=stack[1:])


def hugging_face(root):
    for split, count in (("train", 20), ("test", 4)):
        images = [{"bytes": png(image), "path": None} for image in IMAGES[:count]]
        named = arrow.table({"image": images, "label": LABELS[:count]})
        features = {"label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}
        about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        parquet.write_table(named.replace_schema_metadata(about), root / f"{split}-00000-of-00001.parquet")


def paths_in_csv(root):
    tree(root, *many("pictures"))
    csv(root, "list.csv", [[f"pictures/{n}.png", "xy"[n % 2]] for n in range(6)], ["path", "label"])


def ids_in_csv(root, *others, count=12):
    """Names of pictures without suffix, as in the tables of competitions."""
    tree(root, *many("images", suffix="jpg", count=count))
    rows = [[n, ["pug", "beagle"][n % 2], *(other(n) for _, other in others)] for n in range(count)]
    csv(root, "labels.csv", rows, ["id", "breed", *(name for name, _ in others)])


# name: how it is made, where it lies below the folder, the reading,
# (train, validation, test, classes, (channels, height, width)), what is said of it
CORPUS = {
    "flat": (lambda r: tree(r, *many(".", count=12)), "", {}, (10, 0, 2, 0, (1, 12, 12)), ""),
    "classes": (lambda r: tree(r, *many("a", "b")), "", {}, (10, 0, 2, 2, (1, 12, 12)), ""),
    "one class": (lambda r: tree(r, *many("a")), "", {}, (5, 0, 1, 0, (1, 12, 12)), ""),
    "train and test": (lambda r: tree(r, *many("train", "test")), "", {}, (6, 0, 6, 0, (1, 12, 12)), ""),
    "training, testing": (
        lambda r: tree(r, *many("training/a", "training/b", "testing/a", "testing/b")),
        "", {}, (12, 0, 12, 2, (1, 12, 12)), "",
    ),
    "Train and Test": (lambda r: tree(r, *many("Train/a", "Train/b", "Test/a")), "", {}, (12, 0, 6, 2, (1, 12, 12)), ""),
    "TRAIN, VAL, TEST": (lambda r: tree(r, *many("TRAIN", "VAL", "TEST")), "", {}, (6, 6, 6, 0, (1, 12, 12)), ""),
    "train and valid": (lambda r: tree(r, *many("train", "valid")), "", {}, (6, 0, 6, 0, (1, 12, 12)), "serve as the test"),
    "train, dev, test": (lambda r: tree(r, *many("train", "dev", "test")), "", {}, (6, 6, 6, 0, (1, 12, 12)), ""),
    "splits within classes": (
        lambda r: tree(r, *many("a/train", "a/test", "b/train", "b/test")), "", {}, (12, 0, 12, 2, (1, 12, 12)), "",
    ),
    "a folder around": (lambda r: tree(r, *many("set/train/a", "set/test/a", "set/train/b")), "", {}, (12, 0, 6, 2, (1, 12, 12)), ""),
    "only train": (lambda r: tree(r, *many("train/a", "train/b")), "", {}, (10, 0, 2, 2, (1, 12, 12)), ""),
    "mvtec": (
        lambda r: tree(r, *many("train/good", "test/good", "test/scratch")), "", {}, (6, 0, 12, 2, (1, 12, 12)), "",
    ),
    "splits beside others": (
        lambda r: tree(r, *many("train", "test", "extra")), "", {}, (6, 0, 6, 0, (1, 12, 12)), "6 in extra",
    ),
    "train_images and test_images": (
        lambda r: tree(r, *many("train_images", "test_images")), "", {}, (6, 0, 6, 0, (1, 12, 12)), "",
    ),
    "the folders of COCO": (
        lambda r: tree(r, *many("train2017", "val2017", "test2017")), "", {}, (6, 6, 6, 0, (1, 12, 12)), "",
    ),
    "a split beside a class": (
        lambda r: tree(r, *many("train", "bus")), "", {}, (10, 0, 2, 2, (1, 12, 12)),
        "train has the name of a split and is read as a class",
    ),
    "an empty class of a split": (
        lambda r: (tree(r, *many("train/a", "test/a")), (r / "test/b/c").mkdir(parents=True)),
        "", {}, (6, 0, 6, 0, (1, 12, 12)), "no pictures in: test/b",
    ),
    "two folders around": (
        lambda r: tree(r, *many("archive/data/train/a", "archive/data/train/b", "archive/data/test/a")),
        "", {}, (12, 0, 6, 2, (1, 12, 12)), "",
    ),
    "two folders around classes": (lambda r: tree(r, *many("x/y/a", "x/y/b")), "", {}, (10, 0, 2, 2, (1, 12, 12)), ""),
    "splits named twice": (
        lambda r: tree(r, *many("train/train/a", "train/train/b", "test/test/a")), "", {}, (12, 0, 6, 2, (1, 12, 12)), "",
    ),
    "splits with a word before": (
        lambda r: tree(r, *many("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a")),
        "", {}, (12, 0, 6, 2, (1, 12, 12)), "",
    ),
    "splits with a word before, beside another": (
        lambda r: tree(r, *many("seg_train/a", "seg_train/b", "seg_test/a", "seg_test/b", "seg_pred")),
        "", {}, (12, 0, 12, 2, (1, 12, 12)), "left out, outside the splits: 6 in seg_pred",
    ),
    "splits deeper than they are looked for": (
        lambda r: tree(r, *many("data/train/a", "data/test/a"), "preview.png"), "", {}, (11, 0, 2, 0, (1, 12, 12)),
        "splits within data are not used: give one as the dataset",
    ),
    "images of the test in a folder of that name": (
        lambda r: tree(r, *many("train/a/images", "train/b/images", "test/images")), "", {}, (12, 0, 6, 0, (1, 12, 12)),
        "no labels for test",
    ),
    "two kinds of folders": (lambda r: tree(r, *many("images", "masks")), "", {}, (10, 0, 2, 2, (1, 12, 12)), ""),
    "the tables of a competition": (
        lambda r: (
            csv(r, "train.csv", ROWS, HEADER), csv(r, "test.csv", [row[1:] for row in ROWS[:6]], HEADER[1:]),
            csv(r, "sample_submission.csv", [[1, 2]] * 6, ["ImageId", "Label"]),
        ),
        "", {}, (24, 0, 6, 0, (1, 8, 8)), "no labels for test",
    ),
    "names of pandas for equal names": (
        lambda r: csv(r, "a.csv", [row[1:] for row in ROWS], ["0", *(f"0.{at}" for at in range(1, 64))]),
        "a.csv", {}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "tar of labels and captions": (
        lambda r: shard(
            r, "a.tar",
            {
                f"{at}.{end}": png(IMAGES[at]) if end == "png" else f"{at % 3 if end == 'cls' else at}".encode()
                for at in range(24) for end in ("png", "cls", "txt")
            },
        ),
        "a.tar", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "npz of two sets": (
        lambda r: np.savez(r / "a.npz", train_x=IMAGES, train_y=LABELS, images=IMAGES, labels=LABELS),
        "a.npz", {}, (20, 0, 4, 3, (1, 8, 8)), "left out the arrays images, labels",
    ),
    "images within splits": (
        lambda r: tree(r, *many("train/images/a", "train/images/b", "test/images/a")),
        "", {}, (12, 0, 6, 2, (1, 12, 12)), "",
    ),
    "a class of the test alone": (
        lambda r: tree(r, *many("train/a", "train/b", "test/unknown")), "", {}, (12, 0, 6, 3, (1, 12, 12)),
        "no training pictures of unknown",
    ),
    "pictures with a table beside": (
        lambda r: (tree(r, *many("a", "b")), (r / "meta.parquet").write_bytes(b"x"), (r / "old.tar").write_bytes(b"x")),
        "", {}, (10, 0, 2, 2, (1, 12, 12)), "left out 2: 1 not pictures (.parquet), 1 not pictures (.tar)",
    ),
    "tables named train and test": (
        lambda r: (csv(r, "mnist_train.csv", ROWS, HEADER), csv(r, "mnist_test.csv", ROWS[:6], HEADER)),
        "", {}, (24, 0, 6, 3, (1, 8, 8)), "",
    ),
    "parquet named train and test": (
        lambda r: [
            table(r, f"set_{split}.parquet", {"image": [png(image) for image in IMAGES[:count]], "label": LABELS[:count]})
            for split, count in (("train", 24), ("test", 6))
        ],
        "", {}, (24, 0, 6, 3, (1, 8, 8)), "",
    ),
    "parquet below split folders": (
        lambda r: [
            (
                (r / "default" / split).mkdir(parents=True),
                table(r, f"default/{split}/0000.parquet", {"image": [png(image) for image in IMAGES[:count]]}),
            )
            for split, count in (("train", 24), ("test", 6))
        ],
        "", {}, (24, 0, 6, 0, (1, 8, 8)), "",
    ),
    "tar below split folders": (
        lambda r: [
            (
                (r / split).mkdir(),
                shard(r, f"{split}/000.tar", {f"{at}.png": png(image) for at, image in enumerate(IMAGES[:count])}),
            )
            for split, count in (("train", 24), ("test", 6))
        ],
        "", {}, (24, 0, 6, 0, (1, 8, 8)), "",
    ),
    "tar of split and class folders": (
        lambda r: shard(
            r, "a.tar",
            {f"{split}/{kind}/{at}.png": png(IMAGES[at]) for split in ("train", "test") for kind in "ab" for at in range(6)},
        ),
        "a.tar", {}, (12, 0, 12, 2, (1, 8, 8)), "",
    ),
    "tar of captions": (
        lambda r: shard(
            r, "a.tar",
            {f"{at}.{end}": png(IMAGES[at]) if end == "png" else f"picture {at}".encode() for at in range(24) for end in ("png", "txt")},
        ),
        "a.tar", {}, (20, 0, 4, 0, (1, 8, 8)), "no labels: most differ",
    ),
    "tar of numbered frames": (
        lambda r: shard(r, "a.tar", {f"frame.{at:04}.png": png(IMAGES[at]) for at in range(24)}),
        "a.tar", {}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "tar of pictures and masks": (
        lambda r: shard(
            r, "a.tar",
            {
                f"{at}.{kind}": png(IMAGES[at]) if kind != "cls" else b"%d" % (at % 3)
                for at in range(24) for kind in ("mask.png", "image.png", "cls")
            },
        ),
        "a.tar", {}, (20, 0, 4, 3, (1, 8, 8)), "left out 24: 24 beside another of its key (mask)",
    ),
    "tar of a photo, its depth and one mask": (
        lambda r: shard(
            r, "a.tar",
            {
                **{f"/all/{at}.{kind}": png(IMAGES[at]) for at in range(24) for kind in ("depth.png", "Photo.png")},
                "/all/3.mask.png": png(IMAGES[0]),
            },
        ),
        "a.tar", {}, (20, 0, 4, 0, (1, 8, 8)), "24 beside another of its key (depth), 1 beside another of its key (mask)",
    ),
    "tar of kinds that are each alone": (
        lambda r: shard(r, "a.tar", {f"{at}.{'cat' if at % 2 else 'dog'}.png": png(IMAGES[at]) for at in range(24)}),
        "a.tar", {}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "tar of two formats": (
        lambda r: shard(r, "a.tar", {f"{at}.{end}": png(IMAGES[at]) for at in range(24) for end in ("jpg", "png")}),
        "a.tar", {}, (20, 0, 4, 0, (1, 8, 8)), "left out 24: 24 beside another of its key (.png)",
    ),
    "what is normal in one name with its split": (
        lambda r: tree(r, *many("train_good", "test_good", "test_bad")), "", {}, (6, 0, 12, 2, (1, 12, 12)),
        "no training pictures of bad",
    ),
    "splits within names": (
        lambda r: tree(r, *many("DIV2K_train_HR", "DIV2K_valid_HR")), "", {}, (6, 0, 6, 0, (1, 12, 12)), "",
    ),
    "splits at the end, by a capital": (
        lambda r: tree(r, *many("catsTrain", "catsTest", "dogsTrain", "dogsTest")), "", {}, (12, 0, 12, 2, (1, 12, 12)), "",
    ),
    "two sides, and others beside": (
        lambda r: tree(r, *many("trainA", "trainB", "testA", "testB", "more", count=6), "preview.png"),
        "", {}, (12, 0, 12, 2, (1, 12, 12)), "left out, outside the splits: 6 in more, 1 in beside the folders",
    ),
    "two sides, as for translation": (
        lambda r: tree(r, *many("h2z/trainA", "h2z/trainB", "h2z/testA", "h2z/testB")),
        "h2z", {}, (12, 0, 12, 2, (1, 12, 12)), "",
    ),
    "splits and classes in one name": (
        lambda r: tree(r, *many("train_cats", "train_dogs", "Validation_cats", "Validation_dogs", "test_cats")),
        "", {}, (12, 12, 6, 2, (1, 12, 12)), "",
    ),
    "classes before splits": (
        lambda r: tree(r, *many("cats-train/x", "dogs-train/x", "cats-test/x", "dogs-test/x")),
        "", {}, (12, 0, 12, 2, (1, 12, 12)), "",
    ),
    "classes that begin as splits": (
        lambda r: tree(r, *many("train-car", "test-tube", "trainers", "valid")), "", {}, (20, 0, 4, 4, (1, 12, 12)), "",
    ),
    "deep and shallow pictures": (
        lambda r: (deep(4000)(r), tree(r, *(f"_{at}.png" for at in range(6)), size=(8, 8))), "", {}, None, "read as 12 bits",
    ),
    "12 bits in a tar": (
        lambda r: (deep(4000)(r), shard(r, "a.tar", {p.name: p.read_bytes() for p in r.glob("*.png")})),
        "a.tar", {}, None, "read as 12 bits",
    ),
    "a null among pictures": (
        lambda r: table(r, "a.parquet", {"image": [None, *(png(image) for image in IMAGES[1:])]}),
        "a.parquet", {}, (19, 0, 4, 0, (1, 8, 8)), "1 broken",
    ),
    "turned pictures in a table": (
        lambda r: table(r, "a.parquet", {"image": [turned(image[:, :4]) for image in IMAGES]}),
        "a.parquet", {}, (20, 0, 4, 0, (1, 4, 8)), "",
    ),
    "names of pictures, no header": (
        lambda r: (tree(r, *many("a", "b")), csv(r, "t.csv", [[f"{k}/{n}.png", k] for k in "ab" for n in range(6)])),
        "t.csv", {}, (10, 0, 2, 2, (1, 12, 12)), "the column 2 holds the labels",
    ),
    "paths of Windows": (
        lambda r: (tree(r, *many("a")), csv(r, "t.csv", [[f"a\\{n}.png"] for n in range(6)], ["path"])),
        "t.csv", {}, (5, 0, 1, 0, (1, 12, 12)), "",
    ),
    "a csv of Windows' letters": (
        lambda r: (r / "a.csv").write_bytes(
            "\n".join([",".join(HEADER), *(",".join(["ÄÖÜ"[at % 3] + "pfel", *map(str, row[1:])]) for at, row in enumerate(ROWS))]).encode("cp1252")
        ),
        "a.csv", {}, (20, 0, 4, 3, (1, 8, 8)), "no UTF-8: read as Windows-1252",
    ),
    "a split column with other words": (
        lambda r: ids_in_csv(r, ("data set", lambda n: ["train", "test", "unused"][n % 3])), "labels.csv", {},
        (4, 0, 4, 2, (1, 12, 12)), "left out 4 rows of no split",
    ),
    "masks for labels": (
        lambda r: table(r, "a.parquet", {"image": [png(image) for image in IMAGES], "label": [png(image) for image in IMAGES]}),
        "a.parquet", {}, (20, 0, 4, 0, (1, 8, 8)), "left out the column label",
    ),
    "npz with objects beside": (
        lambda r: np.savez(r / "a.npz", imgs=IMAGES, metadata=np.array([{"a": 1}], object)),
        "a.npz", {}, (20, 0, 4, 0, (1, 8, 8)), "left out the array metadata",
    ),
    "npz of validation": (
        lambda r: np.savez(r / "a.npz", X_train=IMAGES, y_train=LABELS, X_valid=IMAGES[:6], y_valid=LABELS[:6]),
        "a.npz", {}, (24, 0, 6, 3, (1, 8, 8)), "the validation images serve as the test",
    ),
    "without suffixes": (
        lambda r: (tree(r, *(f"IMG_{at}" for at in range(6)), format="PNG"), (r / "README").write_text("x")), "", {}, (5, 0, 1, 0, (1, 12, 12)),
        "left out 1: 1 not pictures (without suffix)",
    ),
    "links to nothing": (
        lambda r: (tree(r, *many("a", "b")), (r / "a" / "9.png").symlink_to(r / "gone.png")),
        "", {}, (10, 0, 2, 2, (1, 12, 12)), "left out 1: 1 links to nothing",
    ),
    "old formats": (
        lambda r: tree(r, "1.pcx", "2.ico", "3.dds", "4.sgi", "5.tga", mode="RGB", size=(16, 16)),
        "", {}, (4, 0, 1, 0, (3, 16, 16)), "",
    ),
    "no classes in test": (
        lambda r: tree(r, *many("train/a", "train/b", "test")), "", {}, (12, 0, 6, 0, (1, 12, 12)), "no labels for test",
    ),
    "pictures beside classes": (
        lambda r: tree(r, *many("a", "b"), "loose.png"), "", {}, (11, 0, 2, 0, (1, 12, 12)), "beside the class folders: 1 picture; no labels are used",
    ),
    "an empty class": (
        lambda r: (tree(r, *many("a", "b")), (r / "c").mkdir()), "", {}, (10, 0, 2, 2, (1, 12, 12)), "no pictures in: c",
    ),
    "nested deeper": (lambda r: tree(r, *many("a/x/y", "b/z")), "", {}, (10, 0, 2, 2, (1, 12, 12)), ""),
    "suffixes in capitals": (lambda r: tree(r, *many("a", "b", suffix="PNG")), "", {}, (10, 0, 2, 2, (1, 12, 12)), ""),
    "webp": (lambda r: tree(r, *many(".", suffix="webp"), mode="RGB"), "", {}, (5, 0, 1, 0, (3, 12, 12)), ""),
    "bmp": (lambda r: tree(r, *many(".", suffix="bmp")), "", {}, (5, 0, 1, 0, (1, 12, 12)), ""),
    "gif": (lambda r: tree(r, *many(".", suffix="gif")), "", {}, (5, 0, 1, 0, (1, 12, 12)), ""),
    "ppm": (lambda r: tree(r, *many(".", suffix="ppm"), mode="RGB"), "", {}, (5, 0, 1, 0, (3, 12, 12)), ""),
    "jpeg 2000": (lambda r: tree(r, *many(".", suffix="jp2")), "", {}, (5, 0, 1, 0, (1, 12, 12)), ""),
    "tiff files": (lambda r: tree(r, *many(".", suffix="tiff")), "", {}, (5, 0, 1, 0, (1, 12, 12)), ""),
    "jfif": (lambda r: tree(r, *many(".", suffix="jfif")), "", {}, (5, 0, 1, 0, (1, 12, 12)), ""),
    "heic is said": (
        lambda r: (tree(r, *many(".")), (r / "phone.heic").write_bytes(b"x")), "", {}, (5, 0, 1, 0, (1, 12, 12)), "(.heic)",
    ),
    "hidden and text": (text_beside, "", {}, (10, 0, 2, 2, (1, 12, 12)), "left out 3"),
    "macosx": (
        lambda r: tree(r, *many("a", "b"), "__MACOSX/a/._1.png"), "", {}, (10, 0, 2, 2, (1, 12, 12)), "a folder __MACOSX",
    ),
    "notebook checkpoints": (
        lambda r: tree(r, *many("a", "b"), "a/.ipynb_checkpoints/1.png"), "", {}, (10, 0, 2, 2, (1, 12, 12)), "1 hidden",
    ),
    "virtual environment": (environment, "", {}, (10, 0, 2, 2, (1, 12, 12)), "a virtual environment"),
    "own runs": (run_folder, "", {}, (10, 0, 2, 2, (1, 12, 12)), "a folder of runs"),
    "links and loops": (clip, "", {}, (10, 0, 2, 2, (1, 12, 12)), "met before"),
    "two broken": (broken, "", {}, (10, 0, 1, 2, (1, 12, 12)), "2 broken"),
    "grey and colour": (
        lambda r: (tree(r, *many("a")), tree(r, *many("b"), mode="RGB")), "", {}, (10, 0, 2, 2, (3, 12, 12)), "",
    ),
    "sizes fitted": (
        lambda r: (tree(r, *many("a")), tree(r, *many("b"), size=(20, 30))),
        "", {"size": Fit(16, 16)}, (10, 0, 2, 2, (1, 16, 16)), "",
    ),
    "padded": (lambda r: tree(r, *many("."), size=(10, 20)), "", {"size": Fit(16, 16), "mode": "pad"}, (5, 0, 1, 0, (1, 16, 16)), ""),
    "12 bits": (deep(4000), "", {}, (5, 0, 1, 0, (1, 8, 8)), "read as 12 bits"),
    "8 bits in 16": (deep(200), "", {}, (5, 0, 1, 0, (1, 8, 8)), "read as 8 bits"),
    "16 bits": (deep(60000), "", {}, (5, 0, 1, 0, (1, 8, 8)), ""),
    "range of pictures": (deep(500), "", {"value_range": (0, 1000)}, (5, 0, 1, 0, (1, 8, 8)), ""),
    "tiff stack": (pages, "stack.tif", {}, (20, 0, 4, 0, (1, 8, 8)), ""),
    "npy": (lambda r: np.save(r / "a.npy", IMAGES), "a.npy", {}, (20, 0, 4, 0, (1, 8, 8)), ""),
    "npy in capitals": (lambda r: (np.save(r / "a.npy", IMAGES), (r / "a.npy").rename(r / "a.NPY")), "a.NPY", {}, (20, 0, 4, 0, (1, 8, 8)), ""),
    "rows of numbers": (
        lambda r: np.save(r / "a.npy", IMAGES.reshape(24, 64)), "a.npy", {"image_shape": (8, 8, 1)}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "floats to 255": (
        lambda r: np.save(r / "a.npy", IMAGES.astype("float32")), "a.npy", {"value_range": (0, 255)}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "floats around 0": (
        lambda r: np.save(r / "a.npy", IMAGES / 127.5 - 1), "a.npy", {"value_range": (-1, 1)}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "one-hot": (
        lambda r: np.savez(r / "a.npz", images=IMAGES, labels=np.eye(3)[LABELS]), "a.npz", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "whole floats": (
        lambda r: np.savez(r / "a.npz", images=IMAGES, labels=LABELS * 1.0), "a.npz", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "text labels": (
        lambda r: np.savez(r / "a.npz", images=IMAGES, labels=np.array(["x", "y", "z"])[LABELS]),
        "a.npz", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "labels below 0": (
        lambda r: np.savez(r / "a.npz", images=IMAGES, labels=LABELS - 1), "a.npz", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "several labels": (
        lambda r: np.savez(r / "a.npz", images=IMAGES, labels=np.ones((24, 3), int)),
        "a.npz", {}, (20, 0, 4, 0, (1, 8, 8)), "no labels are used",
    ),
    "fractions": (
        lambda r: np.savez(r / "a.npz", images=IMAGES, labels=LABELS + 0.5), "a.npz", {}, (20, 0, 4, 0, (1, 8, 8)), "with a fraction",
    ),
    "medmnist": (
        lambda r: np.savez(
            r / "m.npz",
            **{f"{s}_images": IMAGES[:n] for s, n in (("train", 20), ("val", 5), ("test", 7))},
            **{f"{s}_labels": LABELS[:n, None] for s, n in (("train", 20), ("val", 5), ("test", 7))},
        ),
        "m.npz", {}, (20, 5, 7, 3, (1, 8, 8)), "",
    ),
    "named arrays": (
        lambda r: np.savez(r / "a.npz", X=IMAGES, Y=IMAGES[:6], y=LABELS, z=LABELS[:6]),
        "a.npz", {"arrays": (("train", "X"), ("test", "Y"), ("labels", "y"), ("test_labels", "z"))},
        (24, 0, 6, 3, (1, 8, 8)), "",
    ),
    "kaggle": (lambda r: csv(r, "train.csv", ROWS, HEADER), "train.csv", {}, (20, 0, 4, 3, (1, 8, 8)), ""),
    "csv with a number": (
        lambda r: csv(r, "m.csv", [[900 + n, *row] for n, row in enumerate(ROWS)], ["id", *HEADER]),
        "m.csv", {}, (20, 0, 4, 3, (1, 8, 8)), "left out the column id",
    ),
    "csv compressed": (
        lambda r: (csv(r, "m.csv", ROWS, HEADER), (r / "m.csv.gz").write_bytes(gzip.compress((r / "m.csv").read_bytes()))),
        "m.csv.gz", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "csv without header": (lambda r: csv(r, "m.csv", ROWS), "m.csv", {}, (20, 0, 4, 3, (1, 8, 8)), ""),
    "csv without labels": (
        lambda r: csv(r, "m.csv", [row[1:] for row in ROWS], HEADER[1:]), "m.csv", {}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "csv of paths": (paths_in_csv, "list.csv", {}, (5, 0, 1, 2, (1, 12, 12)), ""),
    "csv of names without suffix": (
        ids_in_csv, "labels.csv", {}, (10, 0, 2, 2, (1, 12, 12)),
        "the pictures of column id are images/NAME.jpg; the column breed holds the labels",
    ),
    "csv with other columns": (
        lambda r: ids_in_csv(r, ("age", lambda n: 7 * n)), "labels.csv", {}, (10, 0, 2, 2, (1, 12, 12)),
        "left out the column age",
    ),
    "csv with a column of splits": (
        lambda r: ids_in_csv(r, ("Split", lambda n: ["train", "Val", "train", "test"][n % 4])), "labels.csv", {},
        (6, 3, 3, 2, (1, 12, 12)), "",
    ),
    "csv of names in a folder beside it": (
        lambda r: (
            tree(r, *many("pictures")),
            csv(r, "a.csv", [[f"{n}.png", "xy"[n % 2]] for n in range(6)], ["filename", "label"]),
        ),
        "a.csv", {}, (5, 0, 1, 2, (1, 12, 12)), "the pictures of column filename are pictures/NAME",
    ),
    "parquet of pixels": (
        lambda r: table(r, "a.parquet", dict(zip(HEADER, np.array(ROWS).T, strict=True))), "a.parquet", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "hugging face": (hugging_face, "", {}, (20, 0, 4, 3, (1, 8, 8)), ""),
    "webdataset": (
        lambda r: shard(
            r, "s.tar",
            {f"{n:03}.{kind}": content for n in range(24) for kind, content in
             (("png", png(IMAGES[n])), ("cls", str(LABELS[n]).encode()))},
        ),
        "s.tar", {}, (20, 0, 4, 3, (1, 8, 8)), "",
    ),
    "webdataset with json": (
        lambda r: shard(
            r, "s.tar",
            {f"{n:03}.{kind}": content for n in range(24) for kind, content in
             (("png", png(IMAGES[n])), ("json", b'{"label": 1}'))},
        ),
        "s.tar", {}, (20, 0, 4, 0, (1, 8, 8)), "left out 24: 24 (.json)",
    ),
    "webdataset compressed": (
        lambda r: (
            shard(r, "s.tar", {f"{n:03}.png": png(IMAGES[n]) for n in range(24)}),
            (r / "s.tar.gz").write_bytes(gzip.compress((r / "s.tar").read_bytes())),
            (r / "s.tar").unlink(),
        ),
        "", {}, (20, 0, 4, 0, (1, 8, 8)), "",
    ),
    "emnist": (
        lambda r: [
            idx(r / f"emnist-letters-{s}-{kind}.gz", array[:n], True)
            for s, n in (("train", 20), ("test", 4))
            for kind, array in (("images-idx3-ubyte", IMAGES), ("labels-idx1-ubyte", LABELS))
        ],
        "", {}, (20, 0, 4, 3, (1, 8, 8)), "stand upright",
    ),
    "any idx": (
        lambda r: [idx(r / "train-images-idx3-ubyte", IMAGES), idx(r / "t10k-images-idx3-ubyte", IMAGES[:4])],
        "", {}, (24, 0, 4, 0, (1, 8, 8)), "",
    ),
}  # fmt: skip


def load(root, below="", **reading):
    return datasets.load(f"{root}/{below}", reading=Reading(**reading))


@pytest.mark.parametrize("name", CORPUS)
def test_data_are_read_as_a_person_would_read_them(tmp_path, capsys, name):
    make, below, reading, expected, said = CORPUS[name]
    (tmp_path / "d").mkdir()
    make(tmp_path / "d")
    data = load(tmp_path / "d", below, **reading)
    if expected is None:  # of pixels: whatever was 12 bits is bright, and so is what was 8
        assert min(int(image.max()) for image in data.train.images) > 100
        assert said in capsys.readouterr().err
        return
    train, validation, test, classes, shape = expected
    assert (len(data.train.images) - data.validation, data.validation, len(data.test.images)) == (
        train,
        validation,
        test,
    )
    assert (len(data.classes), data.image_shape) == (classes, shape)
    line = capsys.readouterr().err
    assert said in line
    assert f"{test:,} test" in line
    again = load(tmp_path / "d", below, **reading)
    assert again.sha256 == data.sha256
    assert said in capsys.readouterr().err, "what was left out is said whenever the data are read"


def test_corpus_is_large():
    assert len(CORPUS) >= 60


def test_numbers_become_pixels_by_their_range(tmp_path):
    np.save(tmp_path / "a.npy", np.linspace(-1, 1, 3 * 16).reshape(3, 4, 4))
    data = load(tmp_path, "a.npy", value_range=(-1, 1))
    values = np.sort(np.concatenate([data.train.images, data.test.images]).ravel())
    np.testing.assert_array_equal(values, np.rint(np.linspace(0, 255, 48)))
    dark = load(tmp_path, "a.npy", value_range=(-1, 1), invert=True)
    np.testing.assert_array_equal(255 - dark.train.images, data.train.images)


def test_pixels_of_a_table_lie_where_they_belong(tmp_path):
    csv(tmp_path, "a.csv", ROWS, HEADER)
    data = load(tmp_path, "a.csv")
    images = {image.tobytes() for image in (*data.train.images, *data.test.images)}
    assert images == {image.tobytes() for image in IMAGES}
    known = {image.tobytes(): label for image, label in zip(IMAGES, LABELS, strict=True)}
    assert [known[image.tobytes()] for image in data.train.images] == list(data.train.labels)


def test_test_split_has_every_class_alike(tmp_path):
    tree(tmp_path, *many("a", count=60), *many("b", count=12))
    data = load(tmp_path)
    assert np.bincount(data.test.labels).tolist() == [10, 2]


def test_emnist_characters_stand_upright(tmp_path):
    idx(tmp_path / "emnist-x-train-images-idx3-ubyte", IMAGES)
    idx(tmp_path / "emnist-x-test-images-idx3-ubyte", IMAGES[:2])
    np.testing.assert_array_equal(load(tmp_path).test.images[..., 0], IMAGES[:2].transpose(0, 2, 1))


def test_a_large_photograph_is_scaled_while_it_is_decoded(tmp_path):
    for number in range(2):
        draw(tmp_path / f"{number}.jpg", mode="RGB", size=(8000, 6000))
    assert load(tmp_path, size=Fit(32, 32)).image_shape == (3, 32, 32)
    with pytest.raises(DataError, match="more than 33,554,432 pixels"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("make", "below", "reading", "message"),
    [
        (
            lambda r: tree(r, *many("test", "valid")),
            "",
            {},
            "splits test, valid, of which none is for training",
        ),
        (
            lambda r: [
                idx(r / f"emnist-{kind}-train-images-idx3-ubyte", IMAGES) for kind in ("digits", "letters")
            ],
            "",
            {},
            "IDX files of several sets",
        ),
        (
            lambda r: csv(r, "a.csv", [[n % 9, *range(11)] for n in range(30)], [*"abcdefghijk", "quality"]),
            "a.csv",
            {},
            "no pixels of a square image",
        ),
        (lambda r: csv(r, "a.csv", [["x", "y"]] * 4, ["name", "text"]), "a.csv", {}, "no pixels of a square"),
        (lambda r: (r / "a.csv").write_text("1,2,3,4\n1,2\n"), "a.csv", {}, "Expected 4 columns, got 2"),
        (lambda r: csv(r, "a.csv", [[1, "", 3, 4]] * 9), "a.csv", {}, "empty cells"),
        (lambda r: (r / "a.csv").write_text(""), "a.csv", {}, "it is empty"),
        (lambda r: table(r, "a.parquet", {"audio": [b"RIFF"] * 4}), "a.parquet", {}, "no pixels of a square"),
        (lambda r: (r / "a.parquet").write_bytes(b"PAR1"), "a.parquet", {}, "cannot be used"),
        (lambda r: shard(r, "a.tar", {"1.json": b"{}"}), "a.tar", {}, "holds no pictures"),
        (lambda r: tree(r, *many("val_cats", "test_cats")), "", {}, "none is for training"),
        (lambda r: (r / "a.tar").write_bytes(b"x" * 2000), "a.tar", {}, "cannot be read"),
        (
            lambda r: np.save(r / "a.npy", IMAGES),
            "a.npy",
            {"value_range": (0, 10)},
            "the range given is 0:10",
        ),
        (lambda r: np.save(r / "a.npy", IMAGES[:, 1:].reshape(24, 56)), "a.npy", {}, "image_shape=HxW"),
        (lambda r: (r / "a.mp4").write_bytes(b"x"), "a.mp4", {}, "no file of a known kind"),
        (
            lambda r: np.savez(r / "a.npz", a=IMAGES),
            "a.npz",
            {"arrays": (("train", "b"),)},
            "it has no array b",
        ),
    ],
)
def test_data_that_cannot_be_used_end_in_a_sentence(tmp_path, make, below, reading, message):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        load(tmp_path, below, **reading)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("range", "5"), ("range", "5:1"), ("fit", "squash"), ("image_shape", "28"), ("arrays", "X")],
)
def test_settings_that_cannot_be_used(setting, value):
    from keras_mnist_ae.runs.config import configure

    with pytest.raises(UsageError, match=f"{setting} is '{value}'"):
        configure(**{setting: value})


def test_a_source_is_a_row_of_the_table(monkeypatch):
    """A toy source: one entry, and nothing else of the package is touched."""

    def read(name, origin, reading):
        arrays = IMAGES[..., None], LABELS, IMAGES[:6, ..., None], LABELS[:6]
        return datasets.cache.Decoded(arrays, ("a", "b", "c"), "0" * 64)

    toy = NamedSource("toy", lambda name: name == "toy", read)
    monkeypatch.setattr("keras_mnist_ae.datasets.catalog.SOURCES", [*SOURCES, toy])
    assert len(datasets.load("toy").train.images) == 24
    assert datasets.load("toy", fit=Fit(10, 10)).image_shape == (1, 10, 10)


def test_arrays_in_memory():
    data = datasets.Dataset.from_arrays(IMAGES, labels=np.array(["x", "y", "z"])[LABELS])
    assert (str(data), data.classes) == ("20 train, 4 test, 3 classes, 1 x 8 x 8", ("x", "y", "z"))
    both = datasets.Dataset.from_arrays(IMAGES, IMAGES[:3], LABELS, LABELS[:3], classes="abc")
    assert (len(both.test.images), both.classes) == (3, ("a", "b", "c"))
    for wrong in (IMAGES[0], IMAGES[:, :, :0], IMAGES.astype("float32"), np.zeros((3, 5, 5, 2))):
        with pytest.raises(DataError):
            datasets.Dataset.from_arrays(wrong)
    with pytest.raises(DataError, match="24 images and 3 labels"):
        datasets.Dataset.from_arrays(IMAGES, labels=LABELS[:3])


def test_tables_in_folders_named_as_splits_are_splits(tmp_path):
    """The layouts in which datasets are published: data/train-00000.parquet, train/0000.parquet."""
    table = arrow.table({"image": [{"bytes": encoded(), "path": None}] * 6, "label": [0, 1] * 3})
    for name in ("a/data/train-00000-of-00001", "a/data/test-00000-of-00001", "b/train/0000", "b/test/0000"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    for folder in ("a", "b"):
        assert str(datasets.load(tmp_path / folder)) == "6 train, 6 test, 2 classes, 1 x 12 x 12"


def test_a_stack_of_pages_among_pictures_is_left_out_and_said(tmp_path, capsys):
    """Its first page alone would be a misreading."""
    tree(tmp_path / "stacks", *many("."))
    pages = [Image.fromarray(PIXELS)] * 3
    pages[0].save(tmp_path / "stacks/stack.tif", save_all=True, append_images=pages[1:])
    assert len(datasets.load(tmp_path / "stacks").train.images) == 5
    assert "1 broken: stack.tif (it has several pages" in capsys.readouterr().err


def encoded():
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "PNG")
    return content.getvalue()


def test_options_that_have_no_use_are_said(tmp_path, capsys):
    tree(tmp_path / "photos", *many("."))
    np.save(tmp_path / "images.npy", IMAGES)
    unused = Reading(value_range=(0, 255), image_shape=(8, 8, 1), arrays=(("train", "x"),))
    for name, said in (
        ("digits", ["range", "image_shape", "arrays"]),
        (tmp_path / "photos", ["image_shape", "arrays"]),
        (tmp_path / "images.npy", ["arrays"]),
    ):
        datasets.load(name, reading=unused)
        told = re.findall(r"kae: (\w+) is not used for", capsys.readouterr().err)
        assert told == said
    with pytest.raises(UsageError, match="nothing is resized"):
        configure(dataset="digits", fit="pad")
    with pytest.raises(DataError, match="not the 4x16x1"):
        datasets.load(tmp_path / "images.npy", reading=Reading(image_shape=(4, 16, 1)))


def test_pictures_in_colour_that_are_read_as_grey_are_said(tmp_path, capsys):
    colour = Image.fromarray(np.stack([PIXELS] * 3, axis=-1))
    for number in range(6):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (colour if number < 4 else Image.fromarray(PIXELS)).save(tmp_path / f"photos/{number}.png")
    assert datasets.load(tmp_path / "photos", fit=Fit(12, 12, 1)).image_shape == (1, 12, 12)
    assert "4 pictures stored in colour: read as grey" in capsys.readouterr().err
    assert datasets.load(tmp_path / "photos", fit=Fit(12, 12)).image_shape == (3, 12, 12)
    assert "grey" not in capsys.readouterr().err
