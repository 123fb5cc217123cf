import math

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Generator, Tensor

from netwright import registry
from netwright.errors import InputError
from netwright.floors import nearest_neighbour
from netwright.floors.nearest_neighbour import Nearest, floor
from netwright.specs import Image, Labels, Pictures, Schema


def schema(classes: int = 10) -> Schema:
    pictures = Pictures(form=Image(1, 8, 8), mean=(0.3,), deviation=(0.4,), top=16)
    names = tuple(str(i) for i in range(classes))
    return Schema(columns={"image": pictures, "label": Labels(names=names)})


def digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float()[:, None]
    return (x / 16 - 0.3) / 0.4, torch.from_numpy(bunch.target)


def test_its_answers_are_those_of_scikit_learn() -> None:
    x, y = digits()
    nets = floor.fit({"x": x[:1200], "y": y[:1200]}, schema(), Generator())
    scores = nets["net"](x[1200:])
    peer = KNeighborsClassifier(1, algorithm="brute").fit(x[:1200].flatten(1), y[:1200])
    assert scores.shape == (597, 10)
    assert torch.equal(scores.argmax(1), torch.from_numpy(peer.predict(x[1200:].flatten(1))))


def test_scores_are_distances_to_the_nearest_of_each_class() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 5.0], [9.0, 9.0]])
    net = Nearest(x, torch.tensor([1, 0, 1, 0]), 3)
    scores = net(torch.tensor([[0.0, 4.0]]))
    farthest = math.hypot(9, 5)
    torch.testing.assert_close(scores, torch.tensor([[-5.0, -1.0, -farthest - 1]]))


def test_a_training_sample_finds_itself() -> None:
    x, y = digits()
    net = floor.fit({"x": x[:300], "y": y[:300]}, schema(), Generator())["net"]
    scores = net(x[:300])
    assert torch.equal(scores.argmax(1), y[:300])
    assert float(scores.amax(1).min()) > -0.02


def test_chunks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = digits()
    net = Nearest(x[:100], y[:100], 10)
    whole = net(x[100:150])
    monkeypatch.setattr(nearest_neighbour, "DISTANCES", 700)
    torch.testing.assert_close(net(x[100:150]), whole, rtol=0, atol=1e-4)


def test_no_training_samples_is_an_error_with_a_sentence() -> None:
    x, y = digits()
    with pytest.raises(InputError, match="needs training samples"):
        floor.fit({"x": x[:0], "y": y[:0]}, schema(), Generator())


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "nearest-neighbour") is floor
    assert floor.refuses(schema()) is None
