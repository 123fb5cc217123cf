"""The made-up table: its rows follow the law that its docstring tells."""

from pathlib import Path

import numpy as np
import pytest

from netwright import registry, rows
from netwright.datasets.base import Data, Tensors
from netwright.datasets.mixed_table import MixedTableConfig, dataset, people
from netwright.specs import Categorical, Continuous, Table

SMALL = MixedTableConfig(samples=4_000)


@pytest.fixture(scope="module")
def data() -> Data:
    return dataset.open(SMALL)


@pytest.fixture(scope="module")
def drawn() -> rows.Columns:
    return people(np.random.default_rng(0), 20_000)


def table(data: Data) -> Table:
    found = data.schema.columns["row"]
    assert isinstance(found, Table)
    return found


def test_categories_depend_on_each_other(drawn: rows.Columns) -> None:
    region, plan = drawn["region"], drawn["plan"]
    assert (region == "north").mean() == pytest.approx(0.4, abs=0.015)
    assert (region == "west").mean() == pytest.approx(0.1, abs=0.01)
    assert (plan[region == "north"] == "basic").mean() == pytest.approx(0.7, abs=0.02)
    assert (plan[region == "west"] == "pro").mean() == pytest.approx(0.6, abs=0.04)


def test_numbers_follow_their_laws(drawn: rows.Columns) -> None:
    assert drawn["height"].mean() == pytest.approx(170, abs=0.3)
    assert drawn["height"].std() == pytest.approx(10, rel=0.02)
    north = np.log(drawn["income"][drawn["region"] == "north"])
    assert (north.mean(), north.std()) == (
        pytest.approx(10, abs=0.02),
        pytest.approx(0.5, rel=0.03),
    )
    early = drawn["hour"] < 13
    assert early[drawn["region"] == "west"].mean() == pytest.approx(0.1, abs=0.03)
    assert early[drawn["region"] == "east"].mean() == pytest.approx(0.55, abs=0.03)
    visits = drawn["visits"][drawn["plan"] == "plus"]
    assert (visits.mean(), visits.var()) == (pytest.approx(5, abs=0.1), pytest.approx(5, abs=0.4))
    assert (visits == np.floor(visits)).all()
    assert np.corrcoef(drawn["height"], drawn["score"])[0, 1] == pytest.approx(0.6, abs=0.02)


def test_zeros_and_gaps_stand_where_they_should(drawn: rows.Columns) -> None:
    for plan, zeros, gaps in (("basic", 0.6, 0.2), ("plus", 0.4, 0.05), ("pro", 0.2, 0.05)):
        mine = drawn["plan"] == plan
        assert (drawn["spent"][mine] == 0).mean() == pytest.approx(zeros, abs=0.025)
        assert np.isnan(drawn["distance"][mine]).mean() == pytest.approx(gaps, abs=0.015)
    for name in ("height", "income", "hour", "visits", "spent", "score"):
        assert np.isfinite(drawn[name]).all()


def test_the_label_turns_by_the_hour_for_one_plan_only(drawn: rows.Columns) -> None:
    stays, early = drawn["stays"] == "yes", drawn["hour"] < 13

    def gap(plan: str) -> float:
        mine = drawn["plan"] == plan
        return float(stays[mine & early].mean() - stays[mine & ~early].mean())

    assert gap("plus") > 0.4
    assert abs(gap("basic")) < 0.05
    assert abs(gap("pro")) < 0.05
    high = drawn["score"] > 1
    assert stays[high].mean() > stays[drawn["score"] < -1].mean() + 0.2


def test_the_schema_knows_every_kind_of_column(data: Data) -> None:
    columns = {column.name: column for column in table(data).columns}
    assert len(columns) == 10
    assert table(data).target == "stays"
    numbers = {n: c for n, c in columns.items() if isinstance(c, Continuous)}
    assert numbers["spent"].special == (0.0,)
    assert numbers["distance"].missing
    assert [n for n, c in numbers.items() if c.missing] == ["distance"]
    assert (numbers["visits"].decimals, numbers["score"].decimals) == (0, 3)
    assert len(numbers["hour"].modes) >= 2
    assert len(numbers["height"].modes) == 1
    stays = columns["stays"]
    assert isinstance(stays, Categorical)
    assert stays.values == ("no", "yes")
    assert {k: len(p) for k, p in data.parts.items()} == {
        "train": 2_800,
        "validation": 400,
        "test": 800,
    }
    assert MixedTableConfig().samples == 20_000


def test_rows_come_back_whole_and_the_seed_decides(data: Data) -> None:
    part = data.parts["train"]
    assert isinstance(part, Tensors)
    cells = rows.decode(table(data), part.columns["row"])
    assert np.isnan(cells["distance"]).mean() == pytest.approx(0.13, abs=0.03)
    assert (cells["hour"] == cells["hour"].round(2)).all()
    assert dataset.open(SMALL).fingerprint == data.fingerprint
    assert dataset.open(MixedTableConfig(samples=4_000, seed=1)).fingerprint != data.fingerprint


def test_foreign_rows_are_read(data: Data, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    names = "stays,region,plan,height,income,hour,visits,spent,distance,score"
    file.write_text(f"{names}\nyes,west,pro,170.5,20000,8.25,3,0,,-0.125\n", "utf-8")
    ((name, batch),) = dataset.read(data.schema, [file])
    assert name == f"{file}:2"
    cells = rows.records(table(data), rows.decode(table(data), batch["row"]))[0]
    assert cells[:3] == ["west", "pro", 170.5]
    assert cells[4:] == [8.25, 3, 0.0, None, -0.125, "yes"]
    assert registry.load("datasets", "mixed-table") is dataset
