"""Which run of a contest is handed out: the validation part chooses it, the test part nothing."""

import math
from pathlib import Path

from netwright import files
from netwright.compare.verdict import Cell, Verdict
from netwright.train.run import RunView


def with_applied(verdict: Verdict, folder: Path) -> Verdict:
    """The verdict with `applied`, the folder of a run; '' where none was trained.

    It is of the chosen network, else of the best one, the seed that ended best on validation.
    """
    rows = [r for r in verdict.candidates if r.status == "done"]
    rows.sort(key=lambda r: not r.chosen)
    cells = [c for c in rows[0].cells if c.status == "done"] if rows else []

    def held(cell: Cell) -> float:
        found = _last(RunView.open(folder / cell.folder), verdict.figure)
        return -math.inf if math.isnan(found) else found if verdict.higher else -found

    best = max(cells, key=held).folder if cells else ""
    return verdict.model_copy(update={"applied": best})


def _last(view: RunView, figure: str) -> float:
    """A figure as the training ended, on the validation part; NaN where it was not judged."""
    lines = [m["validation"] for m in view.metrics() if "validation" in m]
    return files.number(lines[-1].get(figure, "nan")) if lines else math.nan
