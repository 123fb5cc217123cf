"""Pictures out of noise: what the players are, how they are judged, what can be asked for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.datasets.base import Data, Tensors
from netwright.errors import InputError
from netwright.specs import Classes, Image, Labels, Pictures, Schema, Signature, Vector
from netwright.tasks._judged import Asked, between
from netwright.tasks._likeness import recognised, words
from netwright.tasks.base import Draw
from netwright.tasks.image_generation import ImageGeneration, Options

FORM = Image(1, 4, 4)


def made(n: int = 120, *, labelled: bool = True) -> Data:
    """Pictures of two classes: dark and light."""
    g = Generator().manual_seed(0)
    y = torch.arange(n) % 2
    x = (torch.randint(60, (n, 1, 4, 4), generator=g) + 150 * y.view(-1, 1, 1, 1)).byte()
    columns = {"image": x} | ({"label": y} if labelled else {})
    pictures = Pictures(form=FORM, mean=(0.4,), deviation=(0.3,))
    schema = Schema(
        columns={"image": pictures}
        | ({"label": Labels(names=("dark", "light"))} if labelled else {})
    )
    part = Tensors(columns)
    return Data(schema, dict.fromkeys(("train", "validation", "test"), part), "")


class Painter(nn.Module):
    """Answers with one training picture for each noise: raw, so tanh gives it back."""

    def __init__(self, data: Data) -> None:
        super().__init__()
        self.x = data.parts["train"].gather(torch.arange(120))["image"].float() * 2 / 255 - 1
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        index = (z[:, 0].abs() * 1e4).long() % 60 * 2
        index = index if condition is None else index + condition
        return torch.atanh(self.x[index].clamp(-0.999, 0.999)) * self.scale


class Judge(nn.Module):
    """Knows light from dark."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        light = x.mean((1, 2, 3)) * 40 * self.scale
        return torch.stack([-light, light], 1)

    def look(self, x: Tensor, **_: Tensor | None) -> dict[str, Tensor]:
        return {"pooled.0": x.flatten(1)}


def task_of(data: Data, **options: object) -> ImageGeneration:
    return ImageGeneration(data.schema, Options(samples=40, noise=3, **options))


def test_the_players_know_the_class_where_the_data_are_labelled() -> None:
    assert registry.load("tasks", "image-generation") is ImageGeneration
    roles = task_of(made(), judge="somewhere").roles()
    assert roles["generator"].signature == Signature(Vector(3), FORM, condition=Classes(2))
    assert roles["discriminator"].signature == Signature(FORM, Vector(1), condition=Classes(2))
    assert not roles["discriminator"].applied
    assert roles["judge"].signature == Signature(FORM, Classes(2))
    assert str(roles["judge"].given) == "somewhere"
    for plain in (task_of(made(labelled=False)), task_of(made(), conditional=False)):
        assert {r.signature.condition for r in plain.roles().values()} == {None}
    assert "judge" in task_of(made()).helpers()
    assert not task_of(made(), judge="somewhere").helpers()
    assert not task_of(made(labelled=False)).helpers()


class Namer(nn.Module):
    """A score, told a class, and two logits of it, not told."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(16, 3)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        said = self.read(x.flatten(1))
        return torch.cat([said[:, :1] + condition[:, None], said[:, 1:]], 1)


@pytest.mark.parametrize("loss", ["relativistic", "non_saturating"])
def test_the_discriminator_names_real_samples_and_the_generator_is_moved_by_it(loss: str) -> None:
    data = made()
    nets = {"generator": Painter(data), "discriminator": Namer()}
    totals: dict[str, list[Tensor]] = {"discriminator": [], "generator": []}
    for weight in (0.5, 2.0):
        task = task_of(data, loss=loss, classify=weight)
        batch = task.batch(
            data.parts["train"], Draw(torch.arange(6)), Generator().manual_seed(1), train=True
        )
        for turn in task.turns():
            played = task.objective(turn, nets, batch, {}, Generator())
            totals[turn.name].append(played.total)
    fake = nets["generator"](batch["z"], batch["condition"]).tanh()
    for name, x in (("discriminator", batch["x"]), ("generator", fake)):
        logits = nets["discriminator"](x, batch["condition"])[:, 1:]
        expected = -logits.log_softmax(1)[torch.arange(6), batch["y"]].sum()
        torch.testing.assert_close(totals[name][1] - totals[name][0], 1.5 * expected)


def test_a_discriminator_that_is_to_name_classes_says_a_logit_of_each() -> None:
    roles = task_of(made(), classify=0.1).roles()
    assert roles["discriminator"].signature == Signature(FORM, Vector(3), condition=Classes(2))
    for plain in (task_of(made(labelled=False), classify=0.1), task_of(made(), conditional=False)):
        assert plain.roles()["discriminator"].signature == Signature(FORM, Vector(1))


def test_what_is_judged_and_made_is_cut_to_the_typical_where_that_is_asked_for() -> None:
    data, nets = made(), {"generator": Echo()}
    for given, asked, share in ((1.0, None, 1.0), (0.5, None, 0.5), (0.5, 0.25, 0.25)):
        task = task_of(data, truncation=given)
        x, _ = task.drawn(nets, 8, Generator().manual_seed(1), torch.device("cpu"))
        whole = task.noise(8, Generator().manual_seed(1), torch.device("cpu"))
        torch.testing.assert_close(x.atanh()[:, 0, 0, :3], given * whole, atol=1e-3, rtol=1e-3)
        request = Asked(count=8, truncation=asked)
        samples = [x for _, x, _ in task.requested(nets, request, Generator().manual_seed(1))]
        found = torch.stack(samples).atanh()[:, 0, 0, :3]
        torch.testing.assert_close(found, share * whole, atol=1e-3, rtol=1e-3)


def test_the_noise_of_a_floor_stays_whole() -> None:
    data = made()
    figures = []
    for truncation in (1.0, 0.3):
        task = task_of(data, truncation=truncation)
        batch, _ = task.sample(data.parts["train"], 1_000, Generator().manual_seed(0))
        floor = registry.load("floors", "pca-gaussian").fit(batch, data.schema, Generator())
        figures.append(task.evaluate({**floor, "judge": Judge()}, data, "validation"))
    assert {k: f.value for k, f in figures[0].items()} == {
        k: f.value for k, f in figures[1].items()
    }


class Echo(nn.Module):
    """A picture of which the first numbers are the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        return F.pad(z, (0, 13)).view(-1, 1, 4, 4)


