"""JavaScript modules joined to one script, which needs neither a bundler nor a server."""

import re
from importlib.resources import files

IMPORT = re.compile(r'^import \{ ([^}]+) \} from "\./(\w+)\.js";\n', re.MULTILINE)
COMMENT = re.compile(r"^ *(?:/\*\*.*?\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)  # on lines of its own
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def source(name: str) -> str:
    """The text of a file of the page."""
    return files(__package__).joinpath("web", name).read_text("utf-8")


def join(entry: str) -> str:
    """A module and all that it imports as one script.

    Comments stay in the files. Each module becomes a block, whose names stay its own, and leaves
    what it exports in `modules`:

        import { fields } from "./protobuf.js";     const { fields } = modules.protobuf;
        export function readModel(file) {           function readModel(file) {
        ...                                         ... modules.model = { readModel };
    """
    blocks: dict[str, str] = {}

    def add(name: str) -> None:
        if name in blocks:
            return
        text = source(f"{name}.js")
        for _, imported in IMPORT.findall(text):
            add(imported)
        exported = ", ".join(EXPORT.findall(text))
        body = EXPORT.sub("", IMPORT.sub(r"const { \1 } = modules.\2;\n", COMMENT.sub("", text)))
        blocks[name] = f"{{\n{body}modules.{name} = {{ {exported} }};\n}}\n"

    add(entry)
    return f'"use strict";\nconst modules = {{}};\n{"".join(blocks.values())}'
