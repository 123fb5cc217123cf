"""`netwright matrix`."""

from commands import Say, pictures
from netwright import registry


def test_every_structure_stands_in_the_table_and_refusals_have_reasons(say: Say) -> None:
    said = say.well("matrix", "digits")
    document = say.well("matrix", "digits", "--json").document
    cells = {cell["structure"]: cell for cell in document["cells"]}
    assert set(cells) == set(registry.names("models"))
    assert "needs at least 18 x 18" in cells["cnn"]["refused"]["classic"]
    assert "small" in cells["cnn"]["fits"]
    for cell in cells.values():
        presets = registry.load("models", cell["structure"]).presets
        assert sorted([*cell["fits"], *cell["refused"]]) == sorted(presets)
        assert all(f"    {p}: {why}" in said.out for p, why in cell["refused"].items())
    assert said.last.startswith("next: netwright compare")


def test_without_a_target_every_task_is_shown_on_its_own_data(say: Say) -> None:
    document = say.well("matrix", "--json").document
    assert {cell["task"] for cell in document["cells"]} == set(registry.names("tasks"))


def test_own_files_decide_what_fits(say: Say, tmp_path) -> None:
    pictures(tmp_path / "photos", side=24)
    words = ("matrix", "image-classification", "--data", "photos", "--json")
    cells = {cell["structure"]: cell for cell in say.well(*words).document["cells"]}
    assert "classic" in cells["cnn"]["fits"]
    assert cells["cnn"]["data"] == "image-folder"


def test_an_unknown_target_is_refused_with_the_nearest(say: Say) -> None:
    said = say.refused("no task or data set 'digit': tasks are audio-generation", "matrix", "digit")
    assert "; nearest is 'digits'" in said.err
