"""The explorer without a browser: joined scripts, the policy, what the page carries; kae explore."""

import base64
import hashlib
import html
import io
import json
import re

import numpy as np
import pytest
from chromium import carried
from click.testing import CliRunner
from PIL import Image

from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.datasets.dataset import Dataset
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.reporting.explorer import content, graphs, sprite
from keras_mnist_ae.reporting.explorer.html import as_script, page
from keras_mnist_ae.reporting.explorer.modules import join

HOSTILE = ["</script><img src=x>", "\"quotes\" & 'more'", "\u202eright to left"]
PLAIN = {
    "run": HOSTILE[0],
    "variant": HOSTILE[1],
    "dataset": HOSTILE[2],
    "image": [2, 3, 1],
    "latent": 4,
    "classes": HOSTILE,
}


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_modules_come_after_what_they_import_and_none_twice():
    script = join("page")
    made = re.findall(r"^modules\.(\w+) = ", script, re.M)
    assert len(made) == len(set(made)) > 10
    assert made[-1] == "page"
    for name in made:
        before = script[: script.index(f"modules.{name} = ")]
        uses = set(re.findall(r"= modules\.(\w+);", before))
        assert uses <= {*made[: made.index(name)], name}
    assert not re.search(r"^(import|export) ", script, re.M)
    assert "</script" not in script.lower()
    assert "<!--" not in script


def test_the_policy_names_script_and_style_and_forbids_the_rest():
    text = page(PLAIN)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for element, rule in (('script type="module"', "script-src"), ("style", "style-src")):
        inside = re.search(rf"<{element}>(.*?)</{element.split()[0]}>", text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert not re.search(r"\b(eval|innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b", text)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)


def test_names_are_text_in_markup_and_data(tmp_path):
    text = page(PLAIN)
    (tmp_path / "page.html").write_text(text, "utf-8")
    assert text.count("<img") == 0
    assert len(re.findall("</script", text, re.I)) == 2  # of the data, of the script
    assert carried(tmp_path / "page.html")["classes"] == HOSTILE
    assert "<" not in as_script(HOSTILE)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_sprite_holds_the_images_to_the_bit(channels):
    images = np.random.default_rng(1).integers(0, 256, (7, 5, 6, channels), np.uint8)
    packed = sprite.pack(images)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(packed["png"]))))
    tiles = 1 if channels == 3 else channels
    for n, image in enumerate(images):
        top, left = n // packed["columns"] * 5, n % packed["columns"] * 6 * tiles
        part = picture[top : top + 5, left : left + 6 * tiles]
        split = part if channels == 3 else np.stack(np.split(part, channels, axis=1), axis=-1)
        assert np.array_equal(split, image)


def test_images_are_left_out_where_they_take_too_much():
    images = np.random.default_rng(1).integers(0, 256, (200, 20, 20, 1), np.uint8)
    packed, shown = sprite.fitting(images, 100, 30_000, 10)
    assert len(packed["png"]) + 10 * len(shown) <= 30_000
    assert sprite.LEAST < len(shown) < 60
    assert (shown[0], shown[-1]) == (0, 199)  # from all over the set
    assert len(sprite.fitting(images, 100, 0, 10)[1]) == sprite.LEAST
    assert len(sprite.fitting(images, 100, 10**7, 10)[1]) == 100


def test_codes_in_steps_are_close():
    codes = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    codes[:, 1] = 7  # a dimension that does not vary
    stored = content.quantised(codes)
    steps = np.frombuffer(base64.b64decode(stored["steps"]), np.uint8).reshape(codes.shape)
    low, high = floats(stored["low"]), floats(stored["high"])
    assert np.abs(low + steps / 255 * (high - low) - codes).max() <= (high - low).max() / 510 + 1e-6


def test_the_page_carries_the_export_and_what_python_computes(copied_run, tmp_path):
    run = copied_run("conv-avgpool")
    path = run.explore(tmp_path / "page.html")
    data = carried(path)
    assert path.stat().st_size < 1_000_000
    assert (data["run"], data["variant"], data["image"], data["latent"]) == (
        "mine",
        "conv-avgpool",
        [28, 28, 1],
        64,
    )
    folder = tmp_path / "graphs"
    folder.mkdir()
    for name in ("encoder", "decoder"):
        (folder / f"{name}.onnx").write_bytes(base64.b64decode(data[name]))
    exported = OnnxAutoencoder(folder)
    assert exported.info.metadata["precision"] == "float16"
    from keras_mnist_ae import datasets

    images = datasets.load("digits").test.images
    assert data["numbers"] == list(range(len(images)))
    codes = exported.encode(images)
    errors = np.square(exported.decode(codes) - images / np.float32(255)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(floats(data["errors"]), errors, rtol=1e-4)
    at = data["golden"]["indices"]
    np.testing.assert_allclose(floats(data["golden"]["codes"]).reshape(-1, 64), codes[at], atol=1e-3)
    labels = np.frombuffer(base64.b64decode(data["labels"]), "<u2")
    assert np.array_equal(labels, datasets.load("digits").test.labels)
    assert not run.export_folder("float16").exists()  # made for the page alone


def test_the_mixture_is_that_of_scikit_learn(finished_runs):
    from keras_mnist_ae.analysis.codec import Codec

    codes = np.random.default_rng(2).normal([1, -3], [1, 2], (5000, 2)).astype(np.float32)
    taken = iter(range(0, 5000, 1000))

    def encode(images):
        start = next(taken)
        return [codes[start : start + len(images)]]

    images = np.zeros((5000, 28, 28, 1), np.uint8)
    data = Dataset.from_arrays(images, images[:10])
    codec = Codec(encode, lambda found: np.zeros((len(found[0]), 28, 28, 1), np.float32))
    found = content.density(finished_runs("conv-avgpool"), data, codec)
    weights, means = floats(found["weights"]), floats(found["means"]).reshape(-1, 2)
    lower = np.frombuffer(base64.b64decode(found["factors"]), "<f2").reshape(-1, 3).astype(float)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(weights @ means, codes.mean(axis=0), atol=1e-3)
    full = np.zeros((len(weights), 2, 2))
    full[:, [0, 1, 1], [0, 0, 1]] = lower
    within = full @ full.transpose(0, 2, 1) + np.einsum("ki,kj->kij", means, means)
    total = np.einsum("k,kij->ij", weights, within)
    np.testing.assert_allclose(total, codes.T @ codes / 5000, rtol=0.01, atol=0.02)


def test_collapsed_codes_have_no_density(finished_runs):
    from keras_mnist_ae.analysis.codec import Codec

    images = np.zeros((40, 28, 28, 1), np.uint8)
    codec = Codec(
        lambda images: [np.ones((len(images), 3), np.float32)],
        lambda found: np.zeros((len(found[0]), 28, 28, 1)),
    )
    data = Dataset.from_arrays(images, images)
    assert content.density(finished_runs("conv-avgpool"), data, codec) == {"kind": "none"}


def test_command(copied_run, monkeypatch):
    monkeypatch.setattr(content, "IMAGES", 20)
    monkeypatch.setattr(graphs, "COMPARED", 20)
    run = copied_run("conv-avgpool")
    done = CliRunner().invoke(kae, ["explore", str(run.path), "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["explorer"] == str(run.path / "explorer.html")
    assert told["bytes"] == (run.path / "explorer.html").stat().st_size
    done = CliRunner().invoke(kae, ["explore", str(run.path / "nothing")])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 2)
