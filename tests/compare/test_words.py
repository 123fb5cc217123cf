import dataclasses

import pytest

from contests import contest, floor, net
from netwright.compare.decide import Candidate, decide
from netwright.compare.verdict import Cell
from netwright.compare.words import listed

CNN = net("cnn", 6, 2e6)
FORMER = net("transformer", 30, 8e6, start=100)
RNN = net("rnn", 32, 4e6, start=104)
ATTENTION = net("self-attention", 90, 5e6, start=200)
ALL = [CNN, FORMER, RNN, ATTENTION]
TIED = (
    "It cannot be told apart from the floor here, which trains in 0.1 s: "
    "take a network only for what the floor cannot do."
)
PAIR = "Transformer and rnn cannot be told apart (3 seeds)."


def said(candidates, floors=(), **rest) -> list[str]:
    made = decide(contest(candidates, floors, **rest))
    return [made.verdict, *made.sentences]


def test_a_network_that_only_ties_with_the_floor_is_chosen_among_the_networks():
    assert said(ALL, [floor(8, start=50)]) == [
        "Among the networks choose cnn.",
        TIED,
        "It is better than every other network beyond chance, than transformer by "
        "6.0 points (95 %: 3.0 to 9.0).",
        PAIR,
        "Transformer fails: it is worse than the floor SVM-RBF by 5.8 points (95 %: 2.7 to 8.8).",
        "Rnn fails: it is worse than the floor SVM-RBF by 6.2 points (95 %: 3.1 to 9.4).",
        "Self-attention fails: it is worse than the floor SVM-RBF by 20.8 points "
        "(95 %: 16.3 to 25.2).",
    ]


def test_a_network_that_beats_the_floor_is_chosen():
    assert said(ALL[:3], [floor(60, start=300)]) == [
        "Choose cnn.",
        "It is better than every other network beyond chance, than transformer by "
        "6.0 points (95 %: 3.0 to 9.0).",
        "It beats the floor SVM-RBF by 13.2 points (95 %: 9.4 to 17.1).",
        PAIR,
    ]


def test_several_floors_are_told_by_name():
    floors = [floor(60, start=300), floor(200, name="majority", title="majority")]
    assert (
        "It beats every floor, the best of them (SVM-RBF) by 13.2 points (95 %: 9.4 to 17.1)."
        in (said([CNN, RNN], floors))
    )
    floors = [floor(8, start=50), floor(200, name="majority", title="majority")]
    assert said([CNN, RNN], floors)[1].startswith(
        "It cannot be told apart from the floor SVM-RBF here, which trains in 0.1 s: "
    )


def test_the_cheaper_of_two_that_tie_is_chosen_with_both_costs():
    found = said([net("cnn", 20, 2e6), net("rnn", 21, 1e6), net("mlp", 120, 1e5)], [floor(200)])
    assert found == [
        "Choose rnn.",
        "Cnn measured better, but not beyond chance, and costs more: "
        "2.00M against 1.00M (forward FLOPs).",
        "It beats the floor SVM-RBF by 44.5 points (95 %: 39.6 to 49.4).",
        "Cnn and rnn cannot be told apart (3 seeds).",
    ]


def test_the_best_is_chosen_where_only_dearer_ones_tie_with_it():
    found = said([net("cnn", 20, 1e6), net("rnn", 21, 2e6), net("mlp", 120, 1e5)])
    assert found[:2] == [
        "Choose cnn.",
        "It measured best, and none that ties with it is cheaper in forward FLOPs.",
    ]


def test_a_cheaper_one_that_ties_with_the_best_may_fail_against_a_floor():
    found = said([net("cnn", 18, 2e6), net("rnn", 20, 1e6, start=10)], [floor(8, start=50)])
    assert found[2] == (
        "It measured best; what ties with it and is cheaper in forward FLOPs fails against a floor."
    )
    assert found[-1].startswith("Rnn fails: ")


def test_no_network_may_be_worth_it():
    assert said(ALL[1:], [floor(4)]) == [
        "No network is worth it here: the floor SVM-RBF is better than every network beyond "
        "chance, and trains in 0.1 s.",
        "The best of them, transformer, is worse by 6.8 points (95 %: 3.9 to 9.6).",
        PAIR,
    ]


