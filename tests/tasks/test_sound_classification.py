"""Sound classification: batches, augmentation, loss, figures, answers, exhibits, floors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.datasets.base import Tensors
from netwright.errors import InputError
from netwright.nn.spectrogram import LogMel
from netwright.specs import Batch, Classes, Image, Labels, Part, Schema, Sound
from netwright.tasks.base import Draw
from netwright.tasks.sound_classification import SoundClassification, shifted


@dataclass(frozen=True)
class Held:
    schema: Schema
    parts: Mapping[str, Part]


def made(n: int = 60, *, length: int = 1_024, classes: int = 10) -> Held:
    g = Generator().manual_seed(0)
    labels = torch.randint(classes, (n,), generator=g)
    time = torch.arange(length) / 8_000
    pitch = 200 * 1.3 ** labels.double()
    tones = torch.sin(2 * torch.pi * pitch[:, None] * time) * torch.rand(n, 1, generator=g)
    sounds = (tones * 20_000 + 300 * torch.randn(n, length, generator=g)).to(torch.int16)
    columns = {"sound": Sound(rate=8_000, length=length), "label": Labels(names=names(classes))}
    part = Tensors({"sound": sounds, "label": labels})
    return Held(Schema(columns=columns), {"test": part})


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(classes))


def bound(held: Held, **options: Any) -> SoundClassification:
    return SoundClassification(held.schema, SoundClassification.Config(**options))


def gen(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def fixed(task: SoundClassification, held: Held, *, train: bool) -> Batch:
    index = torch.arange(len(held.parts["test"]))
    return task.batch(held.parts["test"], Draw(index), gen(), train=train)


class Linear(nn.Module):
    def __init__(self, numbers: int, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(numbers, classes)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        y: Tensor = self.last(x.flatten(1))
        return y


def drawn(held: Held) -> Linear:
    torch.manual_seed(0)
    sound, labels = held.schema.columns["sound"], held.schema.columns["label"]
    assert isinstance(sound, Sound)
    assert isinstance(labels, Labels)
    return Linear(32 * (sound.length // 128), len(labels.names)).eval()


def test_the_registry_finds_it_and_its_net_reads_spectrograms() -> None:
    held = made(classes=4)
    found = registry.load("tasks", "sound-classification")
    signature = found(held.schema, found.Config()).roles()["net"].signature
    assert (signature.input, signature.output) == (Image(1, 32, 8), Classes(4))


def test_a_batch_holds_log_mel_spectrograms() -> None:
    held = made()
    batch = fixed(bound(held), held, train=True)
    stored = held.parts["test"].gather(torch.arange(60))
    wave = stored["sound"].float()[..., None] / 32_768
    assert set(batch) == {"x", "y"}
    torch.testing.assert_close(batch["x"], LogMel(8_000, 1_024)(wave))
    assert torch.equal(batch["y"], stored["label"])
    assert batch["x"].shape == (60, 1, 32, 8)


@pytest.mark.parametrize("options", [{"shift": 200}, {"gain": 12.0}])
def test_every_option_changes_training_batches_and_no_others(options: dict[str, Any]) -> None:
    held = made()
    plain, task = fixed(bound(held), held, train=False), bound(held, **options)
    train = fixed(task, held, train=True)["x"]
    assert not torch.equal(train, plain["x"])
    assert torch.equal(train, fixed(task, held, train=True)["x"])
    assert torch.equal(fixed(task, held, train=False)["x"], plain["x"])


def test_a_shift_moves_sounds_and_lets_silence_in() -> None:
    wave = torch.arange(1.0, 11.0).expand(200, 10)
    moved = shifted(wave, 3, gen())
    kinds = {tuple(row) for row in moved.tolist()}
    assert len(kinds) == 7
    assert (0, 0, 0, 1, 2, 3, 4, 5, 6, 7) in kinds
    assert (4, 5, 6, 7, 8, 9, 10, 0, 0, 0) in kinds
    assert tuple(range(1, 11)) in kinds


def test_a_gain_is_drawn_evenly_in_decibels() -> None:
    held = made(400)
    loud = LogMel(8_000, 1_024)
    stored = held.parts["test"].gather(torch.arange(400))["sound"].float()[..., None] / 32_768
    x = fixed(bound(held, gain=10.0), held, train=True)["x"]
    tops = [loud(stored * 10 ** (d / 20)).amax((1, 2, 3)) for d in (-10, 0, 10)]
    top = x.amax((1, 2, 3))
    assert bool(((top >= tops[0] - 1e-4) & (top <= tops[2] + 1e-4)).all())
    assert 0.4 < float((top > tops[1]).float().mean()) < 0.6


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_a_sum_over_a_count(smoothing: float) -> None:
    held = made()
    task, net = bound(held, label_smoothing=smoothing), drawn(held)
    batch = fixed(task, held, train=True)
    (turn,) = task.turns()
    loss = task.objective(turn, {"net": net}, batch, {}, gen())
    target = (1 - smoothing) * F.one_hot(batch["y"], 10).float() + smoothing / 10
    torch.testing.assert_close(loss.total, -(target * net(batch["x"]).log_softmax(1)).sum())
    assert float(loss.weight) == 60
    assert turn.roles == ("net",)


def test_the_loss_runs_on_the_meta_device() -> None:
    held = made()
    task = bound(held, label_smoothing=0.1)
    batch = {k: v.to("meta") for k, v in fixed(task, held, train=True).items()}
    loss = task.objective(task.turns()[0], {"net": drawn(held).to("meta")}, batch, {}, gen())
    assert loss.total.is_meta
    loss.total.backward()


def test_batches_are_made_where_the_sounds_lie() -> None:
    held = made()
    task = bound(held, shift=100, gain=3.0)
    there = Tensors(
        {k: v.to("meta") for k, v in held.parts["test"].gather(torch.arange(60)).items()}
    )
    index = torch.arange(5, device="meta")
    batch = task.batch(there, Draw(index), gen(), train=True)
    assert batch["x"].is_meta
    assert batch["x"].shape == (5, 1, 32, 8)
    assert not fixed(task, held, train=False)["x"].is_meta


def test_a_part_is_read_once_and_in_batches() -> None:
    held = made(600, length=256)
    net, task = drawn(held), bound(held)
    figures = task.evaluate({"net": net}, held, "test")
    assert set(figures) <= set(task.means)
    assert net.calls == 3
    batch = fixed(task, held, train=False)
    hits = (net(batch["x"]).argmax(1) == batch["y"]).float()
    assert torch.equal(figures["accuracy"].rows[:, 0], hits)
    assert {"accuracy", "top5", "f1_macro", "log_loss", "ece"} == set(figures)


def test_an_empty_part_is_an_error_with_a_sentence() -> None:
    held = made(0)
    with pytest.raises(InputError, match="no sounds"):
        bound(held).evaluate({"net": drawn(held)}, held, "test")


def test_exhibits_show_classes_confusion_and_the_surest_mistakes() -> None:
    held = made()
    task, net = bound(held), drawn(held)
    table, matrix, played, seen = task.exhibits({"net": net}, held, "test", gen())
    assert table.tensors["cells"].shape == (10, 4)
    assert int(matrix.tensors["map"].sum()) == 60
    assert played.kind == "sound"
    assert played.tensors["sound"].shape == (8, 1_024)
    assert played.strings["rate"] == ("8000",)
    assert played.strings["captions"] == seen.strings["captions"][:8]
    pictures = seen.tensors["pictures"]
    assert pictures.shape == (24, 1, 32, 8)
    assert (float(pictures.min()), float(pictures.max())) == (0, 1)
    batch = fixed(task, held, train=False)
    share, guess = net(batch["x"]).detach().softmax(1).max(1)
    first = int(torch.where(guess != batch["y"], share, torch.zeros(())).argmax())
    stored = held.parts["test"].gather(torch.tensor([first]))["sound"][0]
    torch.testing.assert_close(played.tensors["sound"][0], stored / 32_768)


def test_low_frequencies_are_shown_below() -> None:
    held = made(10, classes=2)
    y = torch.tensor([0, 1] * 5)
    nets = {"net": lambda x, **_: F.one_hot(1 - y, 2).float() * 9}
    part = held.parts["test"].gather(torch.arange(10))
    low = part["sound"][part["label"] == 0][:1].expand(10, -1)
    same = Held(held.schema, {"test": Tensors({"sound": low, "label": y})})
    *_, seen = bound(same).exhibits(nets, same, "test", gen())
    assert int(seen.tensors["pictures"][0, 0].mean(1).argmax()) > 24


def test_a_net_that_looks_shows_its_last_attention() -> None:
    class Looking(Linear):
        def look(self, x: Tensor) -> Mapping[str, Tensor]:
            return {"attention.0": torch.eye(2).expand(len(x), 3, 2, 2), "pooled.0": x}

    held = made()
    *_, seen, attention = bound(held).exhibits({"net": Looking(256, 10)}, held, "test", gen())
    assert seen.tensors["pictures"].shape == (1, 1, 32, 8)
    assert attention.tensors["map"].tolist() == [[1, 0], [0, 1]]


def test_answers_keep_their_names_and_list_the_best_classes() -> None:
    held = made(100)
    task, net = bound(held, top=3), drawn(held)

    def inputs() -> Iterator[tuple[str, Batch]]:
        for i in range(100):
            yield f"{i}.wav", {"sound": held.parts["test"].gather(torch.tensor([i]))["sound"]}

    answers = list(task.apply({"net": net}, inputs(), gen()))
    shares = net(fixed(task, held, train=False)["x"]).detach().softmax(1)
    assert [a.name for a in answers] == [f"{i}.wav" for i in range(100)]
    for answer, share in zip(answers, shares, strict=True):
        top = answer.value["top"]
        assert isinstance(top, list)
        assert answer.value["class"] == f"class {int(share.argmax())}" == top[0][0]
        assert answer.value["probability"] == pytest.approx(float(share.max()), rel=1e-4)
        assert len(top) == 3


@pytest.mark.parametrize("name", ["nearest-neighbour", "linear", "svm-rbf"])
def test_its_floors_tell_tones_apart(name: str) -> None:
    held = made(120, classes=4)
    task, floor = bound(held), registry.load("floors", name)
    assert name in task.floors()
    assert floor.refuses(held.schema) is None
    batch, _ = task.sample(held.parts["test"], floor.limit, gen())
    nets = floor.fit(batch, held.schema, gen())
    assert task.evaluate(nets, held, "test")["accuracy"].value > 0.9


def test_what_would_leave_nothing_of_a_sound_is_refused() -> None:
    with pytest.raises(InputError, match=r"shift is 1024.*nothing of them"):
        bound(made(), shift=1_024)
    with pytest.raises(InputError, match="sounds of 100 samples are too short"):
        bound(made(length=100))


@pytest.mark.parametrize("options", [{"label_smoothing": 1.0}, {"gain": -1}, {"shifts": 3}])
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SoundClassification.Config(**options)


@pytest.mark.parametrize("kept", ["sound", "label"])
def test_data_without_a_needed_column_are_refused(kept: str) -> None:
    schema = Schema(columns={kept: made().schema.columns[kept]})
    with pytest.raises(InputError, match="no column of"):
        SoundClassification(schema, SoundClassification.Config())
