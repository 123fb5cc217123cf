import pytest

from netwright.compare.numbers import score
from netwright.compare.verdict import Interval


def estimate(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high, between_seeds=0, between_units=0, degrees=2)


@pytest.mark.parametrize(
    ("of", "unit", "said"),
    [
        (estimate(0.9892, 0.9831, 0.9953), "%", "98.9 ± 0.6 %"),
        (estimate(0.9892, 0.9762, 0.9932), "%", "98.9 +0.4 -1.3 %"),
        (estimate(0.98921, 0.98871, 0.98971), "%", "98.92 ± 0.05 %"),
        (estimate(0.7, 0.58, 0.82), "%", "70 ± 12 %"),
        (estimate(5.43, 4.3, 6.56), "perplexity", "5.4 ± 1.1 perplexity"),
        (estimate(345.2, 333, 357.4), "", "345 ± 12"),
        (estimate(1.0, 1.0, 1.0), "%", "100.0 ± 0.0 %"),
    ],
)
def test_scores_show_the_digits_that_their_interval_deserves(of, unit, said):
    assert score(of, unit) == said
