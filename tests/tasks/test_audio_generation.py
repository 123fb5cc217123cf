"""Sounds out of noise: the players, what the judge hears, what can be asked for."""

import pytest
import torch
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.datasets.base import Data, Tensors
from netwright.errors import InputError
from netwright.specs import Classes, Frames, Image, Labels, Schema, Signature, Sound, Vector
from netwright.tasks._judged import Asked
from netwright.tasks.audio_generation import AudioGeneration, Options
from netwright.tasks.base import Draw

RATE, LENGTH = 8000, 1024


def made(n: int = 60) -> Data:
    """Low and high tones with a phase of their own."""
    g = Generator().manual_seed(0)
    y = torch.arange(n) % 2
    t = torch.arange(LENGTH) / RATE
    pitch = torch.where(y == 0, 300.0, 1500.0)[:, None]
    tone = torch.sin(2 * torch.pi * (pitch * t + torch.rand(n, 1, generator=g)))
    part = Tensors({"sound": (tone * 16_000).short(), "label": y})
    schema = Schema(
        columns={"sound": Sound(rate=RATE, length=LENGTH), "label": Labels(names=("low", "high"))}
    )
    return Data(schema, dict.fromkeys(("train", "validation", "test"), part), "")


class Player(nn.Module):
    """Answers with training sounds of the class: raw, so tanh gives them back."""

    def __init__(self, data: Data) -> None:
        super().__init__()
        stored = data.parts["train"].gather(torch.arange(60))["sound"]
        self.raw = torch.atanh((stored.float() / 32_768)[..., None])
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        index = (z[:, 0].abs() * 1e4).long() % 30 * 2
        return self.raw[index if condition is None else index + condition] * self.scale


def task_of(data: Data, **options: object) -> AudioGeneration:
    return AudioGeneration(data.schema, Options(samples=30, noise=3, **options))


def test_the_discriminator_is_given_what_it_hears() -> None:
    data, heard = made(), []

    class Hears(nn.Linear):
        def forward(self, x: Tensor, condition: Tensor) -> Tensor:
            heard.append((x.shape, condition.shape))
            return x.flatten(1).sum(1, keepdim=True)

        def prepare(self, x: Tensor, condition: Tensor) -> None:
            heard.append((x.shape, condition.shape))

    for option, form in (("spectrogram", Image(1, 32, 8)), ("wave", Frames(1, LENGTH))):
        task, own = task_of(data, hears=option), made().parts["train"]
        assert task.roles()["discriminator"].signature.input == form
        nets = {"generator": Player(data), "discriminator": Hears(1, 1)}
        batch = task.batch(own, Draw(torch.arange(4)), Generator(), train=True)
        for turn in task.turns():
            task.objective(turn, nets, batch, {}, Generator())
        task.prepare(nets, own, Generator())
        task.how_it_stands(nets, data, "validation")
        shape = (1, 32, 8) if option == "spectrogram" else (LENGTH, 1)
        assert heard
        assert {s[1:] for s, _ in heard} == {shape}
        heard.clear()


def test_silence_is_told_apart_by_nobody_where_noise_is_added() -> None:
    silence = torch.zeros(4, LENGTH, 1)
    for dither in (0.0, 0.05):
        heard = task_of(made(), dither=dither).varied(silence, Generator().manual_seed(0))
        assert abs(float(heard.std()) - dither) < 0.005
    assert not torch.equal(heard[0], heard[1])


def test_the_players_hear_waves_where_they_are_asked_to_and_the_judge_a_spectrogram() -> None:
    assert registry.load("tasks", "audio-generation") is AudioGeneration
    task = task_of(made(), judge="somewhere", hears="wave")
    roles, wave = task.roles(), Frames(1, LENGTH)
    assert roles["generator"].signature == Signature(Vector(3), wave, condition=Classes(2))
    assert roles["discriminator"].signature == Signature(wave, Vector(1), condition=Classes(2))
    assert roles["judge"].signature == Signature(Image(1, 32, 8), Classes(2))
    assert task.seen(torch.zeros(2, LENGTH, 1)).shape == (2, 1, 32, 8)
    assert task_of(made()).helpers()["judge"].task == "sound-classification"


def test_a_batch_is_in_full_scale_and_meta_counting_leaves_it_be() -> None:
    data = made()
    task = task_of(data)
    batch = task.batch(data.parts["train"], Draw(torch.arange(4)), Generator(), train=True)
    assert batch["x"].shape == (4, LENGTH, 1)
    assert 0.4 < float(batch["x"].abs().max()) < 0.5
    before = task.seen(batch["x"])
    assert task.seen(batch["x"].to("meta")).shape == before.shape
    assert torch.equal(task.seen(batch["x"]), before)


def test_training_sounds_themselves_are_alike_and_teach_their_classes() -> None:
    data = made()
    task, nets = task_of(data), {"generator": Player(data)}
    figures = task.evaluate(nets, data, "test")
    assert set(figures) <= set(task.means)
    assert figures["train_on_made"].value > 0.95
    assert figures["precision"].value > 0.9
    shown = task.exhibits(nets, data, "validation", Generator())
    assert [e.kind for e in shown] == ["sound", "sound", "text"]
    assert shown[0].strings["rate"] == (str(RATE),)
    assert [e.kind for e in task.timeline(nets, Generator())] == ["picture"]


def test_sounds_are_made_of_the_class_that_is_asked_for() -> None:
    data = made()
    asked = Asked(count=3, classes=("high",))
    answers = list(task_of(data).generate({"generator": Player(data)}, asked, Generator()))
    assert [a.value["class"] for a in answers] == ["high"] * 3
    wave = answers[0].made.tensors["sound"][0]
    assert torch.fft.rfft(wave).abs().argmax() * RATE / LENGTH > 1000


def test_a_judge_of_sounds_without_classes_is_refused() -> None:
    schema = Schema(columns={"sound": Sound(rate=RATE, length=LENGTH)})
    assert AudioGeneration(schema, Options()).helpers() == {}
    with pytest.raises(InputError, match="no classes to judge by"):
        AudioGeneration(schema, Options(judge="somewhere"))
