import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    top_k_accuracy_score,
)
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.datasets.base import Tensors
from netwright.errors import InputError
from netwright.specs import Batch, Classes, Frozen, Image, Labels, Part, Pictures, Schema
from netwright.tasks.base import Draw
from netwright.tasks.image_classification import ImageClassification


@dataclass(frozen=True)
class Held:
    schema: Schema
    parts: Mapping[str, Part]


def made(n: int = 100, *, channels: int = 1, side: int = 8, classes: int = 10) -> Held:
    g = Generator().manual_seed(0)
    columns = {
        "label": torch.randint(classes, (n,), generator=g),
        "image": torch.randint(256, (n, channels, side, side), generator=g, dtype=torch.uint8),
    }
    column = Pictures(
        form=Image(channels, side, side),
        mean=tuple(0.1 * (i + 1) for i in range(channels)),
        deviation=tuple(0.2 * (i + 1) for i in range(channels)),
    )
    names = tuple(f"class {i}" for i in range(classes))
    schema = Schema(columns={"label": Labels(names=names), "image": column})
    return Held(schema, {"test": Tensors(columns)})


def bound(held: Held, **options: Any) -> ImageClassification:
    return ImageClassification(held.schema, ImageClassification.Config(**options))


def gen(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def fixed(task: ImageClassification, held: Held, *, train: bool, **draw: Any) -> Batch:
    n = len(held.parts["test"])
    return task.batch(held.parts["test"], Draw(torch.arange(n), **draw), gen(), train=train)


class Linear(nn.Module):
    """A net that notes how often it was asked."""

    def __init__(self, numbers: int, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(numbers, classes)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        y: Tensor = self.last(x.flatten(1))
        return y


def drawn(held: Held) -> Linear:
    form = next(c.form for c in held.schema.columns.values() if isinstance(c, Pictures))
    labels = next(c for c in held.schema.columns.values() if isinstance(c, Labels))
    torch.manual_seed(0)
    return Linear(form.channels * form.height * form.width, len(labels.names)).eval()


def test_the_registry_finds_it_and_its_signature_is_that_of_the_columns() -> None:
    held = made(channels=3, side=9, classes=4)
    found = registry.load("tasks", "image-classification")
    signature = found(held.schema, found.Config()).roles()["net"].signature
    assert (signature.input, signature.output) == (Image(3, 9, 9), Classes(4))


def test_a_batch_is_normalised_by_channel() -> None:
    held = made(channels=3)
    batch = fixed(bound(held), held, train=True)
    stored = held.parts["test"].gather(torch.arange(100))
    mean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    assert set(batch) == {"x", "y"}
    torch.testing.assert_close(batch["x"], (stored["image"] / 255 - mean) / deviation)
    assert torch.equal(batch["y"], stored["label"])
    assert batch["y"].dtype == torch.int64


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    held = made()
    column = Pictures(form=Image(1, 8, 8), mean=(0.5,), deviation=(0.0,))
    schema = Schema(columns={"image": column, "label": Labels(names=("a", "b"))})
    task = ImageClassification(schema, ImageClassification.Config())
    assert (
        task.batch(held.parts["test"], Draw(torch.arange(3)), gen(), train=False)["x"]
        .isfinite()
        .all()
    )


CHANGES: list[dict[str, Any]] = [
    {"shift": 1},
    {"shift": 1, "shift_mode": "zero"},
    {"flip": "random"},
    {"flip": "alternating"},
    {"cutout": 3},
    {"brightness": 0.2},
    {"contrast": 0.2},
    {"mixup": 0.2},
    {"cutmix": 1.0},
]


@pytest.mark.parametrize("options", CHANGES, ids=str)
def test_every_option_changes_training_batches_and_no_others(options: dict[str, Any]) -> None:
    held = made()
    plain, task = fixed(bound(held), held, train=False), bound(held, **options)
    assert not torch.equal(fixed(task, held, train=True)["x"], plain["x"])
    judged = fixed(task, held, train=False)
    assert torch.equal(judged["x"], plain["x"])
    assert set(judged) == {"x", "y"}
    repeated = fixed(task, held, train=True)
    assert torch.equal(repeated["x"], fixed(task, held, train=True)["x"])


def test_alternating_flips_follow_the_epoch() -> None:
    held = made()
    task = bound(held, flip="alternating")
    first, second = (fixed(task, held, train=True, epoch=e)["x"] for e in (0, 1))
    assert torch.equal(first, second.flip(3))


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1, "cutmix": 1}])
def test_mixed_batches_bring_soft_targets(options: dict[str, Any]) -> None:
    held = made()
    target = fixed(bound(held, **options), held, train=True)["target"]
    torch.testing.assert_close(target.sum(1), torch.ones(100))
    assert bool(((target > 0).sum(1) == 2).any())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_the_loss_is_a_sum_over_a_count(smoothing: float, mixup: float) -> None:
    held = made()
    task, net = bound(held, label_smoothing=smoothing, mixup=mixup), drawn(held)
    batch = fixed(task, held, train=True)
    (turn,) = task.turns()
    loss = task.objective(turn, {"net": net}, batch, {}, gen())
    hard = F.one_hot(batch["y"], 10).float()
    target = (1 - smoothing) * batch.get("target", hard) + smoothing / 10
    by_hand = -(target * net(batch["x"]).log_softmax(1)).sum()
    torch.testing.assert_close(loss.total, by_hand)
    assert float(loss.weight) == 100
    assert turn.roles == ("net",)


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_the_loss_runs_on_the_meta_device(mixup: float) -> None:
    held = made()
    task = bound(held, mixup=mixup, label_smoothing=0.1)
    batch = {k: v.to("meta") for k, v in fixed(task, held, train=True).items()}
    loss = task.objective(task.turns()[0], {"net": drawn(held).to("meta")}, batch, {}, gen())
    assert loss.total.is_meta
    loss.total.backward()


