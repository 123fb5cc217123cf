"""Frozen networks out of other runs: checked against the data, known by their hash."""

from pathlib import Path

import pytest
import torch

from netwright import face
from netwright.errors import InputError
from netwright.train import finished
from netwright.train.budget import Budget
from netwright.train.recipe import Named, resolve
from netwright.train.run import RunView
from netwright.train.setting import Setting, open_setting


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judge") / "run"
    face.train("digits", structure="cnn/tiny", budget="2steps", out=out, threads=1, quiet=True)
    return out


def setting(**task: object) -> Setting:
    players = {"generator": "cnn/tiny", "discriminator": "cnn/tiny"}
    recipe = resolve(
        "image-generation",
        Named(name="digits"),
        players,
        budget=Budget(steps=1),
        over={"task": task},
    )
    return open_setting(recipe, torch.device("cpu"))


def test_a_given_role_is_frozen_and_marked_by_its_weights(judge: Path) -> None:
    assert finished.given_roles(setting()) == {}
    found = finished.given_roles(setting(judge=str(judge)))["judge"]
    assert not found.net.training
    assert not any(p.requires_grad for p in found.net.parameters())
    view = RunView.open(judge)
    assert found.mark["run"] == view.id
    weights = finished.trained(view).weights
    assert torch.equal(found.net.state_dict()["head.last.weight"], weights["net/head.last.weight"])
    assert found.mark == finished.given_roles(setting(judge=str(judge)))["judge"].mark


def test_a_run_that_answers_something_else_is_refused(judge: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such run"):
        finished.given_roles(setting(judge=str(tmp_path / "none")))
    other = tmp_path / "game"
    Path(tmp_path / "r.yaml").write_text(f"task: {{judge: {judge}, samples: 20}}\nbatch: 4\n")
    face.train(
        "image-generation",
        structure="cnn/tiny",
        recipe=tmp_path / "r.yaml",
        budget="1steps",
        out=other,
        threads=1,
        quiet=True,
    )
    with pytest.raises(InputError, match="this run cannot be the judge"):
        finished.given_roles(setting(judge=str(other)))
