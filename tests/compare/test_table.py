import dataclasses

import pytest

from contests import contest, floor, net
from netwright.compare.decide import Candidate, decide
from netwright.compare.table import table
from netwright.compare.verdict import AXES

NETS = [
    net("rnn", 32, 4e6, start=104),
    net("cnn", 6, 2e6),
    Candidate("gan/small", "gan", status="failed", reason="training diverged at step 12"),
]
FLOOR = floor(8, start=50)

GOLDEN = """\
                           accuracy  params  FLOPs  train FLOPs  latency
>● cnn             98.2 +0.9 -1.8 %    100k  2.00M         600G   2.0 ms
x  rnn             91.8 +2.3 -3.1 %    200k  4.00M        1.20T   4.0 ms
   gan             failed: training diverged at step 12
   floor: SVM-RBF  98.0 +1.0 -1.9 %  trains in 0.1 s
● on the frontier of accuracy and forward FLOPs; > chosen; x worse than a floor
beyond chance
accuracy: higher is better, 95 % interval, 3 seeds, 400 units
seconds of training: 3.0 s for all
memory: 12.3 MB for all
not measurable here: energy"""


def test_the_table_reads_best_first_with_what_is_the_same_in_footnotes():
    assert table(decide(contest(NETS, [FLOOR]))) == GOLDEN


def costs(index: int, scale: float) -> dict[str, float]:
    return dict.fromkeys(AXES, scale * (index + 1.5))


@pytest.mark.parametrize("scale", [1e-4, 12.3, 4.56e7, 7.89e14])
@pytest.mark.parametrize("name", ["cnn", "a-structure-with-a-very-long-name-indeed"])
@pytest.mark.parametrize("axis", ["energy", "forward_flops"])
def test_no_line_is_longer_than_80_columns_and_no_cost_is_lost(scale, name, axis):
    nets = [
        dataclasses.replace(net(f"{name}-{i}", 5 + 10 * i, 1.0), costs=costs(i, scale))
        for i in range(4)
    ]
    refused = Candidate("x/small", "x", status="refused", reason="it reads nothing of it " * 9)
    made = decide(contest([*nets, refused], [FLOOR], cost=axis))
    text = table(made)
    assert max(map(len, text.splitlines())) <= 80
    assert {"energy": "energy", "forward_flops": "FLOPs"}[axis] in text.splitlines()[0]
    for word in ("params", "train", "seconds", "latency", "memory", "energy"):
        assert word in text


def test_a_cost_that_one_lacks_is_a_dash_and_not_a_zero():
    blind = dataclasses.replace(NETS[0], costs={**NETS[0].costs, "latency": None})
    line = table(decide(contest([blind, NETS[1]]))).splitlines()[2]
    assert line.startswith("   rnn")
    assert line.endswith(" -")


def test_one_network_keeps_its_costs_in_the_line():
    lines = table(decide(contest([NETS[1]]))).splitlines()
    assert "2.00M" in lines[1]


def test_a_contest_in_which_nobody_finished_has_a_table_of_reasons():
    text = table(decide(contest([NETS[2]])))
    assert "gan  failed: training diverged at step 12" in text
    assert "interval" not in text
