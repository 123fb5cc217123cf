from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from torch import Generator, Tensor

from netwright import registry, rows
from netwright.errors import InputError
from netwright.floors import interpolation
from netwright.floors.interpolation import (
    BetweenPictures,
    BetweenRows,
    floor,
    neighbours_of,
)
from netwright.specs import (
    Categorical,
    Continuous,
    Image,
    Labels,
    Mode,
    Pictures,
    Schema,
    Sound,
    Table,
)

PICTURES = Pictures(form=Image(1, 8, 8), mean=(0.3,), deviation=(0.4,), top=16)
OF_PICTURES = Schema(
    columns={"image": PICTURES, "label": Labels(names=tuple(str(i) for i in range(10)))}
)
BELL = Mode(share=1, mean=0, deviation=2)
TABLE = Table(
    columns=(
        Continuous(name="x", modes=(BELL,), low=-8, high=8, special=(0.0,), missing=True),
        Continuous(name="y", modes=(BELL,), low=-8, high=8),
        Categorical(name="colour", values=("red", "blue")),
        Categorical(name="kind", values=("a", "b", "never")),
    ),
    target="kind",
)
OF_ROWS = Schema(columns={"row": TABLE})


def digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    x = torch.from_numpy(bunch.images[:600]).float()[:, None] / 8 - 1
    return x.clamp(-0.999, 0.999), torch.from_numpy(bunch.target[:600])


def columns(count: int = 300) -> dict[str, NDArray[Any]]:
    g = np.random.default_rng(0)
    kind = g.integers(0, 2, count)
    x = g.normal(size=count) + 3 * kind
    x[::7], x[::5] = 0.0, np.nan
    words = np.array(["red", "blue"], dtype=object), np.array(["a", "b"], dtype=object)
    return {
        "x": x.clip(-7, 7),
        "y": (2 * g.normal(size=count)).clip(-7, 7),
        "colour": words[0][g.integers(0, 2, count)],
        "kind": words[1][kind],
    }


def noise(count: int, width: int = 64) -> Tensor:
    return torch.randn(count, width, generator=Generator().manual_seed(0))


def between_pictures() -> BetweenPictures:
    x, y = digits()
    net = floor.fit({"x": x, "y": y}, OF_PICTURES, Generator())["generator"]
    assert isinstance(net, BetweenPictures)
    return net


def between_rows() -> BetweenRows:
    net = floor.fit({"x": rows.encode(TABLE, columns())}, OF_ROWS, Generator())["generator"]
    assert isinstance(net, BetweenRows)
    return net


def made(net: BetweenRows, z: Tensor) -> rows.Columns:
    return rows.decode(TABLE, rows.activate(TABLE, net(z), Generator()))


def test_neighbours_are_those_of_scikit_learn() -> None:
    x, y = digits()
    found = neighbours_of(x.flatten(1), y, 10)
    for label in range(10):
        members = (y == label).nonzero().flatten()
        mine = x[members].flatten(1).double().numpy()
        wanted = NearestNeighbors(n_neighbors=5).fit(mine).kneighbors()[0]
        gaps = (x[members][:, None] - x[found.near[members]]).flatten(2).norm(dim=2)
        np.testing.assert_allclose(gaps.numpy(), wanted, rtol=1e-3)
    assert not (found.near == torch.arange(600)[:, None]).any()
    assert torch.equal(y[found.near], y[:, None].expand(-1, 5))


def test_chunks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = digits()
    whole = neighbours_of(x.flatten(1), y, 10).near
    monkeypatch.setattr(interpolation, "DISTANCES", 700)
    assert torch.equal(neighbours_of(x.flatten(1), y, 10).near, whole)


def test_a_small_class_has_the_neighbours_there_are() -> None:
    x = torch.tensor([[0.0], [5.0], [1.0], [2.5]])
    found = neighbours_of(x, torch.tensor([0, 1, 0, 0]), 3)
    assert found.counts.tolist() == [2, 1, 2, 2]
    assert found.near[:, :2].tolist() == [[2, 3], [1, 1], [0, 3], [2, 0]]
    alone, other, _ = found.ends(noise(20), torch.ones(20, dtype=torch.long))
    assert alone.unique().tolist() == other.unique().tolist() == [1]
    first, second, _ = found.ends(noise(200), torch.zeros(200, dtype=torch.long))
    assert not (first == second).any()
    assert set(second.tolist()) == {0, 2, 3}


def test_a_picture_lies_between_its_two_ends() -> None:
    net, z = between_pictures(), noise(100)
    drawn = net(z)
    assert (drawn.shape, drawn.dtype) == ((100, 1, 8, 8), torch.float32)
    first, second, share = net.neighbours.ends(z, None)
    a, b = net.pictures[first].double(), net.pictures[second].double()
    wanted = a + share.view(-1, 1, 1, 1) * (b - a)
    torch.testing.assert_close(drawn.tanh().double(), wanted, rtol=0, atol=1e-4)
    assert float(share.min()) < 0.1
    assert float(share.max()) > 0.9


