"""What every floor keeps; a new file is tested by existing."""

from collections.abc import Mapping

import pytest
import torch
from torch import Generator, Tensor

from netwright import registry
from netwright.floors.base import Floor
from netwright.specs import Batch, Image, Labels, Pictures, Schema, Scorer

FLOORS = registry.names("floors")
SCHEMA = Schema(
    columns={
        "image": Pictures(form=Image(1, 16, 16), mean=(0.0,), deviation=(1.0,)),
        "label": Labels(names=("low", "middle", "high")),
    }
)


OF_PICTURES = registry.load("tasks", "image-classification")(
    SCHEMA, registry.load("tasks", "image-classification").Config()
).floors()
"""Floors of pictures; the others are tried on their own data by their twins."""


def batch(n: int = 36, seed: int = 0) -> dict[str, Tensor]:
    """A bright band at the top, in the middle or at the bottom."""
    g = Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    x = 0.1 * torch.randn(n, 1, 16, 16, generator=g)
    for row, place in enumerate(y.tolist()):
        x[row, 0, 5 * place : 5 * place + 5] += 1.5
    return {"x": x, "y": y}


def fitted(name: str) -> Mapping[str, Scorer]:
    floor: Floor = registry.load("floors", name)
    return floor.fit(batch(), SCHEMA, Generator().manual_seed(0))


def test_a_floor_stands_beside_the_networks_unless_it_says_why_not() -> None:
    class Constant(Floor):
        title = "Constant"

        def fit(self, batch: Batch, schema: Schema, generator: Generator) -> Mapping[str, Scorer]:
            return {"net": lambda x, **_: torch.zeros(len(x), 3)}

    assert Constant().refuses(SCHEMA) is None
    assert Constant().limit == 20_000
    with pytest.raises(TypeError, match="abstract"):
        Floor()  # type: ignore[abstract]


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_has_a_title_of_its_own_and_a_limit(name: str) -> None:
    floor = registry.load("floors", name)
    assert isinstance(floor, Floor)
    assert [registry.load("floors", n).title for n in FLOORS].count(floor.title) == 1
    assert floor.limit >= 1000


@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_floor_answers_like_a_network_and_learns_what_is_plain(name: str) -> None:
    nets = fitted(name)
    fresh = batch(12, seed=1)
    scores = nets["net"](fresh["x"])
    assert set(nets) == {"net"}
    assert scores.shape == (12, 3)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()
    assert scores.argmax(1).tolist() == fresh["y"].tolist()


@pytest.mark.parametrize("name", OF_PICTURES)
def test_fitting_again_gives_the_same_and_moves_no_random_state(name: str) -> None:
    x, before = batch(6, seed=2)["x"], torch.get_rng_state()
    assert torch.equal(fitted(name)["net"](x), fitted(name)["net"](x))
    assert torch.equal(before, torch.get_rng_state())
