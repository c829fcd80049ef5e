"""Live explorers on the site, made when it is built: a hook of mkdocs.

Two short trainings on the digits inside scikit-learn, half a minute each: no binary file is stored,
and the pages are always those of the package as it is.
"""

import functools
import tempfile
from typing import Any

from mkdocs.structure.files import File, Files

RUNS: dict[str, dict[str, Any]] = {
    "conv-best": {"variant": "conv-best", "epochs": 8},
    "two-numbers": {"variant": "vae-mlp", "latent_dim": 2, "epochs": 40},
}


@functools.cache
def pages() -> dict[str, bytes]:
    """The page of each run by its name."""
    from keras_mnist_ae import explore, train

    with tempfile.TemporaryDirectory() as folder:
        return {
            name: explore(train(dataset="digits", runs_dir=folder, name=name, **settings)).read_bytes()
            for name, settings in RUNS.items()
        }


def on_files(files: Files, config: Any) -> Files:
    """Add them to the files of the site, so that links to them are checked."""
    for name, page in pages().items():
        files.append(File.generated(config, f"explorers/{name}.html", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Show them where a page says `<!-- explorer NAME -->`, which is nothing on other sites."""
    for name in RUNS:
        address = f"../explorers/{name}.html"
        frame = f'<iframe class="explorer" title="Explorer: {name}" loading="lazy" src="{address}"></iframe>'
        shown = f"[{name} on a page of its own]({address})\n\n{frame}\n"
        markdown = markdown.replace(f"<!-- explorer {name} -->", shown)
    return markdown
