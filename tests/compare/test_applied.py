"""A contest hands out the seed that ended best on validation."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from contests import contest, net
from netwright.compare import applied
from netwright.compare.decide import decide

HELD = {"cnn-0": [0.99, 0.7], "cnn-1": [0.8], "cnn-2": [], "mlp-0": [0.9], "mlp-1": ["nan"]}


@pytest.fixture(autouse=True)
def _runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(folder: Path) -> SimpleNamespace:
        lines = [
            {"round": 1},
            *({"validation": {"accuracy": v}} for v in HELD.get(folder.name, ())),
        ]
        return SimpleNamespace(metrics=lambda: lines)

    monkeypatch.setattr(applied, "RunView", SimpleNamespace(open=opened))


def handed_out(**changed: object) -> str:
    verdict = decide(contest([net("cnn", 2, 1e6), net("mlp", 90, 2e6)]))
    return applied.with_applied(verdict.model_copy(update=changed), Path("contest")).applied


def test_the_last_figure_of_each_seed_counts_and_not_its_best_nor_none() -> None:
    assert handed_out() == "cells/cnn-1"


def test_where_less_is_better_the_least_is_taken() -> None:
    assert handed_out(higher=False) == "cells/cnn-0"


def test_nothing_trained_is_nothing_handed_out() -> None:
    assert handed_out(candidates=()) == ""
