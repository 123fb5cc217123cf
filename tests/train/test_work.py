"""Begin, resume, evaluate and apply: the order of what is kept, and who may touch it."""

import signal
from pathlib import Path

import pytest
import torch

from commands import digit, flip, reseal, snapshot, trail
from netwright.errors import BusyError, DamagedError, InputError
from netwright.train import work
from netwright.train.budget import Budget
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.recipe import Named, Recipe, resolve
from netwright.train.run import Run, RunView

OPTIONS = Options(threads=1)
QUIET = Progress(quiet=True)


def recipe(structure: str = "mlp/tiny", **over: object) -> Recipe:
    budget = Budget(steps=6)
    return resolve(
        "image-classification",
        Named(name="digits"),
        {"net": structure},
        budget=budget,
        over={"precision": "fp32", **over},
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return work.begin(recipe(), tmp_path / "run", OPTIONS, QUIET).folder


def test_a_run_is_called_finished_only_once_all_of_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    class KillError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KillError

    for name in ("cost", "exhibits"):
        with monkeypatch.context() as patch:
            patch.setattr(Run, name, killed)
            with pytest.raises(KillError):
                work.begin(recipe(), folder, OPTIONS, QUIET)
        view = RunView.open(folder)
        assert view.status()["state"] == "running"
        with pytest.raises(InputError, match="is not finished"):
            work.evaluate(folder, OPTIONS)
    work.begin(recipe(), folder, OPTIONS, QUIET)
    view.need_finished()
    assert view.cost()["steps"] == 6
    assert view.exhibit_steps() == [6]


def test_what_it_took_is_told(run: Path) -> None:
    cost = RunView.open(run).cost()
    assert (cost["parameters"], cost["frozen_parameters"]) == (2410, 0)
    assert (cost["steps"], cost["samples"], cost["horizons"]) == (6, 384, [[0, 6]])
    assert cost["forward_flops"] == 2 * 64 * 32 + 2 * 32 * 10
    assert cost["training_flops"] % 6 == 0
    assert cost["training_flops"] / 6 / 64 == pytest.approx(3 * cost["forward_flops"], rel=0.4)
    assert (cost["granted"], cost["overshoot"], cost["uncounted"]) == ("6steps", 0.0, [])
    assert cost["skipped"] == {"net": 0}
    assert cost["seconds"] == cost["clocks"]["training"] > 0


def test_a_run_says_what_its_data_was(run: Path) -> None:
    document = RunView.open(run).data()
    assert document["data"] == {"name": "digits", "config": {}}
    assert document["parts"] == {"train": 1257, "validation": 180, "test": 360}
    assert len(document["fingerprint"]) == 64
    assert document["schema"]["columns"]["label"]["names"] == list("0123456789")


def test_a_finished_run_is_never_written_again(run: Path) -> None:
    before = snapshot(run)
    work.begin(recipe(), run, OPTIONS, QUIET)
    work.resume(run, OPTIONS, QUIET)
    assert snapshot(run) == before
    found, figures = work.evaluate(run, OPTIONS)
    before = snapshot(run)
    again, kept = work.evaluate(run, OPTIONS)
    assert again == found
    assert {k: f.value for k, f in kept.items()} == {k: f.value for k, f in figures.items()}
    assert torch.equal(kept["accuracy"].rows, figures["accuracy"].rows)
    assert snapshot(run) == before


def test_complete_looks_at_the_last_checkpoint_and_not_only_at_the_word(run: Path) -> None:
    view = RunView.open(run)
    whole = trail(run)
    assert work.complete(view)
    flip(run / "checkpoints/step-000000000006/weights.safetensors")
    assert not work.complete(view)
    with pytest.raises(DamagedError, match="the last checkpoint is damaged"):
        work.trained(view)
    work.resume(run, OPTIONS, QUIET)
    assert work.complete(view)
    assert trail(run) == whole
    (run / "status.json").write_bytes(b"{")
    assert not work.complete(view)
    work.resume(run, OPTIONS, QUIET)  # says what is true again
    assert work.complete(view)
    assert trail(run) == whole


def test_one_run_has_one_owner(run: Path) -> None:
    with Run.own(run):
        for act in (
            lambda: work.resume(run, OPTIONS, QUIET),
            lambda: work.evaluate(run, OPTIONS),
        ):
            with pytest.raises(BusyError, match="already open in this process"):
                act()
        work.load(run, torch.device("cpu"))  # a reader asks nobody


def test_the_evaluation_restores_what_the_last_step_was(run: Path) -> None:
    _, test = work.evaluate(run, OPTIONS)
    loaded = work.load(run, torch.device("cpu"))
    weights = RunView.open(run).load().weights
    for name, value in loaded.nets["net"].state_dict().items():  # type: ignore[attr-defined]
        assert torch.equal(value, weights[f"net/{name}"])
    assert test["accuracy"].rows.shape == (360, 1)


def test_a_loaded_run_gives_the_same_answer_twice(run: Path, tmp_path: Path) -> None:
    path = digit(tmp_path / "one.png")
    loaded = work.load(run, torch.device("cpu"))
    first, second = (list(loaded.predict([path])) for _ in range(2))
    assert first == second
    assert first[0].name == str(path)


def test_the_average_is_what_is_judged_and_applied(tmp_path: Path) -> None:
    made = recipe(roles={"net": {"average": 0.9, "learning_rate": 0.1}})
    folder = work.begin(made, tmp_path / "run", OPTIONS, QUIET).folder
    saved = RunView.open(folder).load()
    live = {k.removeprefix("live/"): v for k, v in saved.trainer.items() if k.startswith("live/")}
    applied = work.load(folder, torch.device("cpu")).nets["net"].state_dict()  # type: ignore[attr-defined]
    for name, value in applied.items():
        assert torch.equal(value, saved.weights[f"net/{name}"])
    assert any(not torch.equal(value, live[f"net/{name}"]) for name, value in applied.items())


def test_roles_that_the_task_does_not_have_are_refused_before_a_folder_is_made(
    tmp_path: Path,
) -> None:
    made = recipe()
    for roles, sentence in (
        ({"nett": made.roles["net"]}, "no role of image-classification 'nett': there are net"),
        ({}, "no structure is named for the role 'net' of image-classification"),
    ):
        with pytest.raises(InputError) as raised:
            work.begin(made.model_copy(update={"roles": roles}), tmp_path / "run", OPTIONS, QUIET)
        assert sentence in raised.value.sentence
    assert not (tmp_path / "run").exists()


def test_a_run_that_holds_no_recipe_is_damaged(run: Path) -> None:
    for spec in ({}, None, {"recipe": 3}):
        reseal(run / "run.json", spec=spec)
        with pytest.raises(DamagedError, match="lacks what it should hold"):
            work.load(run, torch.device("cpu"))


def test_threads_signals_and_determinism_are_given_back(tmp_path: Path) -> None:
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        signal.getsignal(signal.SIGTERM),
        torch.get_rng_state().tolist(),
    )
    work.begin(recipe("cnn/tiny"), tmp_path / "run", Options(threads=2), QUIET)
    assert RunView.open(tmp_path / "run").determinism["threads"] == 2
    assert before == (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        signal.getsignal(signal.SIGTERM),
        torch.get_rng_state().tolist(),
    )
