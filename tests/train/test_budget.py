import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import InputError
from netwright.train.budget import CORRECTIONS, Budget, Clocks, Ledger


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3s", Budget(seconds=3)),
        ("5m", Budget(seconds=300)),
        ("1.5h", Budget(seconds=5400)),
        ("1000steps", Budget(steps=1000)),
        ("10epochs", Budget(epochs=10)),
        ("5e4samples", Budget(samples=50000)),
        ("1e12flop", Budget(flops=1e12)),
        ("2TFLOP", Budget(flops=2e12)),
        ("10 epochs, 5m", Budget(epochs=10, seconds=300)),
    ],
)
def test_a_budget_is_read_with_its_unit(text: str, expected: Budget) -> None:
    assert Budget.parse(text) == expected


@given(
    st.builds(
        Budget,
        seconds=st.none() | st.integers(1, 10**6).map(float),
        steps=st.none() | st.integers(1, 10**9),
        epochs=st.none() | st.integers(1, 10**6),
    ).filter(lambda b: str(b) != "")
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_parse_reads_what_str_writes(budget: Budget) -> None:
    again = Budget.parse(str(budget))
    assert again.steps == budget.steps
    assert again.epochs == budget.epochs
    assert again.seconds == pytest.approx(budget.seconds)


@given(st.text(max_size=12))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_any_text_is_a_budget_or_one_sentence(text: str) -> None:
    with contextlib.suppress(InputError):
        assert str(Budget.parse(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0s", "the budget '0s' grants nothing: it must be above zero"),
        ("-3s", "the budget '-3s' grants nothing: it must be above zero"),
        ("5secs", "no budget unit 'secs' in '5secs'; nearest is 'sec'"),
        ("30", "no budget unit '' in '30'"),
        ("soon", "cannot read the budget 'soon'"),
    ],
)
def test_a_wrong_budget_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        Budget.parse(text)
    assert caught.value.sentence == sentence
    assert caught.value.code == 2


def ledger(budget: Budget, **more: float) -> Ledger:
    values = {"steps_per_epoch": 10, "samples_per_step": 8, "flops_per_step": 100.0} | more
    return Ledger(budget, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "end"),
    [
        (Budget(steps=7), 7),
        (Budget(samples=17), 3),
        (Budget(epochs=2), 20),
        (Budget(flops=450), 4),
        (Budget(steps=7, epochs=2, flops=300), 3),
    ],
)
def test_the_first_limit_reached_ends(budget: Budget, end: int) -> None:
    made = ledger(budget)
    made.begin(0.0)
    assert next(s for s in range(30) if made.over(s, 0.0)) == end
    assert made.horizon == end


@given(st.floats(0.002, 0.05), st.floats(0.2, 8.0), st.floats(0.5, 20))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_seconds_end_within_two_percent_or_one_step(
    step_seconds: float, error: float, seconds: float
) -> None:
    made = ledger(Budget(seconds=seconds))
    made.begin(step_seconds * error)  # the probe was wrong by up to a factor of eight
    step, spent = 0, 0.0
    while not made.over(step, spent):
        step, spent = step + 1, spent + step_seconds
        made.tick(step, spent)
    assert spent <= seconds * 1.02 + step_seconds
    if error >= 1:  # the schedule never ends far too early
        assert spent >= seconds * 0.9 - 2 * step_seconds


def test_recorded_horizons_repeat_a_run_without_its_clock() -> None:
    first = ledger(Budget(seconds=1.0))
    first.begin(0.013)
    step, spent, seen = 0, 0.0, []
    while not first.over(step, spent):
        seen.append(first.horizon)
        step, spent = step + 1, spent + 0.01
        first.tick(step, spent)
    assert len(first.horizons) == 1 + len(CORRECTIONS)
    again = ledger(Budget(steps=step, horizons=tuple(first.horizons)))
    again.begin(0.0)
    repeated = []
    step = 0
    while not again.over(step, 0.0):
        repeated.append(again.horizon)
        step += 1
        again.tick(step, 0.0)
    assert repeated == seen


def test_no_budget_is_an_error() -> None:
    with pytest.raises(InputError, match="no budget is given"):
        ledger(Budget()).begin(0.1)


def test_only_the_named_clock_runs() -> None:
    times = iter([0.0, 2.0, 5.0, 6.0])
    clocks = Clocks(now=lambda: next(times))
    with clocks.running("training"):
        pass
    with clocks.running("evaluation"):
        pass
    assert (clocks["training"], clocks["evaluation"], clocks["saving"]) == (2.0, 1.0, 0.0)


@pytest.mark.parametrize("text", ["0.5steps", "0.1epochs", "0.9samples"])
def test_less_than_one_whole_step_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="grants no whole"):
        Budget.parse(text)
