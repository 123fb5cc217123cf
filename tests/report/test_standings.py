import pytest

from netwright.errors import DamagedError
from netwright.report.record import read_verdict
from netwright.report.standings import standings


def test_nets_and_floors_stand_best_first_and_those_without_a_figure_last(contest_folder):
    nets, floors = standings(contest_folder, read_verdict(contest_folder))
    assert [n.short for n in nets] == ["cnn", "rnn", "gan", "mlp"]
    assert [f.row.title for f in floors] == ["SVM-RBF", "HOG"]
    assert [n.score for n in nets] == ["95.0 ± 2.0 %", "85.0 ± 2.0 %", "", ""]
    assert floors[0].fit == "0.1 s"


def test_lower_is_first_where_lower_is_better(tmp_path):
    from reports import write_contest

    folder = write_contest(tmp_path / "c", change=lambda d: d.update(higher=False))
    nets, _ = standings(folder, read_verdict(folder))
    assert [n.short for n in nets][:2] == ["rnn", "cnn"]


def test_every_bar_marks_the_best_floor(contest_folder):
    nets, floors = standings(contest_folder, read_verdict(contest_folder))
    assert nets[0].bar.floor == nets[1].bar.floor == floors[0].bar.value
    assert nets[2].bar is None
    assert floors[1].bar is None


def test_two_presets_of_a_family_are_named_whole(tmp_path):
    from reports import write_contest

    def twice(document):
        document["candidates"][3].update(name="cnn/base", family="cnn")
        document["candidates"][1]["tied_with"] = ["cnn/small"]

    folder = write_contest(tmp_path / "c", change=twice)
    nets, _ = standings(folder, read_verdict(folder))
    assert {n.short for n in nets} == {"cnn/small", "rnn", "gan", "cnn/base"}
    assert nets[1].ties == ["cnn/small"]


def test_runs_are_those_of_the_cells_that_are_done(contest_folder):
    nets, _ = standings(contest_folder, read_verdict(contest_folder))
    assert [len(n.runs) for n in nets] == [2, 2, 0, 0]
    assert [c.reason for c in nets[2].lost] == ["training diverged"]


def test_a_damaged_run_is_named_by_its_cell(contest_folder):
    (contest_folder / "cells" / f"{1:016x}" / "run.json").write_text("{}")
    with pytest.raises(DamagedError, match=f"the cell {1:016x} cannot be read"):
        standings(contest_folder, read_verdict(contest_folder))
