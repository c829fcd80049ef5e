"""The page of the explorer in Chromium: everything that one can do, and nothing that one cannot."""

import base64
import os
import re
import shutil

import numpy as np
import pytest
from chromium import carried
from PIL import Image

from keras_mnist_ae import datasets
from keras_mnist_ae.analysis import generation
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.reporting.explorer import html
from keras_mnist_ae.reporting.explorer.explore import explore
from keras_mnist_ae.reporting.steps import export_onnx

TABS = ("draw", "dimensions", "between", "new", "other", "honest")
SIDES = "() => [document.documentElement.scrollWidth, innerWidth]"


@pytest.fixture(scope="module")
def written(finished_runs, tmp_path_factory):
    """A function from a variant to the page of its short run."""
    folder, pages = tmp_path_factory.mktemp("pages"), {}

    def write(variant):
        if variant not in pages:
            pages[variant] = explore(finished_runs(variant), folder / f"{variant}.html")
        return pages[variant]

    return write


@pytest.fixture
def opened(browser):
    """A function that opens a page and waits until it is ready; at the end of the test nothing may
    have been requested, printed, thrown or refused by the policy.
    """
    contexts, complaints = [], []

    def open_page(path, **settings):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: outside(request.url, path) and complaints.append(request.url))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (e) => console.log(`refused ${e.blockedURI}`))"
        )
        page.goto(path.as_uri())
        page.wait_for_selector("body.ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def outside(url, path):
    return not (url == path.as_uri() or url.startswith(("data:image/png", "blob:null/", "blob:file:")))


def words(page):
    return page.inner_text("#words")


def until(page, condition, seconds=10):
    """Waits for a condition; playwright's own way evaluates text, which the policy forbids."""
    for _ in range(20 * seconds):
        if page.evaluate(f"() => {condition}"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"waited in vain for {condition}; the page says {words(page)!r}")


def says(page, start):
    until(page, f"document.querySelector('#words').innerText.startsWith({start!r})")


PIXELS = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0));
}"""


def pixels(page, selector):
    """The grey values of a canvas."""
    return np.array(page.eval_on_selector(selector, PIXELS))


def changed(page, selector, before):
    """Waits until a canvas shows something else."""
    for _ in range(100):
        if not np.array_equal(pixels(page, selector), before):
            return True
        page.wait_for_timeout(30)
    return False


DECODED = "#tiles figure:nth-child(2) canvas"


def test_the_first_view_is_what_python_computes(opened, written, tmp_path):
    page = opened(written("conv-avgpool"))
    assert re.fullmatch(r"✓ agrees with onnxruntime to [\d.e-]+", page.inner_text("#badge"))
    image = datasets.load("digits").test.images[:1]
    assert np.array_equal(pixels(page, "#tiles canvas"), image.ravel())
    data, folder = carried(written("conv-avgpool")), tmp_path
    for name in ("encoder", "decoder"):
        (folder / f"{name}.onnx").write_bytes(base64.b64decode(data[name]))
    graphs = OnnxAutoencoder(folder)
    expected = graphs.decode(graphs.encode(image)).ravel()
    assert np.abs(pixels(page, DECODED) - 255 * expected.clip(0, 1)).max() <= 0.51  # rounded
    error = np.square(expected - image.ravel() / 255).mean()
    assert f"mean squared error {error:.3g}" in words(page)
    page.click("#tab-honest")
    code, pixel = re.search(
        r"codes differ by at most (\S+), pixels by at most (\S+),", page.inner_text("#panel-honest")
    ).groups()
    assert float(code) <= 2**-10
    assert float(pixel) <= 1e-4


def test_map(opened, written):
    page = opened(written("conv-avgpool"))
    box = page.locator("#map").bounding_box()
    corner = (box["x"] + 30, box["y"] + 30)
    before = pixels(page, DECODED)
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0] + 60, corner[1] + 40, steps=4)
    page.mouse.up()
    assert changed(page, DECODED, before)
    says(page, "A place on the map")
    page.focus("#map")
    page.keyboard.press("Enter")  # the test image nearest to the place
    says(page, "Test image")
    assert page.inner_text("#said").startswith("Picked: Test image")
    before = pixels(page, DECODED)
    page.keyboard.press("Shift+ArrowRight")
    assert changed(page, DECODED, before)
    page.select_option("#legend select", label="3")


def test_draw(opened, written, tmp_path):
    page = opened(written("conv-avgpool"))
    box = page.locator(".pad").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 40
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + box["height"] - 80, steps=6)
    page.mouse.up()
    says(page, "Your drawing")
    assert "Stranger than" in page.inner_text("#panel-draw")
    thumbs = page.locator("#panel-draw .thumb")
    assert thumbs.count() == 5
    drawn = pixels(page, "#tiles canvas").reshape(28, 28)
    assert drawn.max() == 255
    thumbs.first.click()
    says(page, "Test image")
    Image.fromarray(np.full((50, 60, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    page.set_input_files("#panel-draw input[type=file]", tmp_path / "grey.png")
    says(page, "\u2068grey.png")
    assert set(pixels(page, "#tiles canvas")) == {90}
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.set_input_files("#panel-draw input[type=file]", tmp_path / "no.png")
    page.wait_for_selector("text=/no.png. cannot be shown/")
    page.focus(".pad")
    for key in ("Space", "ArrowLeft", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    says(page, "Your drawing")


def test_dimensions(opened, written):
    page = opened(written("conv-avgpool"))
    page.click("#tab-dimensions")
    sliders = page.locator(".slider input")
    assert sliders.count() == 8
    page.click("text=More dimensions")
    assert sliders.count() == 16
    until(page, "Array.from(document.querySelectorAll('.slider canvas')).every((c) => c.width === 7 * 28)")
    picked = words(page)
    sliders.first.focus()
    page.keyboard.press("End")
    says(page, "Dimension")
    page.click("text=Back to the picked image")
    says(page, picked)


@pytest.mark.slow
def test_between(opened, written):
    page = opened(written("conv-avgpool"))
    page.click("#tab-between")
    slider = page.locator("#panel-between input")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(300)
    at_a = [pixels(page, f"#panel-between .tiles figure:nth-child({n}) canvas") for n in (1, 2, 3)]
    assert np.abs(at_a[0] - at_a[1]).max() <= 1  # both ways start at the same code
    assert np.array_equal(at_a[2], pixels(page, "#panel-between .end canvas"))
    page.click("text=Play")
    assert changed(page, "#panel-between .tiles figure:nth-child(1) canvas", at_a[0])
    page.click("text=Pause")
    page.click("text=Picked image as B")


@pytest.mark.slow
def test_new(opened, written):
    page = opened(written("conv-avgpool"))
    page.click("#tab-new")
    until(page, "Array.from(document.querySelectorAll('.pair canvas')).every((c) => c.width === 28)")
    before = pixels(page, ".pair canvas")
    page.click("text=Draw others")
    assert changed(page, ".pair canvas", before)
    page.locator(".pair").last.click()
    says(page, "A new image")


def test_another_model(opened, written, copied_run, tmp_path):
    page = opened(written("conv-avgpool"))
    page.click("#tab-other")
    good = export_onnx(copied_run("mlp"), images=8)

    def drop(folder, expected):
        page.set_input_files("#panel-other input[type=file]", folder)
        until(page, f"document.querySelector('#panel-other .answer').textContent.includes({expected!r})")

    for name, spoil, expected in (
        (
            "empty",
            lambda folder: [each.unlink() for each in folder.iterdir()],
            "no encoder.onnx and decoder.onnx",
        ),
        ("cut", lambda folder: cut(folder / "decoder.onnx"), "not the file that its manifest.json names"),
        (
            "unnamed",
            lambda folder: ((folder / "manifest.json").unlink(), cut(folder / "decoder.onnx")),
            "breaks off",
        ),
        (
            "foreign",
            lambda folder: (
                (folder / "manifest.json").unlink(),
                (folder / "encoder.onnx").write_text("<b>no</b>"),
            ),
            "This cannot be used.",
        ),
        (
            "huge",
            lambda folder: os.truncate(folder / "decoder.onnx", 257_000_000),
            "decoder.onnx is larger than 256 MB",
        ),
        ("manifest", lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json is damaged"),
    ):
        folder = shutil.copytree(good, tmp_path / name)
        spoil(folder)
        if name == "empty":
            (folder / "something.txt").write_text("else")
        drop(folder, expected)
    assert "agrees" in page.inner_text("#badge")
    drop(good, "mlp with 32 numbers looks at the page now")
    page.click("#tab-honest")
    assert "mlp, 32 numbers, weights in float32" in page.inner_text("#panel-honest")
    page.click("#tab-dimensions")
    assert "32 numbers" in page.inner_text("#panel-dimensions")
    page.click("#tab-other")
    page.click("text=Back to the model of this page")
    page.click("#tab-honest")
    page.wait_for_selector("text=conv-avgpool, 64 numbers")


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def test_names_appear_as_text(opened, written, tmp_path):
    data = carried(written("conv-avgpool"))
    names = ["<img src=x onerror=alert(1)>", "\"'&amp;</script>", "\u202etfel", *map(str, range(7))]
    path = tmp_path / "hostile.html"
    path.write_text(
        html.page({**data, "classes": names, "run": names[0], "variant": names[1], "dataset": names[2]}),
        "utf-8",
    )
    page = opened(path)
    assert page.locator("img").count() == 0
    assert page.locator("h1").inner_text() == f"{names[1]} on {names[2]}"
    assert page.locator("#legend option").all_inner_texts()[1:4] == names[:3]
    view = page.evaluate("() => document.querySelector('#words').innerText")
    name = names[np.frombuffer(base64.b64decode(data["labels"]), "<u2")[0]]
    assert view.startswith(f"Test image 0, class \u2068{name}\u2069: ")  # whatever its direction


@pytest.mark.slow
def test_a_script_that_was_put_into_the_page_does_not_run(browser, written, tmp_path):
    text = (
        written("conv-avgpool")
        .read_text("utf-8")
        .replace("</main>", "</main><script>window.ran = 1</script>")
    )
    (tmp_path / "changed.html").write_text(text, "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "changed.html").as_uri())
    page.wait_for_selector("body.ready")
    assert page.evaluate("window.ran") is None
    page.close()


@pytest.mark.slow
def test_narrow_screens_do_not_scroll_sideways(opened, written):
    page = opened(written("conv-avgpool"), viewport={"width": 360, "height": 640}, has_touch=True)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        width, inner = page.evaluate(SIDES)
        assert width <= inner, tab
    assert page.locator("#stage").bounding_box()["y"] >= 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (360, 640)])
def test_axe_finds_nothing_serious(opened, written, axe, scheme, size):
    viewport = dict(zip(("width", "height"), size, strict=True))
    page = opened(written("conv-avgpool"), viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page.evaluate(axe)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        found = page.evaluate("() => axe.run()")["violations"]
        assert not [each for each in found if each["impact"] in ("serious", "critical")], tab


@pytest.mark.slow
def test_tabs_by_keyboard(opened, written):
    page = opened(written("conv-avgpool"))
    page.focus("#tab-draw")
    page.keyboard.press("ArrowRight")
    assert page.locator("#panel-dimensions").is_visible()
    assert page.locator("#panel-draw").is_hidden()
    assert page.evaluate("document.activeElement.id") == "tab-dimensions"


@pytest.mark.slow
def test_a_thousand_classes_one_image_and_collapsed_codes(opened, written, tmp_path):
    data = carried(written("conv-avgpool"))
    many = tmp_path / "many.html"
    many.write_text(html.page({**data, "classes": [f"class {n}" for n in range(1000)]}), "utf-8")
    assert opened(many).locator("#legend option").count() == 1001
    codes = {**data["codes"], "high": data["codes"]["low"]}
    collapsed = tmp_path / "collapsed.html"
    collapsed.write_text(html.page({**data, "codes": codes, "density": {"kind": "none"}}), "utf-8")
    page = opened(collapsed)
    assert "the encoder has collapsed" in page.inner_text("#help")
    page.click("#tab-new")
    assert "nothing to draw from" in page.inner_text("#panel-new")


@pytest.mark.slow
def test_one_image(opened, finished_runs, tmp_path, monkeypatch):
    from keras_mnist_ae.reporting.explorer import content

    monkeypatch.setattr(content, "IMAGES", 1)
    page = opened(explore(finished_runs("conv-avgpool"), tmp_path / "one.html"))
    for tab in TABS:
        page.click(f"#tab-{tab}")
    assert words(page).startswith("Test image 0")


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["vae-conv", "conv-unpool", "conv-best"])
def test_every_interaction_on_other_variants(opened, written, variant):
    everything(opened(written(variant)), variant)


@pytest.mark.slow
def test_every_interaction_in_colour(opened, tmp_path):
    from keras_mnist_ae import train

    rng = np.random.default_rng(0)
    data = datasets.Dataset.from_arrays(
        rng.integers(0, 256, (80, 32, 24, 3), np.uint8), labels=np.arange(80) % 3
    )
    run = train("conv", dataset=data, epochs=1, batch_size=16, runs_dir=tmp_path, name="colour")
    everything(opened(explore(run, tmp_path / "colour.html", dataset=None)), "conv")


def everything(page, variant):
    assert "agrees" in page.inner_text("#badge")
    box = page.locator("#map").bounding_box()
    before = pixels(page, DECODED)
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 60, steps=3)
    page.mouse.up()
    assert changed(page, DECODED, before)
    assert ("switches are borrowed" in page.inner_text("#help")) == (variant == "conv-unpool")
    pad = page.locator(".pad").bounding_box()
    page.mouse.move(pad["x"] + 80, pad["y"] + 40)
    page.mouse.down()
    page.mouse.move(pad["x"] + 90, pad["y"] + 200, steps=4)
    page.mouse.up()
    says(page, "Your drawing")
    page.click("#tab-dimensions")
    page.locator(".slider input").first.focus()
    page.keyboard.press("End")
    says(page, "Dimension")
    page.click("#tab-between")
    page.locator("#panel-between input").focus()
    page.keyboard.press("End")
    page.click("#tab-new")
    assert ("the prior" in page.inner_text("#panel-new")) == variant.startswith("vae")
    page.locator(".pair").first.click()
    says(page, "A new image")
    page.click("#tab-honest")


def test_paths_are_those_of_python(script):
    a, b = np.random.default_rng(3).normal(size=(2, 9)).astype(np.float32)
    for way in ("linear", "spherical"):
        expected = getattr(generation, way)(a, b, 5)
        found = [
            script(f"([a, b, t]) => modules.between.{way}(a, b, t)", [a.tolist(), b.tolist(), t / 4])
            for t in range(5)
        ]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_statistics_are_those_of_numpy_and_scikit_learn(script):
    from sklearn.decomposition import PCA

    codes = (np.random.default_rng(4).normal(size=(60, 5)) * [1, 3, 0.5, 2, 0]).astype(np.float32)
    found = script(
        """([codes, size]) => {
          const { dimensions, plane, project, lift } = modules.statistics, flat = Float32Array.from(codes);
          const { mean, low, high, order } = dimensions(flat, size), map = plane(flat, size, mean);
          const points = project(flat, map);
          return { low: [...low], high: [...high], order, points: [...points], back: [...lift([1, 2], map)] };
        }""",
        [codes.ravel().tolist(), 5],
    )
    np.testing.assert_allclose(found["low"], np.percentile(codes, 1, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["high"], np.percentile(codes, 99, axis=0), rtol=1e-5)
    assert found["order"] == list(np.argsort(-codes.var(axis=0)))
    pca = PCA(2).fit(codes)
    points, expected = np.reshape(found["points"], (-1, 2)), pca.transform(codes)
    sign = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points * sign, expected, atol=1e-3)
    np.testing.assert_allclose(found["back"], pca.inverse_transform([sign * [1, 2]])[0], atol=1e-3)


def test_gaussians_have_their_moments(script):
    codes = np.random.default_rng(5).multivariate_normal([1, -2], [[2, 1], [1, 3]], 200).astype(np.float32)
    found = script(
        """([codes, mean]) => {
          let state = 1;
          const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
          const { sample } = modules.density.gaussianOf(Float32Array.from(codes), 2, Float32Array.from(mean));
          return Array.from({ length: 5000 }, () => Array.from(sample(random)));
        }""",
        [codes.ravel().tolist(), codes.mean(axis=0).tolist()],
    )
    np.testing.assert_allclose(np.mean(found, axis=0), codes.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(np.transpose(found)), np.cov(codes.T), atol=0.2)


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 31, 3), (4, 5, 1)], ids=str)
@pytest.mark.parametrize("name", ["structure", "ssim", "error", "code", "error+code"])
def test_scores_are_those_of_python(script, name, shape):
    from keras_mnist_ae.analysis.scores import SCORES, Inputs, Statistics
    from keras_mnist_ae.analysis.structure import pooled, ssim_map
    from keras_mnist_ae.reporting.explorer.calibration import computed

    rng = np.random.default_rng(9)
    image, made = rng.random((2, 1, *shape), np.float32)
    code = rng.normal(size=(1, 4)).astype(np.float32)
    count = pooled(ssim_map(image, made), 8).shape[1]
    roots = rng.normal(size=(4, 4)), rng.normal(size=(count, count))
    moments, nothing = (np.array([0.2, 0.01]), np.array([1.3, 0.7])), np.zeros(0)
    known = Statistics(
        rng.normal(size=4),
        roots[0] @ roots[0].T,
        *moments,
        rng.normal(size=count),
        roots[1] @ roots[1].T,
        *(nothing,) * 3,
    )
    expected = float(SCORES[name].compute(Inputs(image, made, code), known)[0])
    data = {
        "score": name,
        "meaning": "",
        "false_alarms": 0.01,
        "threshold": 0.9 * expected,
        **computed(name, known),
    }
    view = {
        "error": float(np.square(image - made).mean()),
        "code": code[0].tolist(),
        "image": image.ravel().tolist(),
        "output": made.ravel().tolist(),
    }
    found = script(
        "([data, shape, view]) => modules.calibration.readCalibration(data, shape).judge(view)",
        [data, list(shape), view],
    )
    assert found["value"] == pytest.approx(expected, rel=1e-5)
    assert found["flagged"]


@pytest.mark.slow
def test_an_image_is_judged_as_in_python(opened, copied_run, tmp_path):
    from keras_mnist_ae import calibrate
    from keras_mnist_ae.reporting.scorers import of_run

    run = copied_run("conv-avgpool")
    calibrate(run, 0.5)
    page = opened(explore(run, tmp_path / "page.html"))
    scorer = of_run(run).scorer
    expected = scorer(datasets.load("digits").test.images[:1].astype(np.float32) / 255)
    verdict = re.search(
        r"(Flagged|Not flagged): its structure (\S+) is (above|within) the threshold (\S+)\.$", words(page)
    )
    assert float(verdict[2]) == pytest.approx(expected["structure"][0], rel=0.01)  # rounded, from float16
    assert float(verdict[4]) == pytest.approx(scorer.threshold, rel=0.01)
    assert (verdict[1], verdict[3]) == (
        ("Flagged", "above") if expected["flagged"][0] else ("Not flagged", "within")
    )
    page.click("#tab-honest")
    assert "is flagged: at most 50\u00a0% of normal images" in page.inner_text("#panel-honest")


def test_score_that_a_page_does_not_compute_is_said(script):
    from keras_mnist_ae.reporting.explorer.calibration import terms

    assert terms("knn", None) is None
    data = {"score": "knn", "meaning": "far", "false_alarms": 0.05, "threshold": 3.0, "terms": None}
    found = script("(data) => modules.calibration.readCalibration(data, [9, 9, 1])", data)
    assert found["judge"] is None
    assert found["words"].startswith("knn (far) above 3 is flagged: at most 5\u00a0% of normal images")
    assert found["words"].endswith("This page does not compute that score")


def test_mixtures_have_their_moments(script):
    from keras_mnist_ae.reporting.explorer.base64_text import numbers64

    weights, means = np.array([0.3, 0.7]), np.array([[0, 0], [4, 1]])
    lower = np.array([[1, 0.5, 2], [0.3, 0, 0.3]])
    told = {
        "kind": "mixture",
        "fitted": 1,
        "weights": numbers64(weights, "<f4"),
        "means": numbers64(means, "<f4"),
        "factors": numbers64(lower, "<f2"),
    }
    found = script(
        """(told) => {
          let state = 1;
          const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
          const { sample } = modules.density.readDensity(told, 2);
          return Array.from({ length: 8000 }, () => Array.from(sample(random)));
        }""",
        told,
    )
    full = np.array([[[1, 0], [0.5, 2]], [[0.3, 0], [0, 0.3]]])
    second = full @ full.transpose(0, 2, 1) + np.einsum("ki,kj->kij", means, means)
    np.testing.assert_allclose(np.mean(found, axis=0), weights @ means, atol=0.1)
    np.testing.assert_allclose(
        np.transpose(found) @ found / 8000, np.einsum("k,kij->ij", weights, second), atol=0.3
    )


def test_pictures_are_cut_as_means_of_what_they_cover(script):
    image = np.random.default_rng(6).random((12, 8)).astype(np.float32)
    cut_ = (
        "([v, shape, box, size]) => Array.from(modules.prepare.cut(Float32Array.from(v), shape, box, size))"
    )
    found = script(cut_, [image.ravel().tolist(), [12, 8, 1], [0, 0, 8, 12], [4, 4]])
    np.testing.assert_allclose(
        np.reshape(found, (4, 4)), image.reshape(4, 3, 4, 2).mean(axis=(1, 3)), rtol=1e-5
    )
    found = script(cut_, [image.ravel().tolist(), [12, 8, 1], [-8, 0, 0, 12], [3, 2]])
    assert not np.any(found)


def test_drawings_are_prepared_as_mnist(script):
    drawing = np.zeros((280, 280), np.float32)
    drawing[30:130, 200:240] = 1  # in a corner, 100 x 40
    drawing[30:60, 150:240] = 1
    found = script(
        "(v) => Array.from(modules.prepare.centred(Float32Array.from(v), [280, 280], [28, 28]))",
        drawing.ravel().tolist(),
    )
    image = np.reshape(found, (28, 28))
    rows, columns = np.nonzero(image > 0.5)
    assert rows.max() - rows.min() + 1 == 20  # the longer side fills the box
    assert columns.max() - columns.min() + 1 == 18
    y, x = np.mgrid[:28, :28] + 0.5
    assert (image * y).sum() / image.sum() == pytest.approx(14, abs=0.01)
    assert (image * x).sum() / image.sum() == pytest.approx(14, abs=0.01)
    assert script("() => modules.prepare.centred(new Float32Array(100), [10, 10], [28, 28])") is None
