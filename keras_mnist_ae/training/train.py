"""One training run from its settings to its folder."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

from ..architecture.variant import Variant
from ..datasets.dataset import Dataset
from ..datasets.frameworks import IN_MEMORY, name_of
from ..errors import in_python
from ..runs import runs_dir as folder_of_runs
from ..runs.config import TrainConfig, configure
from ..runs.environment import describe
from ..runs.folder import Run
from ..runs.reopen import load_data
from ..runs.settings import SETTINGS
from ..system import backend as backends
from ..system import processes, signals
from ..system.group import together
from ..system.notes import say
from .defaults import settled
from .extras import Extras
from .hints import before_training


def train(
    variant: str | Variant = "conv-avgpool",
    dataset: "str | PathLike[str] | Dataset | Any" = "mnist",
    *,
    callbacks: Sequence[Any] = (),
    optimizer: Any = None,
    loss: Any = None,
    latent_dim: int | None = None,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    target: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    resize: str | int | None = None,
    fit: str | None = None,
    range: str | None = None,
    invert: bool | None = None,
    image_shape: str | None = None,
    arrays: str | None = None,
    classes: str | int | None = None,
    limit: int | None = None,
    validation: int | None = None,
    augment: str | None = None,
    noise: str | None = None,
    binarize: str | None = None,
    likelihood: str | None = None,
    beta: float | None = None,
    kl_warm_up: float | None = None,
    importance: int | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    beta_2: float | None = None,
    warm_up: float | None = None,
    ema: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    backend: str | None = None,
    device: str | None = None,
    checkpoint_every: str | int | None = None,
    patience: int | None = None,
    init: str | PathLike[str] | None = None,
    init_part: str | None = None,
    samples: bool | None = None,
    runs_dir: str | PathLike[str] | None = None,
    name: str | None = None,
    overwrite: bool | None = None,
) -> Run:
    """Train a variant and write its run folder. A line per epoch goes to stderr.

    Arguments that are None take the default that stands beside them. "The recipe's" are those of
    the variant, as `print(kae.VARIANTS["mlp"].recipe)` shows them.

    Args:
        variant: a name (see `kae models`) or a table of your own.
        dataset: a name (see `kae data list`), the path of a folder of pictures or of a file, a
            `Dataset`, an array of images of shape (n, H, W) or (n, H, W, C), or a PyTorch or
            TensorFlow dataset of images or of (image, label) pairs, which is read into memory.
        callbacks: Keras callbacks, such as keras.callbacks.EarlyStopping.
        optimizer: a Keras optimizer in place of Adam.
        loss: a Keras loss in place of the mean squared error, or its name.
        latent_dim: Length of the code. Default: the variant's.
        batch_norm: Batch normalisation before each activation of the hidden layers. Default: False.
        dropout: Dropout rate after each hidden layer. Default: 0.0.
        target: Path of what is to come out, such as clean images. Default: the images.
        data_dir: Folder of the datasets. Default: KAE_DATA_DIR, else the user's cache folder.
        resize: Resize the images to SIZE or HEIGHTxWIDTH pixels; `variant`, or no value, to the
            variant's size. Default: None.
        fit: How resize fits: crop covers the size and cuts at the centre, pad adds black, stretch
            scales each side alone. Default: 'crop'.
        range: Numbers that count as black and white, such as 0:4095 or -1:1. Default: 0:255 for
            integers, 0:1 for floating point.
        invert: Exchange black and white. Default: False.
        image_shape: Shape of images that are stored as rows of numbers. Default: square.
        arrays: Names of the arrays in a .npz file:
            train=NAME,test=NAME,labels=NAME,test_labels=NAME. Default: the usual names.
        classes: Train on images of these classes only, such as 3 or cat,dog; the test set keeps
            all. Default: all.
        limit: Use only the first N training images; the test set stays whole. Default: all.
        validation: Keep the last N training images out of training, and measure these instead of
            the test images. Default: 0.
        augment: Move each training image by up to so many pixels, repeating its edge, or mirror
            half of them, anew at each step: shift:PIXELS, flip, shift:PIXELS,flip or none. Default:
            for conv, conv-best, vae-conv on fewer than 2,000 images of your own what suits; else
            none.
        noise: Noise on the input images, of pixels in [0, 1]: gaussian:DEVIATION, mask:SHARE or
            salt-pepper:SHARE. Default: none.
        binarize: Draw each pixel as 0 or 1, with its grey as the probability: static draws every
            image once, dynamic the training images anew at each step. Default: grey.
        likelihood: Likelihood of the pixels given a code: bernoulli or gaussian. Default:
            'bernoulli'.
        beta: Weight of the KL divergence in the loss. Default: 1.0.
        kl_warm_up: Part of all steps over which that weight rises from 0. Default: 0.0.
        importance: Codes of each image in the loss: above 1 the importance-weighted bound of so
            many. Default: 1.
        recipe: reference, fast (its quality in the least time) or best (the least error). Default:
            'reference'.
        epochs: Passes over the training images. Default: the recipe's.
        batch_size: Images per step. Default: the recipe's.
        learning_rate: Learning rate of Adam. Default: the recipe's.
        beta_2: Decay rate of Adam's second moment. Default: the recipe's.
        warm_up: Part of all steps in which the learning rate rises from 0, to fall to 0 in the
            others; 0 keeps it constant. Default: the recipe's.
        ema: Decay of an exponential moving average of the weights, such as 0.999, which is measured
            and kept in place of the last weights; 0 keeps the last. Default: 0.0.
        seed: Seed of the initial weights, the order of the images and noise. Default: 0.
        precision: Precision of matrix products in training: float32, or bfloat16 where a device is
            fast at it. Default: 'float32'.
        backend: Keras backend: torch, tensorflow or jax. Default: KERAS_BACKEND, else torch.
        device: auto (a GPU where the backend sees one), cpu or gpu. Default: 'auto'.
        checkpoint_every: Batches (200) or seconds (30s) between checkpoints, beside one after each
            epoch. Default: 60s, and short epochs share one.
        patience: Stop after N epochs without a lower validation error, and keep the weights of the
            best epoch. Default: train all epochs.
        init: Start from the weights of this run, where they fit. Default: random.
        init_part: Which of them to take. Default: 'all'.
        samples: Keep 64 test images in the run, so that it can be exported without data. Default:
            True.
        runs_dir: Folder of the run folders. Default: 'runs'.
        name: The run folder is RUNS_DIR/NAME. Default: a name made of variant and time.
        overwrite: Delete the run of that name, if there is one, for the new one. Default: False.

    Returns:
        The finished run, with `model`, `history`, `metrics` and `path`.

    Raises:
        UsageError: A setting cannot be used.
        MissingDependencyError: The backend is not installed.
        DataError: The data are missing, damaged, or of another size than the variant's.
        DivergedError: The loss is no longer finite.
        WriteError: The run folder cannot be written.

    Examples:
        >>> run = train("mlp", "digits", epochs=1, limit=64, runs_dir=getfixture("tmp_path"))
        >>> run.config.batch_size, len(run.history["loss"])
        (32, 1)
    """
    given = {name: value for name, value in locals().items() if name in SETTINGS}
    given.pop("variant")
    named = {"table": variant} if isinstance(variant, Variant) else {"variant": variant}
    config = configure(**{**given, **named, "dataset": name_of(dataset)})
    return train_config(config, dataset, Extras(callbacks, optimizer, loss))


def explained(name: str) -> str:
    """What a setting means, in the words of its table, for Python."""
    row = SETTINGS[name]
    plain = row.value is not None and not callable(row.value) and not row.default
    default = row.default or (repr(row.value) if plain else "None")
    return f"{in_python(row.help)} Default: {in_python(default)}."


def train_config(config: TrainConfig, dataset: Any = None, extras: Extras | None = None) -> Run:
    """The same for settings that are complete; `dataset` where that which they name lies in
    memory.
    """
    from .finish import finish, follow

    extras = extras or Extras()
    extras.check(config)
    processes.refuse_backend(config.backend)
    backends.choose(config.backend, config.device)
    if (device := backends.device_name()) != "cpu":
        say(f"computing on {device}")
    with together() as group:
        data = load_data(config, dataset)
        config = settled(config, data)
        variant = config.architecture(data.image_shape)
        before_training(config, variant, data)
        if group:
            group.check_data(data.name, data.sha256)
        if group and not group.first:
            run = Run(group.ask("run"))
            with signals.remedied(f"kae resume {run.path}"):
                follow(variant, config, data, extras)
        else:
            run = folder_of_runs.create(config)
            if group:
                group.tell("run", str(run.path))
            with run.locked(), signals.remedied(f"kae resume {run.path}"):
                run.write_variant(variant)
                custom = {"custom": names} if (names := extras.names()) else {}
                run.write_environment(**describe(config, data), **custom)
                finish(run, config, data, extras)
    run.data = data if config.dataset == IN_MEMORY else None
    return run
