"""A Chromium for the tests of the explorer, the modules of its page in it, and packages of npm."""

import base64
import json
import re
import shutil
import subprocess
import tarfile

import pytest

HOW = "needs Chromium and playwright: apt-get install chromium; pip install playwright"


@pytest.fixture(scope="session")
def browser():
    """A running browser."""
    api = pytest.importorskip("playwright.sync_api", reason=HOW)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip(HOW)
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def script(browser):
    """A function that evaluates JavaScript, a function of one argument, in which `modules` are those
    of the page.
    """
    from keras_mnist_ae.reporting.explorer.modules import join

    page = browser.new_page()
    for entry in ("page", "autoencoder"):
        page.evaluate(f"() => {{ {join(entry)} window.modules = {{ ...window.modules, ...modules }}; }}")
    yield page.evaluate
    page.close()


def carried(path):
    """The data of a page."""
    text = path.read_text("utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def unpacked(package, folder):
    """The folder of a package of npm, NAME@VERSION; skips the test where it cannot be had."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip(f"needs {package}: install npm")
    done = subprocess.run([npm, "pack", package], cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"needs {package}, which npm cannot fetch: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The script of axe-core, which finds faults of accessibility."""
    return (unpacked("axe-core@4.14.1", tmp_path_factory.mktemp("axe")) / "axe.min.js").read_text("utf-8")


RUN_ON_THE_WEB = """async ([file, feeds, graphOptimizationLevel]) => {
  const bytes = Uint8Array.from(atob(file), (character) => character.charCodeAt(0));
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel });
  const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
  const tensors = Object.entries(feeds).map(([name, { type, dims, data }]) =>
    [name, new ort.Tensor(type, arrays[type].from(data), dims)]);
  const found = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(Object.entries(found).map(([name, { dims, data }]) => [name, { dims, data: Array.from(data, Number) }]));
}"""


@pytest.fixture(scope="session")
def onnxruntime_web(browser, tmp_path_factory):
    """A function from a graph and its inputs to its outputs, by name, in onnxruntime-web."""
    import numpy as np

    dist = unpacked("onnxruntime-web@1.30.0", tmp_path_factory.mktemp("web")) / "dist"
    kinds = {".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html"}

    def serve(route):
        path = dist / route.request.url.rsplit("/", 1)[1]
        body = path.read_bytes() if path.is_file() else b"<!doctype html>"
        route.fulfill(body=body, content_type=kinds.get(path.suffix, "text/html"))

    page = browser.new_page()
    page.route("http://localhost/**", serve)
    page.goto("http://localhost/")
    page.evaluate(
        """async () => {
          window.ort = await import("/ort.wasm.bundle.min.mjs");
          Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: "/" });
        }"""
    )

    def run(content, feeds, optimised=True):
        told = {
            name: {"type": str(array.dtype), "dims": list(array.shape), "data": array.ravel().tolist()}
            for name, array in feeds.items()
        }
        found = page.evaluate(
            RUN_ON_THE_WEB, [base64.b64encode(content).decode(), told, "all" if optimised else "disabled"]
        )
        return {name: np.reshape(each["data"], each["dims"]) for name, each in found.items()}

    yield run
    page.close()
