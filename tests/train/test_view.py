"""Reading a run; what an owner writes and a reader sees is in `test_run.py`."""

from pathlib import Path

import pytest

from netwright.errors import InputError
from netwright.train.run import Run
from netwright.train.view import RunView


def test_a_reader_sees_the_specification_and_takes_no_lock(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", {"recipe": {"batch": 3}}, seed=7):
        view = RunView.open(tmp_path / "run")
        assert view.spec == {"recipe": {"batch": 3}}
        assert view.seed == 7
        assert not view.evaluated()


def test_an_unfinished_run_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", {}, seed=0) as run:
        run.status("stopped", step=3, spent={"training": 1.0})
    with pytest.raises(InputError) as caught:
        RunView.open(tmp_path / "run").need_finished()
    assert "resume" in str(caught.value)


def test_a_wrong_name_offers_the_nearest_folder(tmp_path: Path) -> None:
    with Run.create(tmp_path / "digits", {}, seed=0):
        pass
    with pytest.raises(InputError, match="nearest is 'digits'"):
        RunView.open(tmp_path / "digit")
