"""The settings of a training run, in one table: the fields of `TrainConfig`, the options of
`kae train` and their documentation are made of it. Standard library only.
"""

import re
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from ..architecture.limits import LARGEST
from ..architecture.recipes import RECIPES
from ..architecture.variant import Variant
from ..errors import UsageError
from ..system import backend as backends
from .rules import Flag, Integer, Number, OneOf, Parsed, Rule, Table, Text

MODEL, DATA, VARIATIONAL, TRAINING, RUN = "Model", "Data", "Variational loss", "Training", "Run folder"
LIKELIHOODS = ("bernoulli", "gaussian")  # of pixels, given a code: see models.losses
PRECISIONS = ("float32", "bfloat16")
NAME = r"(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]*"
RECIPES_OWN = "the recipe's"


@dataclass(frozen=True)
class Setting:
    """What a setting means and what its value may be.

    `default` says in words what `value`, the default, cannot say. A `variational` setting is
    refused for other variants. A `personal` one says where the run lies, not how it is trained: it
    is not written into the run's config.
    """

    group: str
    rule: Rule
    help: str
    value: Any = None
    default: str = ""
    variational: bool = False
    personal: bool = False


def setting(value: Any, group: str, rule: Rule, text: str, /, **options: Any) -> Any:
    """A field with its default value, or with the function that makes it."""
    metadata = {"setting": Setting(group, rule, text, value, **options)}
    if callable(value):
        return field(default_factory=value, metadata=metadata)
    return field(default=value, metadata=metadata)


def parse_noise(text: Any) -> object:
    """Kind and amount of "KIND:AMOUNT". Raises `UsageError`."""
    from ..datasets.noise import corruption

    return corruption(text)


def size_of(resize: Any) -> tuple[int, int] | None:
    """Height and width of "64" or "48x64"; None for "variant". Raises `UsageError`."""
    if resize == "variant":
        return None
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", resize) if isinstance(resize, str) else None
    if not match or not all(1 <= int(side) <= 1024 for side in match.groups() if side):
        raise UsageError(f"resize is {resize!r}; give SIZE or HEIGHTxWIDTH, such as 64 or 48x64, or variant")
    return int(match[1]), int(match[2] or match[1])


PART = Number("a number from 0 to 1: a part of all steps", lambda part: 0 <= part <= 1)
BELOW_1 = Number("a number from 0 to below 1", lambda number: 0 <= number < 1)
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
        "mnist",
        DATA,
        Text(),
        "A name from `kae data list`, a folder of pictures, or a .npz or .npy file.",
    )
    data_dir: str | None = setting(
        None,
        DATA,
        Text(),
        "Folder of the datasets.",
        default="KAE_DATA_DIR, else the user's cache folder",
    )
    resize: str | None = setting(
        None,
        DATA,
        Parsed("SIZE or HEIGHTxWIDTH in pixels, from 1 to 1024, or variant", size_of),
        "Resize the images to SIZE or HEIGHTxWIDTH pixels; without a value to the variant's size.",
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
        "Keep the last N training images out of training, and measure them after each epoch in "
        "place of the test images.",
    )
    noise: str | None = setting(
        None,
        DATA,
        Parsed("gaussian:DEVIATION, mask:SHARE or salt-pepper:SHARE", parse_noise),
        "Noise on the input images, of pixels in [0, 1]: gaussian:DEVIATION, mask:SHARE or "
        "salt-pepper:SHARE.",
        default="none",
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
        0.0,
        VARIATIONAL,
        PART,
        "Part of all steps over which that weight rises from 0.",
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
        0.999,
        TRAINING,
        BELOW_1,
        "Decay rate of Adam's second moment.",
        default=RECIPES_OWN,
    )
    warm_up: float = setting(
        0.0,
        TRAINING,
        Number("a number from 0 to below 1: a part of all steps", BELOW_1.allows),
        "Part of all steps in which the learning rate rises from 0, to fall to 0 in the others; "
        "0 keeps it constant.",
        default=RECIPES_OWN,
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
        "auto",
        TRAINING,
        OneOf(backends.DEVICES),
        "auto (a GPU where the backend sees one), cpu or gpu.",
    )
    checkpoint_every: str | None = setting(
        None,
        TRAINING,
        Text("a number of batches (200) or of seconds (30s)", r"[1-9]\d{0,8}s?"),
        "Batches (200) or seconds (30s) between checkpoints, beside one after each epoch.",
        default="60s, and short epochs share one",
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

    def __post_init__(self) -> None:
        for name, row in SETTINGS.items():
            if (value := getattr(self, name)) is not None or row.value is not None:
                row.rule.check(name, value)


def rows() -> dict[str, Setting]:
    """The table by the names of its settings."""
    return {each.name: each.metadata["setting"] for each in fields(Settings)}


SETTINGS = rows()
