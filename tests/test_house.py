"""The rules of the house that import-linter cannot say."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "netwright"
FILES = sorted(SOURCE.rglob("*.py"))
WALL = 400

BANNED_MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "tempfile"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__"}
BANNED_ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("torch", "hub"),
    ("torch", "jit"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("os", "popen"),
}
CLOCKS = {"train/budget.py", "cost/measure.py"}
SPEAKERS = {"train/progress.py", "cost/process.py"}
WRITERS = {"files.py"}
IMPORTERS = {"registry.py"}


def place(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text("utf-8")))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def calls(path: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """(object, name, call) of every call; object '' for plain names."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield "", function.id, node
            elif isinstance(function, ast.Attribute):
                owner = function.value
                yield (owner.id if isinstance(owner, ast.Name) else "?"), function.attr, node


@pytest.mark.parametrize("path", FILES, ids=place)
def test_one_idea_lives_in_a_file(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= WALL


@pytest.mark.parametrize("path", FILES, ids=place)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", [p for p in FILES if p.name[0] != "_"], ids=place)
def test_every_module_has_its_twin(path: Path) -> None:
    room = path.relative_to(SOURCE).parent
    twin = ROOT / "tests" / room / f"test_{path.stem}.py"
    assert twin.exists(), f"{twin.relative_to(ROOT)} is missing"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_nothing_is_executed_from_data(path: Path) -> None:
    assert not imported(path) & BANNED_MODULES
    for owner, name, call in calls(path):
        assert not (owner == "" and name in BANNED_CALLS), name
        assert (owner, name) not in BANNED_ATTRIBUTES, (owner, name)
        keywords = {k.arg: k.value for k in call.keywords}
        for flag in ("shell", "allow_pickle"):
            value = keywords.get(flag)
            assert not (isinstance(value, ast.Constant) and value.value), flag
        assert name != "extractall"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_only_the_registry_imports_by_name(path: Path) -> None:
    if place(path) not in IMPORTERS:
        uses = {name for owner, name, _ in calls(path) if owner == "importlib"}
        assert "import_module" not in uses
        assert "import_module" not in {name for _, name, _ in calls(path)}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_only_one_file_writes_files(path: Path) -> None:
    if place(path) in WRITERS:
        return
    for owner, name, call in calls(path):
        assert name not in {"write_text", "write_bytes", "mkstemp", "mktemp", "makedirs"}, name
        if name == "open" and owner in {"", "os", "io"}:
            modes = [a.value for a in call.args[1:2] if isinstance(a, ast.Constant)]
            assert not any(isinstance(m, str) and set(m) & set("wax+") for m in modes)


@pytest.mark.parametrize("path", FILES, ids=place)
def test_only_two_files_read_the_clock(path: Path) -> None:
    if place(path) not in CLOCKS:
        assert not imported(path) & {"time", "datetime"}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_only_the_command_line_and_progress_speak(path: Path) -> None:
    if place(path).startswith("cli/") or place(path) in SPEAKERS:
        return
    for owner, name, _ in calls(path):
        assert not (owner == "" and name == "print")
    streams = {
        n.attr
        for n in nodes(path)
        if isinstance(n, ast.Attribute) and n.attr in {"stdout", "stderr"}
    }
    assert streams <= {"stdout"} if place(path) == "cost/process.py" else not streams


def test_the_shared_words_are_light() -> None:
    for name in ("specs.py", "registry.py", "errors.py", "files.py"):
        tree = ast.parse((SOURCE / name).read_text("utf-8"))
        top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        heavy = {"torch", "numpy", "sklearn", "scipy"}
        for node in top:
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            assert (module or "").partition(".")[0] not in heavy, name


def test_the_project_names_no_place_of_one_machine() -> None:
    import re

    wrong = re.compile("/(?:wo" + r"rk|root|home)/[a-z]+/|/tm" + r"p/[a-z]")
    for folder in ("src", "docs", "benchmarks", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".yaml", ".json", ".html"}:
                assert not wrong.search(path.read_text("utf-8")), path