@pytest.mark.parametrize(("n", "classes"), [(100, 10), (1103, 7), (500, 3)])
def test_figures_agree_with_scikit_learn(n: int, classes: int) -> None:
    held = made(n, classes=classes)
    task, net = bound(held), drawn(held)
    figures = task.evaluate({"net": net}, held, "test")
    assert set(figures) <= set(task.means)
    batch = fixed(task, held, train=False)
    shares = net(batch["x"]).softmax(1).detach().numpy()
    truth, guess, all_labels = batch["y"].numpy(), shares.argmax(1), range(classes)
    f1 = f1_score(truth, guess, labels=all_labels, average="macro", zero_division=0)
    assert figures["accuracy"].value == pytest.approx(accuracy_score(truth, guess))
    assert figures["f1_macro"].value == pytest.approx(f1)
    assert figures["log_loss"].value == pytest.approx(
        log_loss(truth, shares / shares.sum(1, keepdims=True), labels=all_labels), rel=1e-4
    )
    assert ("top5" in figures) == (classes > 5)
    if classes > 5:
        top = top_k_accuracy_score(truth, shares, k=5, labels=all_labels)
        assert figures["top5"].value == pytest.approx(top)
    assert all(len(f.rows) == n for f in figures.values())
    assert [k for k, f in figures.items() if f.higher] == [
        k for k in figures if k not in ("log_loss", "ece")
    ]
    assert ImageClassification.figure in figures


def test_calibration_error_knows_what_is_sure_and_wrong() -> None:
    held = made(60, classes=3)

    def sure(x: Tensor, **_: Any) -> Tensor:
        return torch.tensor([50.0, 0.0, 0.0]).expand(len(x), 3)

    figures = bound(held).evaluate({"net": sure}, held, "test")
    right = figures["accuracy"].value
    assert 0 < right < 1
    assert figures["ece"].value == pytest.approx(1 - right, abs=1e-6)


def test_a_part_is_read_once_and_in_batches() -> None:
    held = made(1103)
    net = drawn(held)
    bound(held).evaluate({"net": net}, held, "test")
    assert net.calls == 3
    net.calls = 0
    bound(held, test_flip=True).evaluate({"net": net}, held, "test")
    assert net.calls == 6


def test_the_flipped_accuracy_is_of_the_mean_of_both_views() -> None:
    held = made()
    task, net = bound(held, test_flip=True), drawn(held)
    figures = task.evaluate({"net": net}, held, "test")
    batch = fixed(task, held, train=False)
    both = net(batch["x"]) + net(batch["x"].flip(3))
    hits = (both.argmax(1) == batch["y"]).float()
    assert torch.equal(figures["accuracy_flip"].rows[:, 0], hits)
    assert "accuracy_flip" not in bound(held).evaluate({"net": net}, held, "test")


def test_pictures_are_gathered_where_a_floor_says_that_they_lie() -> None:
    class Elsewhere:
        device = torch.device("meta")

        def __call__(self, x: Tensor, **_: Any) -> Tensor:
            raise AssertionError

    class Noting(Tensors):
        def gather(self, index: Tensor) -> Batch:
            raise LookupError(index.device.type)

    held = made()
    noting = Held(held.schema, {"test": Noting({"image": torch.zeros(3)})})
    with pytest.raises(LookupError, match="meta"):
        bound(held).evaluate({"net": Elsewhere()}, noting, "test")
    with pytest.raises(LookupError, match="cpu"):
        bound(held).evaluate({"net": drawn(held)}, noting, "test")


def test_an_empty_part_is_an_error_with_a_sentence() -> None:
    held = made(0)
    with pytest.raises(InputError, match="no pictures"):
        bound(held).evaluate({"net": drawn(held)}, held, "test")


