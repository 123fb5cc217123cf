"""`netwright cost`."""

from pathlib import Path

from commands import TINY, Say


def test_the_cost_is_told_before_any_training_and_nothing_is_written(say: Say) -> None:
    said = say.well("cost", "digits", *TINY)
    assert "2,410 parameters" in said.out
    assert "a budget of 8steps is 8 steps of " in said.out
    assert "it fits into the" in said.out
    assert said.last == "next: netwright train digits --structure mlp/tiny"
    assert not Path("runs").exists()


def test_the_document_holds_the_figures(say: Say) -> None:
    found = say.well("cost", "digits", *TINY, "--json").document
    assert (found["parameters"], found["steps"], found["uncounted"]) == (2410, 8, [])
    assert found["training_flops"] == 8 * found["training_flops_per_step"]
    assert found["forward_flops"] == 2 * 64 * 32 + 2 * 32 * 10
    assert found["seconds"] == 8 * found["seconds_per_step"]
    assert found["fits"] is True


def test_what_does_not_fit_the_task_is_refused_with_its_reason(say: Say) -> None:
    said = say.refused(
        "cnn does not fit image-classification: a picture of 8 x 8 is too small",
        *("cost", "digits", "--structure", "cnn/classic"),
    )
    assert said.err.endswith("try: netwright matrix image-classification\n")
    Path("r.yaml").write_text("batch: 100000")
    say.refused(
        "a batch of 100000 is larger than the training part",
        *("cost", "digits", *TINY, "--recipe", "r.yaml"),
    )
    say.refused(
        "no role of image-classification 'x'", "cost", "digits", "--structure", "x=mlp/tiny"
    )
