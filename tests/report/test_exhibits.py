import pytest
import torch

from netwright.errors import DamagedError
from netwright.report.exhibits import EXHIBITS, PICTURES, pieces
from netwright.tasks.base import Exhibit
from reports import Words, exhibits


def test_every_kind_is_made_ready():
    made = pieces(exhibits(Words()))
    assert [p.kind for p in made] == ["table", "map", "picture", "heat", "text", "curve"]


def test_a_table_shows_whole_numbers_as_such():
    table = pieces(exhibits(Words()))[0]
    assert table.columns == ("cat", "samples")
    assert table.rows[0] == ("cat", ["0.500", "3"])


def test_a_map_with_few_names_is_numbers_whose_depth_is_their_share():
    _, square, *_ = pieces(exhibits(Words()))
    name, line = square.squares[0]
    assert name == "cat"
    assert [(s.text, s.level) for s in line] == [("8", 8), ("1", 3), ("", 0)]
    assert square.squares[1][1][1].level == 9


def test_counts_are_capped_and_what_is_left_out_is_told():
    many = Exhibit("picture", "many", {"pictures": torch.rand(100, 1, 4, 4)})
    (piece,) = pieces([many])
    assert len(piece.shots) == PICTURES
    assert piece.left_out == 100 - PICTURES
    assert len(pieces([many], most=3)[0].shots) == 3
    lines = Exhibit("text", "long", strings={"lines": ("x" * 10_000,) * 1000})
    (piece,) = pieces([lines])
    assert sum(map(len, piece.lines)) < 30_000
    assert piece.left_out == 960
    assert len(pieces([lines] * 50)) == EXHIBITS


@pytest.mark.parametrize(
    "wrong",
    [
        Exhibit("picture", "t", {"pictures": torch.rand(4, 4)}),
        Exhibit("picture", "t"),
        Exhibit("map", "t", {"map": torch.rand(3)}),
        Exhibit("map", "t", {"map": torch.rand(2, 2)}, {"rows": ("a",), "columns": ("a", "b")}),
        Exhibit("map", "t", {"map": torch.rand(2, 2)}, {"rows": ("a", "b"), "columns": ("a",)}),
        Exhibit("table", "t", {"cells": torch.rand(2, 2)}, {"rows": ("a",)}),
        Exhibit("curve", "t", {"x": torch.rand(3), "y": torch.rand(2)}),
        Exhibit("text", "t"),
    ],
)
def test_what_is_not_of_its_kind_is_damaged(wrong):
    with pytest.raises(DamagedError, match="the exhibit 't'"):
        pieces([wrong])


def test_numbers_that_are_none_are_shown_all_the_same():
    nan = float("nan")
    made = pieces(
        [
            Exhibit("map", "m", {"map": torch.full((2, 2), nan)}),
            Exhibit("curve", "c", {"x": torch.tensor([nan, 1.0]), "y": torch.tensor([1.0, nan])}),
            Exhibit("table", "t", {"cells": torch.tensor([[nan]])}),
        ]
    )
    assert made[1].lines == ("there is no finite value",)
    assert made[2].rows == [("0", ["nan"])]


def test_a_kind_without_a_drawing_is_told():
    (piece,) = pieces([Exhibit("sound", "beep", {"sound": torch.rand(9)})])
    assert piece.lines == ("a sound: see the run folder",)
