"""A Chromium for the tests of the explorer, and the modules of its page in it."""

import shutil

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
