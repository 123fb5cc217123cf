import json

import pytest

from netwright.errors import DamagedError, InputError
from netwright.report.record import read_verdict


def changed(folder, change):
    path = folder / "verdict.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_verdict_is_read_when_all_its_cells_are_what_they_were(contest_folder):
    verdict = read_verdict(contest_folder)
    assert verdict.verdict == "Choose cnn."
    assert [row.name for row in verdict.candidates][:2] == ["cnn/small", "rnn/small"]
    assert verdict.candidates[0].estimate.value == 0.95


def test_keys_that_the_page_does_not_show_are_passed_over(contest_folder):
    changed(contest_folder, lambda d: d.update(new="thing"))
    changed(contest_folder, lambda d: d["candidates"][0]["estimate"].update(degrees=2.5))
    read_verdict(contest_folder)


@pytest.mark.parametrize("damage", ["changed", "lost"])
def test_a_damaged_cell_is_named(contest_folder, damage):
    path = contest_folder / "cells" / f"{16:016x}" / "result.json"
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"0.85", b"0.95"))
    with pytest.raises(DamagedError) as told:
        read_verdict(contest_folder)
    assert told.value.code == 4
    assert f"the cell {16:016x} (rnn/small, seed 0)" in str(told.value)


@pytest.mark.parametrize("key", ["id", "folder"])
@pytest.mark.parametrize("value", ["../../secret", "cells/../..", "C:\\x", "", "0" * 15])
def test_a_cell_cannot_lie_outside_its_contest(contest_folder, key, value):
    changed(contest_folder, lambda d: d["candidates"][0]["cells"][0].update({key: value}))
    with pytest.raises(DamagedError, match="lies outside its contest"):
        read_verdict(contest_folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', "not JSON", '{"schema": 1, "schema": 1}', "NaN"]
)
def test_what_is_no_verdict_is_damaged(contest_folder, text):
    (contest_folder / "verdict.json").write_text(text)
    with pytest.raises(DamagedError) as told:
        read_verdict(contest_folder)
    assert "verdict.json" in str(told.value)


def test_a_figure_that_is_no_number_is_damaged_and_its_place_told(contest_folder):
    changed(contest_folder, lambda d: d["candidates"][1]["estimate"].update(low="nan"))
    with pytest.raises(DamagedError, match=r"candidates\.1\.estimate\.low"):
        read_verdict(contest_folder)


def test_a_newer_verdict_asks_for_a_newer_netwright(contest_folder):
    changed(contest_folder, lambda d: d.update(schema=2))
    with pytest.raises(InputError, match="newer netwright"):
        read_verdict(contest_folder)


def test_a_contest_that_is_not_over_says_how_to_go_on(contest_folder):
    (contest_folder / "verdict.json").unlink()
    with pytest.raises(InputError, match="no verdict yet"):
        read_verdict(contest_folder)
