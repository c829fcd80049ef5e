"""The settings of a training run, in one table: the fields of `TrainConfig`, the options of
`kae train` and their documentation are made of it. Standard library only.
"""

from dataclasses import MISSING, dataclass, fields
from typing import Any

from ..architecture.limits import LARGEST
from ..architecture.recipes import RECIPES
from ..architecture.variant import Variant
from ..system import backend as backends
from .parse import parse_arrays, parse_augment, parse_image_shape, parse_noise, parse_range, size_of
from .rules import BELOW_1, PART, Flag, Integer, Number, OneOf, Parsed, Setting, Table, Text, setting

MODEL, DATA, VARIATIONAL, TRAINING, RUN = "Model", "Data", "Variational loss", "Training", "Run folder"
LIKELIHOODS = ("bernoulli", "gaussian")  # of pixels, given a code: see models.losses
PRECISIONS = ("float32", "bfloat16")
BINARIZE = ("static", "dynamic")  # how grey images are drawn as black and white: see datasets.binarize
NAME = r"(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]*"
RECIPES_OWN = "the recipe's"
UNSET: Any = MISSING  # the variant's recipe fills it in: see `configure`


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The table. Its order is that of the documentation."""

    variant: str = setting("conv-avgpool", MODEL, Text(), "Name of a variant: see `kae models`.")
    table: Variant | None = setting(
        None, MODEL, Table(), "TOML file with a variant of your own, in place of VARIANT."
    )
    latent_dim: int | None = setting(
        None, MODEL, Integer(1, LARGEST), "Length of the code.", default="the variant's"
    )
    batch_norm: bool = setting(
        False, MODEL, Flag(), "Batch normalisation before each activation of the hidden layers."
    )
    dropout: float = setting(0.0, MODEL, BELOW_1, "Dropout rate after each hidden layer.")

    dataset: str = setting(
        "mnist", DATA, Text(), "A name from `kae data list`, a folder of pictures, or a .npz or .npy file."
    )
    target: str | None = setting(
        None, DATA, Text(), "Path of what is to come out, such as clean images.", default="the images"
    )
    data_dir: str | None = setting(
        None, DATA, Text(), "Folder of the datasets.", default="KAE_DATA_DIR, else the user's cache folder"
    )
    resize: str | None = setting(
        None,
        DATA,
        Parsed("SIZE or HEIGHTxWIDTH in pixels, from 1 to 1024, or variant", size_of),
        "Resize the images to SIZE or HEIGHTxWIDTH pixels; `variant`, or no value, to the variant's size.",
    )
    fit: str = setting(
        "crop",
        DATA,
        OneOf(("crop", "pad", "stretch")),
        "How --resize fits: crop covers the size and cuts at the centre, pad adds black, stretch "
        "scales each side alone.",
    )
    range: str | None = setting(
        None,
        DATA,
        Parsed("LOW:HIGH", parse_range),
        "Numbers that count as black and white, such as 0:4095 or -1:1.",
        default="0:255 for integers, 0:1 for floating point",
    )
    invert: bool = setting(False, DATA, Flag(), "Exchange black and white.")
    image_shape: str | None = setting(
        None,
        DATA,
        Parsed("HxW or HxWxC", parse_image_shape),
        "Shape of images that are stored as rows of numbers.",
        default="square",
    )
    arrays: str | None = setting(
        None,
        DATA,
        Parsed("train=NAME,test=NAME,labels=NAME,test_labels=NAME", parse_arrays),
        "Names of the arrays in a .npz file: train=NAME,test=NAME,labels=NAME,test_labels=NAME.",
        default="the usual names",
    )
    classes: str | None = setting(
        None,
        DATA,
        Text("names or numbers of classes, separated by commas"),
        "Train on images of these classes only, such as 3 or cat,dog; the test set keeps all.",
        default="all",
    )
    limit: int | None = setting(
        None,
        DATA,
        Integer(1),
        "Use only the first N training images; the test set stays whole.",
        default="all",
    )
    validation: int = setting(
        0,
        DATA,
        Integer(0),
        "Keep the last N training images out of training, and measure these instead of the test images.",
    )
    augment: str | None = setting(
        None,
        DATA,
        Parsed("shift:PIXELS, flip, shift:PIXELS,flip or none", parse_augment),
        "Move each training image by up to so many pixels, repeating its edge, or mirror half of them, "
        "anew at each step: shift:PIXELS, flip, shift:PIXELS,flip or none.",
        default="for conv, conv-best, vae-conv on fewer than 2,000 images of your own what suits; else none",
    )
    noise: str | None = setting(
        None,
        DATA,
        Parsed("gaussian:DEVIATION, mask:SHARE or salt-pepper:SHARE", parse_noise),
        "Noise on the input images, of pixels in [0, 1]: gaussian:DEVIATION, mask:SHARE or "
        "salt-pepper:SHARE.",
        default="none",
    )
    binarize: str | None = setting(
        None,
        DATA,
        OneOf(BINARIZE),
        "Draw each pixel as 0 or 1, with its grey as the probability: static draws every image "
        "once, dynamic the training images anew at each step.",
        default="grey",
    )
    likelihood: str = setting(
        "bernoulli",
        VARIATIONAL,
        OneOf(LIKELIHOODS),
        "Likelihood of the pixels given a code: bernoulli or gaussian.",
        variational=True,
    )
    beta: float = setting(
        1.0,
        VARIATIONAL,
        Number("a number from 0 up", lambda beta: beta >= 0),
        "Weight of the KL divergence in the loss.",
        variational=True,
    )
    kl_warm_up: float = setting(
        0.0, VARIATIONAL, PART, "Part of all steps over which that weight rises from 0.", variational=True
    )
    importance: int = setting(
        1,
        VARIATIONAL,
        Integer(1, 1000),
        "Codes of each image in the loss: above 1 the importance-weighted bound of so many.",
        variational=True,
    )

    recipe: str = setting(
        "reference",
        TRAINING,
        OneOf(RECIPES),
        "reference, fast (its quality in the least time) or best (the least error).",
    )
    epochs: int = setting(
        UNSET, TRAINING, Integer(1), "Passes over the training images.", default=RECIPES_OWN
    )
    batch_size: int = setting(UNSET, TRAINING, Integer(1), "Images per step.", default=RECIPES_OWN)
    learning_rate: float = setting(
        UNSET,
        TRAINING,
        Number("a number above 0, such as 0.001", lambda rate: rate > 0),
        "Learning rate of Adam.",
        default=RECIPES_OWN,
    )
    beta_2: float = setting(
        0.999, TRAINING, BELOW_1, "Decay rate of Adam's second moment.", default=RECIPES_OWN
    )
    warm_up: float = setting(
        0.0,
        TRAINING,
        Number("a number from 0 to below 1: a part of all steps", BELOW_1.allows),
        "Part of all steps in which the learning rate rises from 0, to fall to 0 in the others; "
        "0 keeps it constant.",
        default=RECIPES_OWN,
    )
    ema: float = setting(
        0.0,
        TRAINING,
        BELOW_1,
        "Decay of an exponential moving average of the weights, such as 0.999, which is measured and "
        "kept in place of the last weights; 0 keeps the last.",
    )
    seed: int = setting(
        0, TRAINING, Integer(0), "Seed of the initial weights, the order of the images and noise."
    )
    precision: str = setting(
        "float32",
        TRAINING,
        OneOf(PRECISIONS),
        "Precision of matrix products in training: float32, or bfloat16 where a device is fast at it.",
    )
    backend: str = setting(
        backends.current,
        TRAINING,
        OneOf(backends.BACKENDS),
        "Keras backend: torch, tensorflow or jax.",
        default="KERAS_BACKEND, else torch",
    )
    device: str = setting(
        "auto", TRAINING, OneOf(backends.DEVICES), "auto (a GPU where the backend sees one), cpu or gpu."
    )
    checkpoint_every: str | None = setting(
        None,
        TRAINING,
        Text("a number of batches (200) or of seconds (30s)", r"[1-9]\d{0,8}s?"),
        "Batches (200) or seconds (30s) between checkpoints, beside one after each epoch.",
        default="60s, and short epochs share one",
    )
    patience: int | None = setting(
        None,
        TRAINING,
        Integer(1),
        "Stop after N epochs without a lower validation error, and keep the weights of the best epoch.",
        default="train all epochs",
    )
    init: str | None = setting(
        None, TRAINING, Text(), "Start from the weights of this run, where they fit.", default="random"
    )
    init_part: str = setting("all", TRAINING, OneOf(("all", "encoder", "decoder")), "Which of them to take.")
    samples: bool = setting(
        True, RUN, Flag(), "Keep 64 test images in the run, so that it can be exported without data."
    )
    runs_dir: str = setting("runs", RUN, Text(), "Folder of the run folders.", personal=True)
    name: str | None = setting(
        None,
        RUN,
        Text("letters, digits, '.', '_' and '-', and not 'latest'", NAME),
        "The run folder is RUNS_DIR/NAME.",
        default="a name made of variant and time",
        personal=True,
    )
    overwrite: bool = setting(
        False, RUN, Flag(), "Delete the run of that name, if there is one, for the new one.", personal=True
    )

    def __post_init__(self) -> None:
        for name, row in SETTINGS.items():
            if (value := getattr(self, name)) is not None or row.value is not None:
                row.rule.check(name, value)


SETTINGS: dict[str, Setting] = {each.name: each.metadata["setting"] for each in fields(Settings)}
