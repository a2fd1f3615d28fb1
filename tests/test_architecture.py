"""The rooms of the package and who may import whom, computed from the imports of every file.

Imports within functions and those for type checkers count as well: what is needed late is needed all the same.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import strokesynth

PACKAGE = Path(strokesynth.__file__).parent

GROUND = {"alphabet", "_batches", "_checks", "_files", "_xml"}

# Each room and the rooms it imports, from the ground up: no room imports one that comes after it.
MAP = {
    "ground": set(),
    "ink": {"ground"},
    "nn": {"ground"},
    "plots": {"ink"},
    "page": {"ground", "ink"},
    "datasets": {"ground", "ink"},
    "recognition": {"ground", "ink", "nn"},
    "synthesis": {"ground", "ink", "nn", "page", "recognition", "datasets"},
    "training": {"ground", "ink", "nn", "plots", "datasets", "recognition"},
    "evaluation": {"ground", "ink", "nn", "plots", "datasets", "recognition", "synthesis", "training"},
    "front door": {"ground", "ink", "page", "recognition", "synthesis"},
    "cli": {
        "ground",
        "ink",
        "nn",
        "plots",
        "page",
        "datasets",
        "recognition",
        "synthesis",
        "training",
        "evaluation",
        "front door",
    },
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(source: str, modules: set[str], package: str = "strokesynth") -> set[str]:
    """The modules that a source imports, anywhere in it; `package` is where it lies."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: -(node.level - 1) or None] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # What is no module itself is a name in one.
            found |= {f"{origin}.{a.name}" if f"{origin}.{a.name}" in modules else origin for a in node.names}
    return found & modules


def room_of(module: str) -> str:
    parts = module.split(".")
    if len(parts) == 1:
        return "front door"
    return "ground" if parts[1] in GROUND else parts[1]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Each module and those it imports."""
    found = {}
    for name, path in MODULES.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = imports(path.read_text("utf-8"), set(MODULES), package)
    return found


def test_every_kind_of_import_is_seen():
    source = (
        "import a.b\nfrom a import c, name\nif TYPE_CHECKING:\n    from a.d import x\n"
        "def f():\n    from . import e\n    from .g import y\n    from ..h import z\n    import outside\n"
    )
    known = {"a", "a.b", "a.c", "a.d", "p.q.e", "p.q.g", "p.h", "p.q"}
    assert imports(source, known, "p.q") == {"a", "a.b", "a.c", "a.d", "p.q.e", "p.q.g", "p.h"}


def test_no_file_imports_itself_in_a_circle(graph):
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' → '.join(error.args[1][::-1])}")
    assert set(order) == set(MODULES) and len(MODULES) > 60


def test_the_arrows_are_those_of_the_map(graph):
    arrows = {room: set() for room in MAP}
    for module, imported in graph.items():
        arrows.setdefault(room_of(module), set()).update(map(room_of, imported))
    assert {room: to - {room} for room, to in arrows.items()} == MAP


def test_the_map_goes_upwards():
    rooms = list(MAP)
    for k, room in enumerate(rooms):
        assert MAP[room] <= set(rooms[:k])


def test_few_modules_lie_beside_the_rooms():
    beside = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    assert len(beside) <= 8 and set(beside) >= GROUND