def test_one_network_may_not_be_worth_it():
    assert said([FORMER], [floor(4)]) == [
        "No network is worth it here: the floor SVM-RBF is better than transformer beyond "
        "chance, and trains in 0.1 s.",
        "It is worse by 6.8 points (95 %: 3.9 to 9.6).",
    ]


def test_one_network_that_beats_its_floor_is_chosen():
    assert said([CNN], [floor(60, start=300)]) == [
        "Choose cnn.",
        "It beats the floor SVM-RBF by 13.2 points (95 %: 9.4 to 17.1).",
    ]


def test_of_networks_that_tie_closely_the_cheapest_is_chosen():
    found = said([FORMER, RNN], [floor(50)])
    assert found[0] == "Among the networks choose rnn."
    assert TIED in found
    assert found[-1] == "Transformer and rnn cannot be told apart (3 seeds)."


def test_where_seeds_are_the_trouble_more_seeds_have_a_price():
    found = said([net("cnn", 4, 2e6, jitter=12), net("rnn", 16, 1e6, jitter=12)])
    assert found == [
        "Undecided: the two networks cannot be told apart (3 seeds); cnn and rnn might be with "
        "9 seeds, which would cost about 36 s more.",
        "Until then take cnn, which measured best.",
    ]


def test_one_seed_decides_nothing_between_structures():
    nets = [net("cnn", 20, 2e6, seeds=1), net("rnn", 30, 1e6, seeds=1, start=30)]
    made = decide(contest(nets, seeds=1))
    assert [made.verdict, *made.sentences] == [
        "Undecided: with one seed a good structure cannot be told from lucky weights; "
        "two more seeds would cost about 12 s.",
        "Of the nets trained here take cnn.",
        "Cnn and rnn cannot be told apart (1 seed).",
    ]
    assert made.notes == (
        "No floor stands beside the networks.",
        "One seed: the intervals are over units alone and hold for these weights.",
    )


def test_failed_refused_and_half_finished_networks_are_named_with_their_reason():
    cells = [*CNN.cells[:2], Cell(id="x", seed=2, folder="x", status="failed", reason="no memory.")]
    half = dataclasses.replace(CNN, figures=CNN.figures[:2], cells=cells)
    found = said(
        [
            half,
            RNN,
            Candidate("mlp/small", "mlp", status="refused", reason="it reads no text."),
            Candidate("gan/small", "gan", status="failed", reason="training diverged at step 12"),
        ]
    )
    assert found[-3:] == [
        "Cnn finished 2 of 3 seeds (seed 2: no memory).",
        "Mlp was refused: it reads no text.",
        "Gan failed: training diverged at step 12.",
    ]


def test_ties_are_told_in_largest_groups():
    nets = [CNN, *(net(f, 60 + i, 1e6, start=100 + i) for i, f in enumerate(("a", "b", "c")))]
    assert "A, b and c cannot be told apart (3 seeds)." in said(nets)
    assert sum("told apart" in sentence for sentence in said(nets)) == 1


def test_two_presets_of_one_family_keep_their_whole_names():
    tiny = dataclasses.replace(RNN, name="cnn/tiny", family="cnn")
    assert said([CNN, tiny])[0] == "Choose cnn/small."


def test_notes_tell_subsamples_unmeasured_costs_and_what_the_correction_took():
    nets = [net(f"n{i}", 20, 1e6, start=20 * i, jitter=0) for i in range(6)]
    better = net("better", 9, 1e6, start=350, jitter=0)
    blind = dataclasses.replace(better, costs={})
    small = dataclasses.replace(floor(200), note="fitted on 20,000 of 50,000 samples")
    notes = decide(contest([blind, *nets], [small])).notes
    assert notes[0] == "SVM-RBF: fitted on 20,000 of 50,000 samples."
    assert notes[1] == "Forward FLOPs of better could not be measured."
    assert notes[2].startswith("Better and n0 differ when taken alone (p = 0.0")
    assert notes[2].endswith("but not among 28 comparisons.")


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_lists_read_as_english(names, expected):
    assert listed(names) == expected
