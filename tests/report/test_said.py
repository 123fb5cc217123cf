from netwright.report.histories import History
from netwright.report.palette import Ink
from netwright.report.said import sayings

COLOURS = {"discriminator": Ink(5), "generator": Ink(4)}


def drawn(**said):
    paths = {
        name.replace("__", ": "): ((0.0, 1.0, 2.0)[: len(values)], tuple(values))
        for name, values in said.items()
    }
    return sayings(History({}, {}, paths), COLOURS)


def test_what_is_of_one_kind_shares_a_chart_and_each_turn_keeps_its_colour():
    scores, gradients = drawn(
        discriminator__real_score=(1.0, 2.0, 3.0),
        discriminator__fake_score=(-1.0, -2.0, -3.0),
        generator__fake_score=(0.0, 0.5, 0.7),
        generator__gradient=(1.0, 2.0, 3.0),
    )
    assert [c.y_title for c in scores] == ["what the turns say: score"] * 2
    assert [t.text for t in scores[0].texts] == [
        "discriminator: real",
        "discriminator: fake",
        "generator: fake",
    ]
    assert [line.css for line in scores[0].lines[:3]] == ["t5 d0", "t5 d1", "t4 d0"]
    assert gradients[0].y_title == "what the turns say: gradient"
    assert [line.css for line in gradients[0].lines] == ["t4 d0"]


def test_a_wide_range_takes_a_logarithmic_axis_and_a_narrow_one_or_a_zero_does_not():
    def ticks(*values):
        ((wide, _),) = drawn(generator__gradient=values)
        return [text for _, text in wide.y_ticks]

    assert ticks(0.01, 1.0, 100.0) == ["0.01", "0.1", "1", "10", "100"]
    assert ticks(1.0, 50.0, 99.0) == ["0", "50", "100"]
    assert "0" in ticks(0.0, 50.0, 1000.0)


def test_a_single_value_is_no_curve_and_a_run_without_any_has_no_chart():
    assert drawn(generator__gradient=(1.0,)) == []
    assert drawn() == []


def test_kinds_are_capped():
    assert len(drawn(**{f"generator__k{i}": (1.0, 2.0) for i in range(50)})) == 6
