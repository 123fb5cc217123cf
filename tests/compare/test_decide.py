import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contests import N, contest, figure, floor, net
from netwright.compare.decide import Candidate, FloorCandidate, decide
from netwright.compare.statistics import difference, holm, interval
from netwright.errors import InputError
from netwright.metrics.base import Figure

CNN, RNN, MLP = net("cnn", 6, 2e6), net("rnn", 60, 1e6, start=100), net("mlp", 180, 1e5)


def row(verdict, name):
    return next(r for r in verdict.candidates if r.name == name)


def test_rows_hold_what_was_measured_in_the_order_given():
    made = decide(contest([RNN, CNN]))
    assert [r.name for r in made.candidates] == ["rnn/small", "cnn/small"]
    cnn, found = row(made, "cnn/small"), interval(CNN.figures)
    assert cnn.values == pytest.approx([1 - wrong / N for wrong in (6, 7, 8)])
    assert (cnn.estimate.low, cnn.estimate.high) == (found.low, found.high)
    assert cnn.costs["forward_flops"] == 2e6
    assert cnn.roles == {"net": "cnn/small"}
    assert made.n == N


def test_pairs_are_corrected_together_networks_and_floors():
    low = floor(70, start=300)
    made = decide(contest([CNN, RNN, MLP], [low, floor(90, name="majority", title="majority")]))
    assert len(made.pairs) == 3 + 3 * 2
    assert [p.p_holm for p in made.pairs] == pytest.approx(holm([p.p for p in made.pairs]))
    one = next(p for p in made.pairs if (p.a, p.b) == ("rnn/small", "svm-rbf"))
    alone = difference(RNN.figures, [low.figure])
    assert (one.difference, one.low, one.high) == (alone.value, alone.low, alone.high)


def test_a_pair_may_differ_alone_and_tie_among_many():
    nets = [net(f"n{i}", 20, 1e6, start=20 * i, jitter=0) for i in range(6)]
    better = net("better", 9, 1e6, start=350, jitter=0)
    alone = decide(contest([better, nets[0]])).pairs[0]
    among = decide(contest([better, *nets])).pairs[0]
    assert alone.told_apart
    assert (alone.low, alone.p) == (among.low, among.p)
    assert not among.told_apart


def test_a_network_worse_than_a_floor_beyond_chance_fails():
    made = decide(contest([CNN, RNN], [floor(20, start=300)]))
    assert row(made, "rnn/small").failing
    assert not row(made, "cnn/small").failing
    assert row(made, "cnn/small").chosen


def test_lower_is_better_where_the_figure_says_so():
    def perplexity(seed: int, level: float) -> Candidate:
        rng = np.random.default_rng(seed)
        rows = [torch.tensor(rng.normal(level, 0.1, (100, 1))).exp() for _ in range(3)]
        figures = [Figure(r, "mean", higher=False, unit="") for r in rows]
        return dataclasses.replace(CNN, name=f"f{seed}/small", family=f"f{seed}", figures=figures)

    made = decide(contest([perplexity(1, 2.0), perplexity(2, 1.0)], higher=False, unit=""))
    assert row(made, "f2/small").chosen
    assert not row(made, "f1/small").on_frontier


def test_ties_are_named_on_both_sides():
    made = decide(contest([CNN, RNN, net("gru", 61, 3e6, start=98)]))
    assert row(made, "rnn/small").tied_with == ("gru/small",)
    assert row(made, "gru/small").tied_with == ("rnn/small",)
    assert row(made, "cnn/small").tied_with == ()


def test_the_cost_axis_decides_who_is_cheaper():
    twin = net("twin", 6, 1e6, start=3)
    slow = dataclasses.replace(twin, costs={**twin.costs, "latency": 1.0})
    assert row(decide(contest([CNN, slow])), "twin/small").chosen
    assert row(decide(contest([CNN, slow], cost="latency")), "cnn/small").chosen


@pytest.mark.parametrize(
    ("candidate", "status", "reason"),
    [
        (Candidate("a/small", "a", status="refused", reason="it reads no text"), "refused",
         "it reads no text"),
        (Candidate("a/small", "a", status="failed", reason="diverged"), "failed", "diverged"),
        (Candidate("a/small", "a"), "failed", "no seed finished"),
        (net("a", 5, 1e6, seeds=1), "failed", "only one of 3 seeds finished"),
        (dataclasses.replace(net("a", 5, 1e6), figures=[
            dataclasses.replace(figure(range(3)), rows=torch.full((N, 1), float("nan")))
        ] * 3), "failed", "its figure is not a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_stays_in_the_table_with_its_reason(candidate, status, reason):
    made = decide(contest([CNN, candidate]))
    found = row(made, "a/small")
    assert found.status == status
    assert reason in found.reason
    assert found.estimate is None
    assert not found.on_frontier
    assert made.pairs == ()
    assert reason in " ".join(made.sentences)


def test_floors_that_do_not_stand_here_keep_their_reason():
    broken = dataclasses.replace(figure(range(3)), rows=torch.full((N, 1), float("inf")))
    made = decide(
        contest(
            [CNN],
            [
                FloorCandidate("hog", "HOG + SVM", reason="it needs netwright[hog]"),
                FloorCandidate("ridge", "ridge", broken),
            ],
        )
    )
    assert [(f.status, f.reason) for f in made.floors] == [
        ("refused", "it needs netwright[hog]"),
        ("failed", "its figure is not a number"),
    ]


def test_two_of_a_name_are_refused():
    with pytest.raises(InputError, match="'cnn/small' stands twice"):
        decide(contest([CNN, CNN]))


def test_a_contest_in_which_nobody_finished_has_a_verdict_too():
    made = decide(contest([Candidate("a/small", "a", status="failed", reason="out of memory")]))
    assert made.verdict == "No verdict: no network finished."
    assert made.sentences == ("A failed: out of memory.",)
    assert made.n == 0


def test_the_same_figures_give_the_same_verdict():
    entries = contest([CNN, RNN, MLP], [floor(70)])
    assert decide(entries) == decide(entries)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 300), st.integers(0, 12)),
        min_size=1,
        max_size=4,
    ),
    st.none() | st.integers(0, 60),
)
def test_nobody_wins_or_fails_where_the_interval_holds_zero(entries, base):
    nets = [
        net(f"n{i}", wrong, 1e6 * (i + 1), start=start, jitter=jitter)
        for i, (wrong, start, jitter) in enumerate(entries)
    ]
    made = decide(contest(nets, [] if base is None else [floor(base, start=200)]))
    for pair in made.pairs:
        if pair.told_apart:
            assert pair.low > 0 or pair.high < 0
    for net_row in made.candidates:
        told = [p for p in made.pairs if p.a == net_row.name and p.b == "svm-rbf" and p.told_apart]
        assert net_row.failing == any(p.difference < 0 for p in told)
    chosen = [r for r in made.candidates if r.chosen]
    assert len(chosen) <= 1
    if made.verdict.startswith("No network"):
        assert not chosen
    if made.verdict.startswith("Choose") and base is not None:
        assert any(p.a == chosen[0].name and p.told_apart and p.low > 0 for p in made.pairs
                   if p.b == "svm-rbf")  # fmt: skip
    if made.verdict.startswith("Undecided"):
        nets_ = {r.name for r in made.candidates}
        assert not any(p.told_apart for p in made.pairs if p.b in nets_)