def test_exhibits_show_classes_confusion_and_the_surest_mistakes() -> None:
    held = made()
    task, net = bound(held), drawn(held)
    table, matrix, mistakes = task.exhibits({"net": net}, held, "test", gen())
    assert table.tensors["cells"].shape == (10, 4)
    assert int(matrix.tensors["map"].sum()) == 100
    assert matrix.strings["rows"] == matrix.strings["columns"] == table.strings["rows"]
    pictures, captions = mistakes.tensors["pictures"], mistakes.strings["captions"]
    batch = fixed(task, held, train=False)
    share, guess = net(batch["x"]).detach().softmax(1).max(1)
    wrong = guess != batch["y"]
    first = int(torch.where(wrong, share, torch.zeros(())).argmax())
    stored = held.parts["test"].gather(torch.tensor([first]))["image"][0]
    assert len(pictures) == len(captions) == 24
    torch.testing.assert_close(pictures[0], stored / 255)
    said, true = guess[first], batch["y"][first]
    percent = f"{float(share[first]):.0%}".rstrip("%")
    assert captions[0] == f"said class {said}, is class {true} ({percent} %)"


def test_a_perfect_net_shows_no_mistakes() -> None:
    held = made(10)
    y = held.parts["test"].gather(torch.arange(10))["label"]
    nets = {"net": lambda x, **_: F.one_hot(y, 10).float()}
    assert [e.kind for e in bound(held).exhibits(nets, held, "test", gen())] == ["table", "map"]


def test_a_net_that_looks_shows_its_last_attention() -> None:
    class Looking(Linear):
        def look(self, x: Tensor) -> Mapping[str, Tensor]:
            last = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
            maps = torch.stack([last, torch.zeros(2, 2)])[None].expand(len(x), 2, 2, 2)
            return {"attention.0": maps * 9, "attention.1": maps, "pooled.0": x}

    held = made()
    *_, picture, attention = bound(held).exhibits({"net": Looking(64, 10)}, held, "test", gen())
    assert picture.tensors["pictures"].shape == (1, 1, 8, 8)
    assert attention.tensors["map"].tolist() == [[0.5, 0.0], [0.25, 0.25]]


def test_answers_keep_their_names_and_list_the_best_classes() -> None:
    held = made(150)
    task, net = bound(held, top=3), drawn(held)
    part = held.parts["test"]

    def inputs() -> Iterator[tuple[str, Batch]]:
        for i in range(150):
            yield f"{i}.png", {"image": part.gather(torch.tensor([i]))["image"]}

    answers = list(task.apply({"net": net}, inputs(), gen()))
    shares = net(fixed(task, held, train=False)["x"]).detach().softmax(1)
    assert [a.name for a in answers] == [f"{i}.png" for i in range(150)]
    for answer, share in zip(answers, shares, strict=True):
        top = answer.value["top"]
        assert isinstance(top, list)
        assert answer.value["class"] == f"class {int(share.argmax())}" == top[0][0]
        assert answer.value["probability"] == pytest.approx(float(share.max()), rel=1e-4)
        assert len(top) == 3
        assert top[0][1] >= top[1][1] >= top[2][1]
    assert net.calls == 3 + 1


def test_every_floor_that_it_names_exists() -> None:
    names = bound(made()).floors()
    assert set(names) <= set(registry.names("floors"))
    assert [registry.load("floors", n).title for n in names] == [
        "nearest neighbour",
        "linear",
        "SVM-RBF",
        "HOG + SVM",
    ]


@pytest.mark.parametrize("option", ["shift", "cutout"])
def test_what_would_leave_nothing_of_a_picture_is_refused(option: str) -> None:
    with pytest.raises(InputError, match=f"{option} is 8"):
        bound(made(), **{option: 8})


@pytest.mark.parametrize("options", [{"label_smoothing": 1.0}, {"mixup": -1}, {"flips": "none"}])
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageClassification.Config(**options)


@pytest.mark.parametrize("kept", ["image", "label"])
def test_data_without_a_needed_column_are_refused(kept: str) -> None:
    schema = Schema(columns={kept: made().schema.columns[kept]})
    with pytest.raises(InputError, match="no column of"):
        ImageClassification(schema, ImageClassification.Config())


def test_a_linear_net_learns_the_digits() -> None:
    bunch = load_digits()
    columns = {
        "image": torch.from_numpy(bunch.images).to(torch.uint8)[:, None],
        "label": torch.from_numpy(bunch.target),
    }
    column = Pictures(form=Image(1, 8, 8), mean=(0.305,), deviation=(0.376,), top=16)
    labels = Labels(names=tuple(str(i) for i in range(10)))
    schema = Schema(columns={"image": column, "label": labels})
    held = Held(schema, {"test": Tensors(columns)})
    task, net = bound(held, shift=1, shift_mode="zero"), drawn(held)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
    draws = gen()
    for _ in range(60):
        index = torch.randint(len(bunch.target), (256,), generator=draws)
        batch = task.batch(held.parts["test"], Draw(index), draws, train=True)
        loss = task.objective(task.turns()[0], {"net": net}, batch, {}, draws)
        optimizer.zero_grad()
        (loss.total / loss.weight).backward()
        optimizer.step()
    figures = task.evaluate({"net": net}, held, "test")
    assert figures["accuracy"].value > 0.8
    assert figures["log_loss"].value < math.log(10) / 2


def test_its_configuration_is_frozen() -> None:
    assert issubclass(ImageClassification.Config, Frozen)
