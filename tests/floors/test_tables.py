import torch

from netwright.floors._tables import blocks_of, choice_of, find_table, refusal, table_of
from netwright.specs import Categorical, Continuous, Labels, Mode, Schema, Table

MODES = (Mode(share=0.5, mean=0, deviation=1), Mode(share=0.5, mean=9, deviation=1))
PLAIN = Continuous(name="plain", modes=MODES[:1], low=-4, high=4)
MIXED = Continuous(name="mixed", modes=MODES, low=-4, high=13, special=(0.0,), missing=True)
WORD = Categorical(name="word", values=("a", "b"), missing=True)
TABLE = Table(columns=(PLAIN, MIXED, WORD))


def test_cells_lie_one_behind_the_other() -> None:
    assert blocks_of(TABLE) == [slice(0, 1), slice(1, 6), slice(6, 9)]
    assert blocks_of(TABLE)[-1].stop == TABLE.form.features


def test_modes_are_one_choice_and_special_or_empty_cells_another() -> None:
    cells = torch.cat([torch.rand(4, 1), torch.eye(4)], 1)
    assert choice_of(MIXED, cells).tolist() == [0, 0, 1, 2]
    assert choice_of(PLAIN, torch.rand(3, 1)).tolist() == [0, 0, 0]
    assert choice_of(WORD, torch.eye(3)).tolist() == [0, 1, 2]


def test_data_without_a_table_are_refused_with_a_sentence() -> None:
    here = Schema(columns={"row": TABLE})
    other = Schema(columns={"label": Labels(names=("a", "b"))})
    assert refusal(here) is None
    assert table_of(here) is TABLE
    assert find_table(other) is None
    assert "hold none" in str(refusal(other))
