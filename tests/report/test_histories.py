import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import DamagedError
from netwright.report.histories import between, history, thinned, together
from netwright.train.view import RunView
from reports import write_game


def test_figures_and_losses_stand_over_seconds_of_training(run_folder):
    found = history(RunView.open(run_folder))
    assert found.figures["accuracy"] == ((1.0, 2.0, 3.0), pytest.approx((0.7, 0.8, 0.9)))
    assert found.losses["net"] == ((1.0, 2.0, 3.0), (2.0, 1.0, 0.0))
    assert found.said == {}


def test_what_a_turn_says_is_named_by_turn_and_name(tmp_path):
    found = history(RunView.open(write_game(tmp_path / "game"))).said
    assert set(found) == {
        "discriminator: fake_score",
        "discriminator: gradient",
        "discriminator: real_score",
        "generator: fake_score",
        "generator: gradient",
    }
    assert found["generator: fake_score"][0] == (1.0, 2.0, 3.0)
    assert found["generator: fake_score"][1] == pytest.approx((1 / 6, 1 / 3, 1 / 2))


def test_a_run_that_has_written_nothing_has_no_curves(run_folder):
    for name in ("metrics.jsonl", "timing.jsonl"):
        (run_folder / name).unlink()
    found = history(RunView.open(run_folder))
    assert (found.figures, found.losses) == ({}, {})


def test_lines_without_what_they_should_hold_are_damaged(run_folder):
    (run_folder / "timing.jsonl").write_text('{"seconds":{}}\n')
    with pytest.raises(DamagedError, match=r"timing\.jsonl"):
        history(RunView.open(run_folder))


def test_what_was_made_again_after_a_resume_counts_once(run_folder):
    lines = (run_folder / "timing.jsonl").read_text().splitlines()
    again = lines[-1].replace('"training":3.0', '"training":5.0')
    (run_folder / "timing.jsonl").write_text("\n".join([*lines, again]) + "\n")
    assert history(RunView.open(run_folder)).figures["accuracy"][0] == (1.0, 2.0, 5.0)


def test_values_that_are_no_numbers_leave_a_gap(run_folder):
    text = (run_folder / "metrics.jsonl").read_text()
    (run_folder / "metrics.jsonl").write_text(text.replace('"loss":1.0', '"loss":"nan"'))
    assert history(RunView.open(run_folder)).losses["net"] == ((1.0, 3.0), (2.0, 0.0))


def test_seeds_are_averaged_where_all_have_values():
    found = together([((1.0, 3.0), (0.0, 2.0)), ((2.0, 4.0), (3.0, 5.0))])
    assert found.x == (2.0, 3.0)
    assert found.mean == (2.0, 3.0)
    assert found.low == (1.0, 2.0)
    assert found.high == (3.0, 4.0)


def test_seeds_that_never_meet_have_no_common_curve():
    assert together([((1.0,), (0.0,)), ((2.0,), (0.0,))]) is None
    assert together([((), ())]) is None


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 5)), min_size=2, max_size=70), min_size=1
    )
)
def test_the_mean_lies_between_the_lowest_and_the_highest_seed(seeds):
    paths = []
    for pairs in seeds:
        by_place = dict(pairs)
        places = tuple(sorted(by_place))
        paths.append((places, tuple(by_place[p] for p in places)))
    found = together(paths)
    if found is not None:
        assert list(found.x) == sorted(found.x)
        for low, mean, high in zip(found.low, found.mean, found.high, strict=True):
            assert low - 1e-9 <= mean <= high + 1e-9


def test_between_two_places_the_way_is_straight_and_beyond_the_ends_it_stays():
    path = ((0.0, 10.0), (1.0, 3.0))
    assert [between(path, x) for x in (-1, 0, 5, 10, 11)] == [1, 1, 2, 3, 3]


def test_a_long_log_is_thinned_but_keeps_its_ends():
    long = (tuple(map(float, range(1001))), tuple(map(float, range(1001))))
    places, values = thinned(long, 100)
    assert len(places) <= 102
    assert (places[0], values[-1]) == (0.0, 1000.0)
    assert thinned(((), ())) == ((), ())
