import pytest

from netwright.errors import DamagedError
from netwright.report import facts
from netwright.train.view import RunView
from reports import SWIFT, Words, write_run


def test_a_run_says_what_was_trained_and_how_to_do_it_again(run_folder):
    about = facts.subject(RunView.open(run_folder))
    assert (about.name, about.families, about.seed) == ("cnn/small", ["cnn"], 0)
    assert about.command == "netwright train pets --structure cnn/small --budget 3s --seed 0"


def test_several_roles_are_named_as_the_command_line_takes_them(tmp_path):
    from netwright.train.run import Run

    roles = {
        "generator": {"structure": "cnn", "preset": "small"},
        "discriminator": {"structure": "mlp", "preset": None},
    }
    recipe = {
        "task": {"name": "t"},
        "data": {"name": "d", "config": {"path": "x"}},
        "roles": roles,
        "budget": {"steps": 60, "flops": 1e12},
        "seed": 3,
    }
    with Run.create(tmp_path / "r", {"recipe": recipe}, seed=3, layer=SWIFT) as run:
        about = facts.subject(run.view)
    assert about.name == "discriminator=mlp+generator=cnn/small"
    assert "--data PATH --structure discriminator=mlp+" in about.command
    assert about.budget == "60steps,1e+12flop"


@pytest.mark.parametrize(
    ("determinism", "option"),
    [({"threads": 3}, " --threads 3"), ({"threads": "--x"}, ""), ({"threads": True}, ""), ({}, "")],
)
def test_threads_are_named_where_they_are_known(tmp_path, determinism, option):
    from netwright.train.run import Run

    recipe = {
        "task": {"name": "t"},
        "data": {"name": "d"},
        "roles": {"net": {"structure": "cnn", "preset": "small"}},
        "budget": {"steps": 60},
        "seed": 3,
    }
    folder = tmp_path / "r"
    with Run.create(
        folder, {"recipe": recipe}, seed=3, determinism=determinism, layer=SWIFT
    ) as run:
        command = facts.subject(run.view).command
    assert command.endswith(f"--seed 3{option}")


def test_the_figure_of_the_task_comes_first(run_folder):
    found = facts.figures(RunView.open(run_folder), "image-classification")
    assert found.part == "test"
    assert [f.name for f in found.all] == ["accuracy", "log_loss"]
    assert found.main.text == "90.0 %"


def test_a_task_that_is_not_installed_does_not_hinder_the_report(tmp_path):
    view = RunView.open(write_run(tmp_path / "r", Words(task="sculpture")))
    assert {f.name for f in facts.figures(view, "sculpture").all} == {"accuracy", "log_loss"}


def test_a_run_that_was_not_judged_tells_of_its_last_validation(tmp_path):
    import torch

    from netwright.train.run import Run

    view = RunView.open(write_run(tmp_path / "r", evaluated=False))
    assert facts.figures(view, "image-classification").main is None
    said = {"value": 0.7, "unit": "%", "higher": True, "n": 20}
    with Run.own(tmp_path / "r", layer=SWIFT) as run:
        run.save(60, {"net/w": torch.ones(1)}, {}, {"last": {"accuracy": said}})
    found = facts.figures(view, "image-classification")
    assert (found.part, found.main.text, found.main.n) == ("validation", "70.0 %", 20)


def test_a_result_that_lacks_what_it_should_hold_is_damaged(tmp_path, run_folder):
    from netwright.train.run import Run

    write_run(tmp_path / "r", evaluated=False)
    with Run.own(tmp_path / "r", layer=SWIFT) as run:
        run.result({"accuracy": {"value": 0.5}}, {})
    with pytest.raises(DamagedError, match=r"result\.json"):
        facts.figures(RunView.open(tmp_path / "r"), "image-classification")


def test_what_was_not_measured_is_none(run_folder):
    cost = facts.cost_of(RunView.open(run_folder))
    assert facts.number(cost, "energy") is None
    assert facts.number(cost, "memory") == 3.3e8
    assert facts.predicted_steps(cost) == 57
    assert facts.predicted_steps({}) is None
    (run_folder / "cost.json").unlink()
    assert facts.cost_of(RunView.open(run_folder)) == {}


def test_parts_and_versions_are_listed_in_their_order():
    assert facts.parts_line({"test": 360, "train": 1257}) == "1,257 train, 360 test"
    assert facts.versions({"threads": 1, "torch": "2.13", "card": "", "x": "y"}) == [
        ("torch", "2.13"),
        ("threads", "1"),
    ]
    assert facts.versions(None) == []
