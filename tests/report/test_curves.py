from netwright.report.charts import NARROW, WIDE
from netwright.report.curves import Curve, curves
from netwright.report.palette import Ink

RISES = Curve("cnn", Ink(0), (1, 2, 3), (0.5, 0.7, 0.9), (0.4, 0.6, 0.9), (0.6, 0.8, 0.9))
LATER = Curve("rnn", Ink(1, 1), (1, 2, 3), (0.2, 0.5, 0.89))


def drawn(*series, form=WIDE):
    return curves(series, figure="accuracy", unit="%", x_title="seconds", form=form)


def places(line):
    return [tuple(map(float, p.split(","))) for p in line.points.split()]


def test_curves_rise_on_paper_as_their_values_do_and_time_begins_at_nothing():
    chart = drawn(RISES)
    (line,) = chart.lines
    xs, ys = zip(*places(line), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    assert chart.x_ticks[0] == (chart.frame.left, "0.0")


def test_the_band_goes_there_and_back():
    (area,) = drawn(RISES).areas
    assert len(places(area)) == 6
    assert area.css == "t0 d0"


def test_one_seed_has_no_band():
    assert not drawn(LATER).areas


def test_every_curve_is_named_beside_its_end_and_names_do_not_touch():
    chart = drawn(RISES, LATER)
    assert [t.text for t in chart.texts] == ["cnn", "rnn"]
    a, b = (t.y for t in chart.texts)
    assert b - a >= 14.9
    assert [x.css for x in chart.lines[2:]] == ["lead t0 d0", "lead t1 d1"]
    assert chart.frame.right + 20 + 3 * 7.5 <= chart.format.width


def test_one_curve_needs_no_name_and_takes_the_whole_width():
    assert not drawn(RISES).texts
    assert drawn(RISES, form=NARROW).frame.right > drawn(RISES, LATER, form=NARROW).frame.right


def test_what_is_drawn_is_told():
    assert "cnn ends at 90.0 %" in drawn(RISES, LATER).about


def test_on_a_logarithmic_axis_equal_quotients_are_equal_distances():
    falls = Curve("g", Ink(0), (1, 2, 3), (1000, 10, 0.1))
    chart = curves(
        [falls], figure="gradient", unit="", x_title="seconds", form=WIDE, axis="logarithmic"
    )
    (line,) = chart.lines
    a, b, c = (y for _, y in places(line))
    assert abs((b - a) - (c - b)) < 0.2
    assert [text for _, text in chart.y_ticks] == ["0.1", "1", "10", "100", "1000"]
