"""The page: style, data and scripts in one file that nothing can be loaded into."""

import base64
import hashlib
import json
from typing import Any

from .modules import join, source

POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; worker-src blob:; "
    "base-uri 'none'; form-action 'none'"
)


def page(data: dict[str, Any]) -> str:
    """The whole page of what `content.gather` gives.

    Names of runs, variants, classes and data sets reach it as text alone: escaped in the markup,
    as strings of the data elsewhere. The Content-Security-Policy names the hash of its one script
    and of its style sheet and forbids everything else.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    worker = as_script(join("worker"))
    script = f"\n{join('page')}modules.page.start({worker});\n"
    height, width, channels = data["image"]
    style = f"\n:root {{ --aspect: {width / height:g}; }}\n{source('explorer.css')}"
    template = Environment(autoescape=True).from_string(source("explorer.html.jinja"))
    return template.render(
        policy=Markup(POLICY.format(script=digest(script), style=digest(style))),
        style=Markup(style),
        script=Markup(script),
        data=Markup(as_script(data)),
        pixels=height * width * channels,
        height=height,
        width=width,
        **{key: data[key] for key in ("run", "variant", "dataset", "latent")},
    )


def as_script(value: Any) -> str:
    """JSON that may stand within a script element: no text in it can end the element."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def digest(text: str) -> str:
    """How a policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
