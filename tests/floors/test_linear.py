import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Generator, Tensor

from netwright import registry
from netwright.errors import InputError
from netwright.floors._scores import spread
from netwright.floors.linear import floor
from netwright.specs import Image, Labels, Pictures, Schema


def schema(classes: int = 10) -> Schema:
    pictures = Pictures(form=Image(1, 8, 8), mean=(0.3,), deviation=(0.4,), top=16)
    names = tuple(str(i) for i in range(classes))
    return Schema(columns={"image": pictures, "label": Labels(names=names)})


def digits(*kept: int) -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    x = (torch.from_numpy(bunch.images).float()[:, None] / 16 - 0.3) / 0.4
    y = torch.from_numpy(bunch.target)
    chosen = torch.isin(y, torch.tensor(kept or tuple(range(10))))
    return x[chosen], y[chosen]


def test_its_answers_and_shares_are_those_of_scikit_learn() -> None:
    x, y = digits()
    net = floor.fit({"x": x[:500], "y": y[:500]}, schema(), Generator())["net"]
    scores = net(x[500:])
    peer = LogisticRegression(max_iter=1000).fit(x[:500].flatten(1), y[:500])
    rest = x[500:].flatten(1).numpy()
    assert scores.shape == (1297, 10)
    agree = (scores.argmax(1).numpy() == peer.predict(rest)).mean()
    assert agree > 0.995, "ended early, it may differ in a few"
    assert float((scores.argmax(1) == y[500:]).float().mean()) == pytest.approx(
        peer.score(rest, y[500:]), abs=0.003
    )
    shares = torch.from_numpy(peer.predict_proba(rest)).float()
    torch.testing.assert_close(scores.softmax(1), shares, atol=0.05, rtol=0)


def test_a_limit_that_is_reached_is_not_a_warning() -> None:
    x, y = digits()
    x = x * torch.logspace(-3, 3, 64).view(1, 1, 8, 8)  # so badly scaled that it cannot converge
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        floor.fit({"x": x[:300], "y": y[:300]}, schema(), Generator())


def test_two_classes_and_classes_never_seen_have_their_columns() -> None:
    x, y = digits(3, 7)
    net = floor.fit({"x": x[:200], "y": y[:200]}, schema(), Generator())["net"]
    scores = net(x[200:])
    assert scores.shape[1] == 10
    assert set(scores.argmax(1).tolist()) == {3, 7}
    assert float((scores.argmax(1) == y[200:]).float().mean()) > 0.95
    assert scores.isfinite().all()


def test_the_cast_to_float32_makes_no_tie() -> None:
    margins = np.array([[1.0, 1.0 + 1e-12, 0.0], [-3.0, -3.0, -3.0 + 1e-12]])
    scores = spread(margins, np.array([0, 2, 3]), 4)
    assert scores.dtype == torch.float32
    assert scores.argmax(1).tolist() == [2, 3]
    assert scores[:, 1].tolist() == [-1.0, -4.0]


def test_one_class_alone_is_an_error_with_a_sentence() -> None:
    x, y = digits(3)
    with pytest.raises(InputError, match="two classes"):
        floor.fit({"x": x, "y": y}, schema(), Generator())


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "linear") is floor
    assert floor.refuses(schema()) is None
