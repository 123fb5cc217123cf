"""Results print, make frames and show in notebooks, whatever the names in them hold."""

import html
import json
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from netwright.errors import InputError
from netwright.results import Matrix, Prediction, RunResult, Shown
from netwright.train.recipe import Named

NASTY = "<script>alert('&')</script>"
FIGURES: dict[str, dict[str, Any]] = {
    "accuracy": {"value": 0.975, "unit": "%", "n": 360},
    "log_loss": {"value": 0.1134, "unit": "nats", "n": 360},
}
COST = {"parameters": 12345, "steps": 1000, "seconds": 3.04, "training_flops": 1.5e9}
DONE = RunResult(Path("runs/a"), "finished", "test", FIGURES, COST)


class Cells(HTMLParser):
    """The texts of a table's cells, and the tags seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in {"td", "th"}:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


def test_a_notebook_shows_foreign_names_as_text_and_never_as_markup() -> None:
    table = Cells(Prediction({NASTY: NASTY}, ())._repr_html_())
    assert table.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert table.texts == ["figure", "value", NASTY, NASTY]
    column = Matrix([{NASTY: 1}])._repr_html_()
    assert html.escape(NASTY) in column
    assert NASTY not in column


def test_rows_that_lack_a_column_leave_its_cell_empty() -> None:
    class Ragged(Shown):
        def rows(self) -> list[dict[str, Any]]:
            return [{"a": 1}, {"b": 2}]

    assert Cells(Ragged()._repr_html_()).texts == ["a", "b", "1", "", "", "2"]
    assert Cells(Prediction({}, ())._repr_html_()).texts == []


def test_a_frame_holds_the_rows() -> None:
    pandas = pytest.importorskip("pandas")
    frame = DONE.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.to_dict("records") == DONE.rows()
    assert list(frame["figure"]) == ["accuracy", "log_loss"]
    assert set(frame["part"]) == {"test"}


def test_a_run_says_its_figures_its_cost_and_its_folder() -> None:
    first, second, third = DONE.text().splitlines()
    assert first == "test (360 samples): accuracy 97.5 %, log loss 0.1134 nats"
    assert second.startswith("12,345 parameters, 1,000 steps, 3.0 s of training, 1.5e+09 FLOPs")
    assert third == f"run: {Path('runs/a')}"
    bare = RunResult(Path("runs/a"), "stopped", "validation", {}, {})
    assert bare.text().splitlines() == ["validation (0 samples): ", third]


def _ended(unit: str, best: float, value: float, count: int = 400, **more: float) -> RunResult:
    """A run of a game that was judged in training and at its end, by `more` figures too."""
    last = {"value": value, "unit": unit, "higher": True, "n": 5, "paired": False}
    figures = {"share": last} | {name: last | {"value": x} for name, x in more.items()}
    best_of_all = {"round": 1200, "value": best}

    class View:
        folder = Path("runs/a")
        spec: ClassVar = {"recipe": {"task": {"name": "image-generation"}}}
        status = staticmethod(lambda: {"state": "finished"})
        evaluated = staticmethod(lambda: False)
        metrics = staticmethod(lambda: [{"validation": {"share": value}}])
        cost = staticmethod(dict)
        checkpoints = staticmethod(lambda: SimpleNamespace(steps=lambda: [2000]))
        data = staticmethod(
            lambda: {"figure": "share", "parts": {"validation": count}, "notes": ["cut short"]}
        )
        load = staticmethod(
            lambda: SimpleNamespace(step=2000, state={"best": best_of_all, "last": figures})
        )

    return RunResult.of(View())  # type: ignore[arg-type]


def test_what_to_know_of_a_run_is_told_a_sentence_each() -> None:
    first, *notes, _ = _ended("%", 0.9, 0.45).text().splitlines()
    assert first == "validation (5 draws of what it makes): share 45.0 %"
    assert notes == [
        "note: cut short",
        "note: share was better in between: 90.0 % after 1,200 rounds, 45.0 % at the end after "
        "2,000, which is kept; a shorter --budget may end better",
    ]
    assert _ended("", 10.0, 9.1).notes == ["cut short"]
    assert _ended("", 0.0, 9.1).notes == ["cut short"]
    assert _ended("", 10.0, float("nan")).notes == ["cut short"]
    assert len(_ended("%", 0.9, 0.86, 40).notes) == 2  # two of 40 samples, and that they are few
    assert len(_ended("", 10.0, 8.9).notes) == 2
    assert _ended("%", 0.9, 0.88).notes == ["cut short"]
    assert "\x1b" not in RunResult(Path("a"), "", "test", {}, {}, notes=["\x1b[1m"]).text()
    assert "12 samples" in _ended("%", 0.9, 0.9, 12).notes[1]


def test_a_game_that_failed_says_so_beside_its_figures() -> None:
    reached = {"recall_of_real": 0.9, "precision_of_real": 0.9, "novelty": 1.0, "precision": 0.9}
    _, note = _ended("%", 0.9, 0.9, **reached, recall=0.01).notes
    assert note == (
        "It has collapsed, or not learned enough: 1 % of real samples lie among made ones, where "
        "90 % lie among other real ones; a longer --budget may help"
    )
    assert _ended("%", 0.9, 0.9, **reached, recall=0.8).notes == ["cut short"]


@pytest.mark.parametrize("result", [DONE, Prediction({"seconds": 3.5}, ("3.5 s",))])
def test_a_document_is_plain_json(result: RunResult | Prediction) -> None:
    assert json.loads(json.dumps(result.document())) == result.document()


def test_a_prediction_prints_its_lines() -> None:
    made = Prediction({"seconds": 3.5, "fits": True}, ("3.5 s", "it fits"))
    assert made.text() == "3.5 s\nit fits"
    assert made.rows() == [{"figure": "seconds", "value": 3.5}, {"figure": "fits", "value": True}]


def test_a_matrix_has_a_cell_for_every_structure_and_prints_its_refusals() -> None:
    matrix = Matrix.of([("image-classification", Named(name="digits"))])
    families = [c["structure"] for c in matrix.rows()]
    assert len(set(families)) == len(families) >= 5
    cell = next(c for c in matrix.rows() if c["structure"] == "mlp")
    assert "small" in cell["fits"]
    assert matrix.document() == json.loads(json.dumps(matrix.document()))
    refused = Matrix([cell | {"fits": [], "refused": {"base": "it is too large"}}]).text()
    assert refused.splitlines()[0].endswith("refused")
    assert refused.splitlines()[1] == "    base: it is too large"
    with pytest.raises(InputError, match="nearest is 'image-classification'"):
        Matrix.of([("image-clasification", Named(name="digits"))])
