import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from torch import Generator, Tensor

from netwright import registry
from netwright.errors import InputError
from netwright.floors._scores import Fitted
from netwright.floors.svm_rbf import floor
from netwright.specs import Image, Labels, Pictures, Schema


def schema(side: int = 8) -> Schema:
    pictures = Pictures(form=Image(1, side, side), mean=(0.3,), deviation=(0.4,), top=16)
    names = tuple(str(i) for i in range(10))
    return Schema(columns={"image": pictures, "label": Labels(names=names)})


def digits(*kept: int) -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    x = (torch.from_numpy(bunch.images).float()[:, None] / 16 - 0.3) / 0.4
    y = torch.from_numpy(bunch.target)
    chosen = torch.isin(y, torch.tensor(kept or tuple(range(10))))
    return x[chosen], y[chosen]


@pytest.mark.parametrize("kept", [(), (2, 5, 8), (3, 8)])
def test_its_answers_are_those_of_scikit_learn(kept: tuple[int, ...]) -> None:
    x, y = digits(*kept)
    half = len(y) // 2
    net = floor.fit({"x": x[:half], "y": y[:half]}, schema(), Generator())["net"]
    scores = net(x[half:])
    peer = SVC(C=10, gamma="scale", break_ties=len(kept) != 2)
    peer.fit(x[:half].flatten(1), y[:half])
    rest = x[half:].flatten(1).numpy()
    assert scores.shape == (len(rest), 10)
    assert torch.equal(scores.argmax(1), torch.from_numpy(peer.predict(rest)))
    hits = float((scores.argmax(1) == y[half:]).float().mean())
    assert hits == pytest.approx(peer.score(rest, y[half:]))
    assert hits > 0.93


def test_the_best_score_is_what_predict_names_even_where_votes_are_tied() -> None:
    g = Generator().manual_seed(0)
    x, y = torch.randn(900, 1, 2, 2, generator=g), torch.randint(6, (900,), generator=g)
    net = floor.fit({"x": x[:300], "y": y[:300]}, schema(), g)["net"]
    assert isinstance(net, Fitted)
    rest = x[300:].flatten(1).numpy()
    assert torch.equal(net(x[300:]).argmax(1), torch.from_numpy(net.estimator.predict(rest)))
    votes = SVC(C=10, gamma="scale").fit(x[:300].flatten(1), y[:300]).predict(rest)
    assert (votes != net(x[300:]).argmax(1).numpy()).any(), "there are ties to break"


def test_the_scale_of_the_batch_does_not_matter() -> None:
    x, y = digits()
    guesses = [
        floor.fit({"x": z[:400], "y": y[:400]}, schema(), Generator())["net"](z[400:800]).argmax(1)
        for z in (x, x * 7)
    ]
    assert torch.equal(*guesses)


def test_large_pictures_are_read_by_their_components() -> None:
    x, y = digits()
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)  # 256 numbers, rank 64
    batch = {"x": large[:500], "y": y[:500]}
    net = floor.fit(batch, schema(16), Generator().manual_seed(0))["net"]
    peer = SVC(C=10, gamma="scale", break_ties=True).fit(x[:500].flatten(1), y[:500])
    same = net(large[500:1000]).argmax(1).numpy() == peer.predict(x[500:1000].flatten(1))
    assert same.mean() > 0.99
    again = floor.fit(batch, schema(16), Generator().manual_seed(0))["net"]
    assert torch.equal(again(large[500:600]), net(large[500:600]))


def test_constant_pictures_do_not_break_it() -> None:
    batch = {"x": torch.ones(6, 1, 8, 8), "y": torch.tensor([0, 1, 2, 0, 1, 2])}
    assert floor.fit(batch, schema(), Generator())["net"](batch["x"]).isfinite().all()


def test_one_class_alone_is_an_error_with_a_sentence() -> None:
    x, y = digits(3)
    with pytest.raises(InputError, match="two classes"):
        floor.fit({"x": x, "y": y}, schema(), Generator())


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "svm-rbf") is floor
    assert floor.refuses(schema()) is None
