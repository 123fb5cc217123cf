"""Runs that a task needs beside its own: trained once for a data set, then found again."""

from pathlib import Path

import pytest

from netwright.tasks import image_generation
from netwright.tasks.base import Helper
from netwright.train import helpers
from netwright.train.helpers import helping_runs, with_options
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.recipe import Named
from netwright.train.run import RunView
from netwright.train.setting import bind_task, open_data


def test_a_judge_is_trained_once_for_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(helpers, "STRUCTURE", "cnn/tiny")
    judge = Helper("image-classification", "2steps", {"label_smoothing": 0.2})
    monkeypatch.setattr(image_generation.ImageGeneration, "judged_by", judge)
    found = {}
    for seed in (0, 1, 0):
        named = Named(name="digits", config={"seed": seed})
        data = open_data(named)
        task = bind_task(Named(name="image-generation"), data.schema)
        runs = helping_runs(task, named, data, Options(threads=1), Progress("judge", quiet=True))
        view = RunView.open(Path(runs["judge"]))
        assert view.data()["fingerprint"] == data.fingerprint
        assert view.spec["recipe"]["task"]["config"]["label_smoothing"] == 0.2
        assert found.setdefault(seed, view.id) == view.id
    assert len(set(found.values())) == 2


def test_options_are_laid_over_those_of_the_recipe() -> None:
    made = with_options(Named(name="x", config={"a": 1, "judge": ""}), {"judge": "runs/j"})
    assert made == Named(name="x", config={"a": 1, "judge": "runs/j"})
