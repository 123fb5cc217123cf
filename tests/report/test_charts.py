from netwright.report.charts import FORMATS, NARROW, WIDE, bars, cut, in_unit, joined, value_ticks
from netwright.report.palette import Ink
from netwright.report.scales import Scale


def test_bars_share_one_scale_and_keep_their_order():
    made = bars(
        [(0.9, 0.85, 0.95, Ink(0)), (0.7, 0.6, 0.8, Ink(1, 1)), (0.8, 0.75, 0.85, None)], 0.8, "%"
    )
    assert [b.css for b in made] == ["t0 d0", "t1 d1", "plain"]
    assert made[1].value < made[2].value < made[0].value
    assert all(4 <= b.low < b.value < b.high <= 116 for b in made)
    assert {b.floor for b in made} == {made[2].value}


def test_without_anything_there_are_no_bars():
    assert bars([], None, "%") == []


def test_the_frame_lies_on_the_paper():
    for form in FORMATS:
        frame = form.frame
        assert 0 < frame.left < frame.right <= form.width
        assert 0 < frame.top < frame.bottom < form.height
    assert NARROW.width <= 360 < WIDE.width


def test_small_things():
    assert cut("a" * 40, 10) == "a" * 9 + "…"
    assert cut("short") == "short"
    assert in_unit("%") == ""
    assert in_unit("nats") == " in nats"
    assert joined([(1.5, 2.0), (3, 4)]) == "1.5,2 3,4"
    assert value_ticks(Scale(0, 1, 100, 0), "%", 4)[-1] == (0.0, "100 %")
