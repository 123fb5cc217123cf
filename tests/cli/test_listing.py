"""`netwright list`."""

from commands import Say
from netwright import registry


def test_every_name_is_listed_with_what_it_is(say: Say) -> None:
    said = say.well("list")
    blocks = dict(block.split("\n", 1) for block in said.out.split("\n\n"))
    assert list(blocks) == ["structures", "tasks", "data sets", "floors"]
    for title, room in (("structures", "models"), ("tasks", "tasks"), ("floors", "floors")):
        for name in registry.names(room):  # type: ignore[arg-type]
            about = registry.about(room, name)  # type: ignore[arg-type]
            assert about
            assert f"  {name} " in blocks[title]
            assert about in blocks[title]
    assert said.last == "next: netwright matrix, to see which structure serves which task"


def test_the_document_holds_the_same(say: Say) -> None:
    document = say.well("list", "--json").document
    assert set(document) == {"structures", "tasks", "data_sets", "floors"}
    assert set(document["data_sets"]) == set(registry.names("datasets"))
    assert document["structures"]["cnn"].startswith("Convolutional nets")
