"""The plan of a contest: who stands in it, and what makes a cell another cell."""

from pathlib import Path

import pytest

from netwright import registry
from netwright.compare.plan import (
    FAMILIES,
    Planned,
    Wanted,
    cell_id,
    document,
    plan_candidates,
)
from netwright.errors import InputError
from netwright.specs import Classes, Image, Labels, Pictures, Schema
from netwright.tasks.base import Task
from netwright.train.budget import Budget
from netwright.train.recipe import Named
from netwright.train.setting import bind_task

DIGITS = Named(name="digits")
WANTED = Wanted("image-classification", DIGITS, Budget(steps=3), seeds=2)


def task(side: int = 8) -> Task:
    image = Pictures(form=Image(1, side, side), mean=(0.5,), deviation=(0.2,), top=16)
    labels = Labels(names=tuple("0123456789"))
    schema = Schema(columns={"image": image, "label": labels})
    assert labels.form == Classes(10)
    return bind_task(Named(name="image-classification"), schema)


def plan(text: str | None, wanted: Wanted = WANTED, side: int = 8) -> tuple[Planned, ...]:
    return plan_candidates(text, wanted, task(side))


def test_by_default_each_family_stands_with_small_or_the_next_that_fits() -> None:
    found = plan(None)
    assert [p.family for p in found] == list(FAMILIES)
    assert [p.name for p in found] == [f"{f}/small" for f in FAMILIES]
    assert all([r.seed for r in p.recipes] == [0, 1] for p in found)
    small = {p.family: p for p in plan(None, side=2)}
    assert small["rnn"].name == "rnn/small"
    assert small["cnn"].name in {"cnn", "cnn/tiny"}  # none of its presets, or the next one
    for p in small.values():
        assert bool(p.refusal) != bool(p.recipes)


def test_named_candidates_keep_their_names_and_their_order() -> None:
    found = plan(" mlp/tiny, self-attention/small ,cnn")
    assert [p.name for p in found] == ["mlp/tiny", "self-attention/small", "cnn"]
    assert [p.family for p in found] == ["mlp", "self_attention", "cnn"]
    assert [p.roles["net"] for p in found] == ["mlp/tiny", "self_attention/small", "cnn/small"]


def test_a_candidate_may_bring_a_recipe_and_the_contest_one_for_all(tmp_path: Path) -> None:
    mine, all_ = tmp_path / "mine.yaml", tmp_path / "all.yaml"
    mine.write_text("batch: 16", "utf-8")
    all_.write_text("batch: 32", "utf-8")
    shared = Wanted(*("image-classification", DIGITS, Budget(steps=3), 1, all_))
    first, second = plan(f"mlp/tiny@{mine},mlp/tiny", shared)
    assert first.name == "mlp/tiny@mine.yaml"
    assert (first.recipes[0].batch, second.recipes[0].batch) == (16, 32)


def test_the_precision_is_that_of_the_contest() -> None:
    wanted = Wanted("image-classification", DIGITS, Budget(steps=3), 1, precision="bf16")
    assert {p.recipes[0].precision for p in plan(None, wanted)} == {"bf16"}


def test_what_does_not_fit_is_a_refusal_and_no_error() -> None:
    fits, refused = plan("mlp/tiny,cnn/classic")
    assert fits.recipes
    assert not fits.refusal
    assert refused.recipes == ()
    assert "needs at least 18 x 18" in refused.refusal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no candidates"),
        (" , ", "no candidates"),
        ("mlp/tiny,cnn/tiny,mlp/tiny", "the candidate 'mlp/tiny' is named twice"),
        ("mpl/tiny", "no structure 'mpl'"),
        ("mlp/tinny", "no preset of mlp 'tinny'"),
        ("net=mlp/tiny+net=cnn/tiny", "the role 'net' is given twice"),
        ("judge=mlp/tiny", "no role of image-classification 'judge'"),
        ("mlp/tiny@nowhere.yaml", "nowhere.yaml: cannot read the recipe"),
    ],
)
def test_a_wrong_candidate_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        plan(text)
    assert sentence in raised.value.sentence


def test_a_cell_is_its_recipe_its_seed_and_its_data() -> None:
    (made,) = plan("mlp/tiny")
    ids = [cell_id(r, "f") for r in made.recipes]
    assert len(set(ids)) == 2
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in ids)
    assert ids == [cell_id(r, "f") for r in plan("mlp/tiny")[0].recipes]
    assert cell_id(made.recipes[0], "g") not in ids
    changed = made.recipes[0].model_copy(update={"batch": 65})
    assert cell_id(changed, "f") not in ids


def test_everything_on_which_the_verdict_hangs_is_in_the_plan() -> None:
    made = plan("mlp/tiny,cnn/classic")
    first = document(WANTED, made, "f", "latency", {"threads": 1})
    assert first["cost"] == "latency"
    assert [c["name"] for c in first["candidates"]] == ["mlp/tiny", "cnn/classic"]
    assert [len(c["cells"]) for c in first["candidates"]] == [2, 0]
    for other in (
        document(WANTED, made, "g", "latency", {"threads": 1}),
        document(WANTED, made, "f", "seconds", {"threads": 1}),
        document(WANTED, made, "f", "latency", {"threads": 2}),
        document(WANTED, made[:1], "f", "latency", {"threads": 1}),
    ):
        assert other != first


def test_the_families_of_a_contest_are_there() -> None:
    assert set(FAMILIES) <= set(registry.names("models"))
