import pytest
import torch

from netwright.errors import DamagedError
from netwright.report.exhibits import EXHIBITS, PLENTY, Room, pieces
from netwright.tasks.base import Exhibit
from reports import Words, exhibits

RATE = {"rate": ("16000",)}


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
    named = {"captions": ("a",) * 100}
    many = Exhibit("picture", "many", {"pictures": torch.rand(100, 1, 4, 4)}, named)
    (piece,) = pieces([many])
    assert len(piece.shots) == PLENTY.pictures
    assert piece.left_out == 100 - PLENTY.pictures
    assert len(pieces([many], Room(pictures=3))[0].shots) == 3
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
        Exhibit("picture", "t", {"pictures": torch.rand(4, 1, 4, 4)}, {"columns": ("two",)}),
        Exhibit("picture", "t", {"pictures": torch.rand(4, 1, 4, 4)}, {"columns": ("-2",)}),
        Exhibit("sound", "t", {"sound": torch.rand(2, 9)}),
        Exhibit("sound", "t", {"sound": torch.rand(9)}, {"rate": ("8000",)}),
        Exhibit("sound", "t", {"sound": torch.rand(2, 9)}, {"rate": ("0",)}),
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
    (piece,) = pieces([Exhibit("smell", "rose")])
    assert piece.lines == ("a smell: see the run folder",)


def test_pictures_without_captions_are_one_sheet():
    pictures = {"pictures": torch.rand(30, 1, 8, 8)}
    (piece,) = pieces([Exhibit("picture", "many", pictures)])
    assert (piece.kind, len(piece.shots), piece.left_out) == ("sheet", 1, 0)
    assert (piece.shots[0].width, piece.shots[0].height) == (6 * 8, 5 * 8)
    (piece,) = pieces([Exhibit("picture", "many", pictures, {"columns": ("10",)})])
    assert (piece.shots[0].width, piece.shots[0].height) == (10 * 8, 3 * 8)
    (piece,) = pieces([Exhibit("picture", "one", {"pictures": torch.rand(1, 1, 8, 8)})])
    assert piece.kind == "picture"


def test_a_small_sheet_holds_whole_lines():
    pictures = {"pictures": torch.rand(30, 1, 8, 8)}
    many = Exhibit("picture", "many", pictures, {"columns": ("10",)})
    (piece,) = pieces([many], Room(tiles=16))
    assert piece.shots[0].height == 8
    assert piece.left_out == 20


def test_sounds_are_played_up_to_ten_and_each_has_its_name():
    sounds = torch.rand(12, 4000) - 0.5
    strings = {"rate": ("8000",), "captions": tuple(map(str, range(12)))}
    (piece,) = pieces([Exhibit("sound", "said", {"sound": sounds}, strings)])
    assert [c.caption for c in piece.clips] == [str(i) for i in range(10)]
    assert piece.left_out == 2


def test_sheets_and_sounds_share_the_bytes_of_a_page():
    g = torch.Generator().manual_seed(0)
    room = Room(bytes=120_000)
    many = [
        *[Exhibit("picture", "p", {"pictures": torch.rand(36, 3, 32, 32, generator=g)})] * 5,
        *[Exhibit("sound", "s", {"sound": torch.rand(9, 90_000, generator=g)}, RATE)] * 2,
    ]
    made = pieces(many, room)
    uris = [s.uri for p in made for s in p.shots]
    for piece in made:
        uris += [u for c in piece.clips for u in (c.uri, c.picture.uri)]
    assert len(uris) == 5 + 2 * 2
    assert 60_000 < sum(map(len, uris)) * 3 / 4 < 125_000
