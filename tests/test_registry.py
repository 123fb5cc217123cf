import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from netwright import registry
from netwright.errors import InputError


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A third party's structure, under an entry point."""
    source = '"""A third family."""\nstructure = object()\n'
    (tmp_path / "third_party_net.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: (
            [EntryPoint("third", "third_party_net", group)] if group == "netwright.models" else []
        ),
    )
    monkeypatch.delitem(sys.modules, "third_party_net", raising=False)


def test_the_folder_is_the_registry() -> None:
    assert {"cnn", "rnn", "transformer", "self_attention", "mlp"} <= set(registry.names("models"))
    assert "image-classification" in registry.names("tasks")
    assert "image-folder" in registry.names("datasets")


def test_an_entry_point_adds_a_structure(plugin: None) -> None:
    assert "third" in registry.names("models")
    assert registry.load("models", "third") is sys.modules["third_party_net"].structure
    assert registry.about("models", "third") == "A third family."


def test_a_taken_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [EntryPoint("cnn", "third_party_net", group)]
    )
    with pytest.raises(InputError, match="offered twice"):
        registry.names("models")


def test_a_module_without_its_object_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "hollow_net.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [EntryPoint("hollow", "hollow_net", group)]
    )
    with pytest.raises(InputError, match="holds no `structure`"):
        registry.load("models", "hollow")


def test_a_wrong_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="nearest is 'transformer'"):
        registry.load("models", "transfomer")


def test_both_spellings_are_read_and_one_is_shown() -> None:
    assert registry.load("models", "self-attention") is registry.load("models", "self_attention")
    assert registry.load("tasks", "image_classification") is registry.load(
        "tasks", "image-classification"
    )


def test_every_file_says_in_one_line_what_it_is() -> None:
    for room in ("models", "tasks", "datasets", "floors"):
        for name in registry.names(room):  # type: ignore[arg-type]
            assert registry.about(room, name).strip(), (room, name)  # type: ignore[arg-type]