def test_a_batch_holds_real_pictures_and_its_own_noise() -> None:
    data = made()
    task, part = task_of(data), data.parts["train"]
    one = task.batch(part, Draw(torch.arange(6)), Generator().manual_seed(1), train=True)
    again = task.batch(part, Draw(torch.arange(6)), Generator().manual_seed(1), train=True)
    assert one["x"].min() >= -1
    assert one["x"].max() <= 1
    assert torch.equal(one["z"], again["z"])
    assert torch.equal(one["condition"], torch.arange(6) % 2)
    other = task.batch(part, Draw(torch.arange(6)), Generator().manual_seed(2), train=True)
    assert not torch.equal(one["z"], other["z"])


def test_training_pictures_themselves_are_alike_and_told_as_copies() -> None:
    data = made()
    task = task_of(data)
    nets = {"generator": Painter(data), "judge": Judge()}
    figures = task.evaluate(nets, data, "test")
    value = {k: f.value for k, f in figures.items()}
    assert value["frechet"] < 0.2
    assert value["precision"] > 0.9
    assert value["agreed"] == 1.0
    assert value["agreed_on_real"] == 1.0
    assert value["classes"] == 2
    assert value["train_on_made"] > 0.95
    assert len(figures["frechet"].rows) == 5
    assert not figures["frechet"].paired
    assert "train_on_made" not in task.evaluate(nets, data, "validation")
    shown = task.exhibits(nets, data, "validation", Generator())
    assert {e.kind for e in shown} == {"picture", "text"}


def test_noise_is_far_and_one_picture_for_all_is_a_collapse() -> None:
    data = made()
    task = task_of(data)

    class Same(Painter):
        def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
            del condition
            return super().forward(torch.zeros_like(z)) + 1e-3 * z.mean(1).view(-1, 1, 1, 1)

    good = task.evaluate({"generator": Painter(data), "judge": Judge()}, data, "test")
    bad = task.evaluate({"generator": Same(data), "judge": Judge()}, data, "test")
    assert bad["frechet"].value > 5 * good["frechet"].value
    assert bad["recall"].value < 0.1 < good["recall"].value
    fine, failed = ({k: f.value for k, f in found.items()} for found in (good, bad))
    assert any("collapsed" in line for line in words(failed))
    assert not any("collapsed" in line for line in words(fine))
    assert "collapsed" in task.remarks(failed)[0]
    assert not task.remarks(fine)
    assert not task.remarks({"recall": 0.0})  # a folder that somebody wrote in


def test_a_judge_that_is_sure_of_one_class_counts_one() -> None:
    shares = torch.tensor([[0.95, 0.05]] * 10)
    real = (torch.tensor([[0.95, 0.05], [0.4, 0.6]]), torch.tensor([0, 1]))
    found = recognised([(shares, torch.arange(10) % 2)] * 2, real)
    assert {k: round(f.value, 3) for k, f in found.items()} == {
        "sure": 1.0,
        "classes": 1.0,
        "agreed": 0.5,
        "sure_of_real": 0.5,
        "agreed_on_real": 1.0,
    }


def test_what_is_asked_for_is_made_and_the_same_seed_makes_the_same() -> None:
    data = made()
    task, nets = task_of(data), {"generator": Painter(data)}
    answers = list(
        task.generate(nets, Asked(count=5, classes=("light",)), Generator().manual_seed(3))
    )
    assert [a.value["class"] for a in answers] == ["light"] * 5
    again = list(task.generate(nets, Asked(count=5, classes=("1",)), Generator().manual_seed(3)))
    for one, other in zip(answers, again, strict=True):
        assert torch.equal(one.made.tensors["pictures"], other.made.tensors["pictures"])
        assert one.made.tensors["pictures"].mean() > 0.5
    with pytest.raises(InputError, match=r"there is no class 'ligt'.*light"):
        list(task.generate(nets, Asked(classes=("ligt",)), Generator()))
    plain = task_of(made(labelled=False))
    with pytest.raises(InputError, match="knows no classes"):
        list(plain.generate(nets, Asked(classes=("light",)), Generator()))


def test_the_way_from_one_noise_to_another_keeps_its_length() -> None:
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    way = between(a, b, 5)
    torch.testing.assert_close(way[0], a, atol=1e-4, rtol=0)
    torch.testing.assert_close(way[-1], b, atol=1e-4, rtol=0)
    torch.testing.assert_close(way.norm(dim=1), torch.full((5,), 3.0))
