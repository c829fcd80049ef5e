"""The rooms of the package: what lies where, and who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keras_mnist_ae

PACKAGE = Path(keras_mnist_ae.__file__).parent
ROOMS = [  # from the ground up: a room imports only from those before it
    *("errors", "system", "architecture", "datasets", "models", "runs"),
    *("analysis", "training", "export", "reporting", "bench", "cli"),
]
FRONT_DOORS = ("", "__main__", "sklearn")  # what users import: it opens every room
ENTRIES = 15
LINES = 250
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """The modules of the package that a file imports anywhere in it, with the line."""
    package = [*name_of(path).split(".")]
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *rest = alias.name.split(".")
                if first == "keras_mnist_ae":
                    yield ".".join(rest), node.lineno
            continue
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = package[: len(package) - node.level + 1]
        elif node.module and node.module.split(".")[0] == "keras_mnist_ae":
            base = []
            node.module = ".".join(node.module.split(".")[1:]) or None
        else:
            continue
        target = [*base, *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            for candidate in ([*target, alias.name], target):
                place = PACKAGE.joinpath(*candidate)
                if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
                    yield ".".join(candidate), node.lineno
                    break


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_from_rooms_below_it(path):
    room = name_of(path).split(".")[0]
    if room in FRONT_DOORS:
        return
    for target, line in imports(path):
        other = target.split(".")[0]
        assert other in ("", *ROOMS[: ROOMS.index(room) + 1]), (
            f"{path.relative_to(PACKAGE.parent)}:{line} imports {target}: {other} stands above "
            f"{room} (from the ground up: {', '.join(ROOMS)}). Move what is needed down, or pass it "
            "in as an argument."
        )


def test_no_module_imports_itself_by_way_of_others():
    graph = {name_of(path): {target for target, _ in imports(path)} for path in MODULES}
    done = set()

    def visit(name, way):
        assert name not in way, f"a circle of imports: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for target in graph.get(name, set()):
                visit(target, [*way, name])
            done.add(name)

    for name in graph:
        if name not in FRONT_DOORS:
            visit(name, [])


def test_the_root_is_small_and_no_file_is_long():
    ignored = ("__pycache__", "py.typed")
    entries = [path.name for path in PACKAGE.iterdir() if path.name not in ignored]
    assert len(entries) <= ENTRIES, sorted(entries)
    long = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert not {name: lines for name, lines in long.items() if lines > LINES}


def test_every_room_says_what_it_is_for():
    for room in ROOMS[1:]:
        assert ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))), room


def test_no_module_bears_the_name_of_a_function_that_its_room_exports():
    for room in ROOMS[1:]:
        tree = ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))
        exported = {a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
        modules = {path.stem for path in (PACKAGE / room).iterdir()}
        clash = (exported & modules) - {"backend"}  # which is the module itself
        assert not clash, f"{room}: importing the module would hide the function: {clash}"


@pytest.mark.parametrize("module", ["", ".datasets", ".analysis", ".architecture", ".runs.settings"])
def test_light_rooms_import_no_heavy_package(module):
    heavy = "keras torch tensorflow jax onnx onnxruntime sklearn skimage scipy matplotlib PIL h5py"
    code = f"import keras_mnist_ae{module}, sys; print(*({heavy.split()!r} & sys.modules.keys()))"
    code = code.replace(f"{heavy.split()!r}", f"set({heavy.split()!r})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()
