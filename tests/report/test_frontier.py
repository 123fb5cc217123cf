from dataclasses import replace

import pytest

from netwright.report.charts import NARROW, WIDE
from netwright.report.frontier import Level, Point, frontier
from netwright.report.palette import Ink

CNN = Point("cnn", Ink(0), 2e6, 0.95, 0.93, 0.97, on_frontier=True, chosen=True)
RNN = Point("rnn", Ink(1), 1e6, 0.85, 0.80, 0.90, on_frontier=True)
MLP = Point("mlp", Ink(4), 4e6, 0.70, 0.60, 0.80)
FLOORS = [Level("SVM-RBF", 0.9, 0.88, 0.92), Level("linear", 0.8, 0.78, 0.82)]


def drawn(points=(CNN, RNN, MLP), floors=FLOORS, form=WIDE, **rest):
    said = {"axis": "forward_flops", "figure": "accuracy", "unit": "%", "higher": True}
    return frontier(points, floors, form=form, **(said | rest))


def test_better_is_higher_and_dearer_is_further_right():
    cnn, rnn, mlp = drawn().marks
    assert cnn.y < rnn.y < mlp.y
    assert rnn.x < cnn.x < mlp.x
    assert cnn.x - rnn.x == pytest.approx(mlp.x - cnn.x, abs=0.2)  # a factor of two each
    assert all(m.top < m.y < m.bottom for m in (cnn, rnn, mlp))


def test_who_is_beaten_is_faded_and_the_chosen_is_marked():
    chart = drawn()
    assert ["beaten" in m.css for m in chart.marks] == [False, False, True]
    assert ["chosen" in m.css for m in chart.marks] == [True, False, False]
    css = {t.text: t.css for t in chart.texts}
    assert css["cnn"] == "name strong"
    assert css["mlp"] == "name beaten"


def test_the_best_floor_has_a_band_and_every_floor_a_dashed_line():
    chart = drawn()
    assert [a.css for a in chart.areas] == ["floor"]
    assert [x.css for x in chart.lines if "floor" in x.css] == ["floor", "floor minor"]
    assert {"SVM-RBF", "linear"} <= {t.text for t in chart.texts}


def test_stairs_join_the_frontier_by_rising_cost():
    (stairs,) = (x for x in drawn().lines if x.css == "stairs")
    cnn, rnn, _ = drawn().marks
    assert stairs.points == f"{rnn.x:g},{rnn.y:g} {cnn.x:g},{rnn.y:g} {cnn.x:g},{cnn.y:g}"
    assert not [x for x in drawn(points=(CNN, MLP)).lines if x.css == "stairs"]


def test_a_narrow_chart_names_the_best_floor_alone_and_stays_on_its_paper():
    chart = drawn(form=NARROW)
    assert [t.text for t in chart.texts if t.css.startswith("floor")] == ["floor: SVM-RBF"]
    assert all(0 <= m.x <= NARROW.width for m in chart.marks)


def test_equal_points_and_one_point_are_drawn():
    a, b = drawn((CNN, replace(CNN, name="twin"))).texts[-2:]
    assert (a.x, a.y) != (b.x, b.y)
    assert drawn((CNN,), ()).marks


def test_what_is_drawn_is_told():
    assert drawn(higher=False).y_title == "accuracy, lower is better"
    assert "cnn 95.0 ± 2.0 % at 2.00M" in drawn().about
    assert drawn(axis="latency", points=[replace(CNN, cost=1e-3)]).x_ticks[0][1].endswith("s")