def test_a_picture_is_of_the_class_that_was_asked_for_and_means_stay() -> None:
    net, (x, y) = between_pictures(), digits()
    asked = torch.arange(1_000) % 10
    first, second, _ = net.neighbours.ends(noise(1_000), asked)
    assert torch.equal(y[first], asked)
    assert torch.equal(y[second], asked)
    drawn = net(noise(1_000), condition=asked).tanh()
    for label in (0, 7):
        gap = (drawn[asked == label].mean(0) - x[y == label].mean(0)).abs()
        assert float(gap.max()) < 0.3
        assert float(gap.mean()) < 0.06


def test_a_row_lies_between_its_two_ends_and_its_words_are_the_nearer_end_s() -> None:
    net, z, real = between_rows(), noise(400), columns()
    drawn = made(net, z)
    first, second, share = (t.numpy() for t in net.neighbours.ends(z, None))
    a, b = ({n: c[i] for n, c in real.items()} for i in (first, second))
    nearer = {n: np.where(share < 0.5, a[n], b[n]) for n in real}
    np.testing.assert_allclose(drawn["y"], a["y"] + share * (b["y"] - a["y"]), atol=1e-4)
    plain = ~np.isnan(a["x"] + b["x"]) & (a["x"] != 0) & (b["x"] != 0)
    np.testing.assert_allclose(
        drawn["x"], np.where(plain, a["x"] + share * (b["x"] - a["x"]), nearer["x"]), atol=1e-4
    )
    assert plain.any()
    assert (~plain).any()
    assert drawn["colour"].tolist() == nearer["colour"].tolist()
    assert drawn["kind"].tolist() == a["kind"].tolist() == b["kind"].tolist()


def test_rows_are_near_by_deviations_and_by_words() -> None:
    table = Table(columns=TABLE.columns[1:3])
    cells = {
        "y": np.array([0.0, 0.0, 0.3, 2.0, 2.1, 2.2, 4.0, 4.2]),
        "colour": np.array(["red", *["blue"] * 2, *["red"] * 5], dtype=object),
    }
    schema = Schema(columns={"row": table})
    net = floor.fit({"x": rows.encode(table, cells)}, schema, Generator())["generator"]
    assert isinstance(net, BetweenRows)
    y = cells["y"] / cells["y"].std(ddof=1)
    unlike = cells["colour"][:, None] != cells["colour"]
    gaps = np.sqrt((y[:, None] - y) ** 2 + unlike) + 9 * np.eye(8)
    found = net.neighbours.near.numpy()
    wanted = np.sort(gaps, axis=1)[:, :5]
    np.testing.assert_allclose(np.take_along_axis(gaps, found, 1), wanted, atol=1e-3)


def test_the_same_noise_gives_the_same_samples() -> None:
    pictures, table = between_pictures(), between_rows()
    for width in (64, 1):
        z = noise(30, width)
        assert torch.equal(pictures(z), pictures(z))
        torch.testing.assert_close(pictures(z)[4:9], pictures(z[4:9]))
        assert torch.equal(table(z), table(z, condition=torch.eye(30)))
        torch.testing.assert_close(table(z)[4:9], table(z[4:9]))
        assert len(pictures(z).flatten(1).unique(dim=0)) == 30


def test_pictures_without_labels_have_neighbours_among_all() -> None:
    x, _ = digits()
    schema = Schema(columns={"image": PICTURES})
    net = floor.fit({"x": x}, schema, Generator())["generator"]
    assert isinstance(net, BetweenPictures)
    wanted = NearestNeighbors(n_neighbors=5).fit(x.flatten(1).double().numpy()).kneighbors()[0]
    gaps = (x[:, None] - x[net.neighbours.near]).flatten(2).norm(dim=2)
    np.testing.assert_allclose(gaps.numpy(), wanted, rtol=1e-3)


def test_one_sample_is_drawn_as_it_is() -> None:
    x, y = digits()
    net = floor.fit({"x": x[:1], "y": y[:1]}, OF_PICTURES, Generator())["generator"]
    torch.testing.assert_close(net(noise(2)).tanh(), x[:1].expand(2, -1, -1, -1))
    one = {name: cells[1:2] for name, cells in columns().items()}
    only = floor.fit({"x": rows.encode(TABLE, one)}, OF_ROWS, Generator())["generator"]
    assert isinstance(only, BetweenRows)
    assert made(only, noise(3))["y"].tolist() == pytest.approx([one["y"][0]] * 3, abs=1e-5)


def test_no_samples_are_an_error_and_other_data_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="training samples"):
        floor.fit({"x": torch.zeros(0, 1, 8, 8)}, OF_PICTURES, Generator())
    assert floor.refuses(OF_PICTURES) is None
    assert floor.refuses(OF_ROWS) is None
    sounds = Schema(columns={"sound": Sound(rate=8_000, length=64)})
    assert "hold neither" in str(floor.refuses(sounds))


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "interpolation") is floor
