"""The whole way on a CUDA device, for every task and every cell; skipped where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from cells import Cell, built, fitting_cells, inputs_of, loss_of
from commands import digit, stopped_after, trail
from netwright import face
from netwright.tasks import audio_generation, image_generation
from netwright.tasks.base import Helper
from netwright.train import helpers
from netwright.train.machine import Options, prepared

DEVICE = "cuda"
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
WAYS = {
    **{
        f"digits, {f}": ("digits", f"{f}/tiny", None, {})
        for f in ("cnn", "rnn", "transformer", "self_attention", "mlp")
    },
    **{
        f"text, {f}": ("text", f"{f}/tiny", "novel.txt", {"batch": 4, "data": {"length": 16}})
        for f in ("cnn", "rnn", "transformer", "self_attention")
    },
    **{
        f"docstrings, {f}": ("docstrings", f"{f}/{p}", None, {"batch": 16})
        for f, p in (
            ("cnn", "text"),
            ("rnn", "tiny"),
            ("transformer", "tiny"),
            ("self_attention", "tiny"),
        )
    },
    "recall": ("associative-recall", "transformer/tiny", None, {"batch": 16}),
    "regression": ("adding", "rnn/tiny", None, {"batch": 16}),
    "spoken digits": ("sound-classification", "cnn/tiny", None, {"batch": 16}),
    "a game of pictures": (
        "image-generation",
        "cnn/tiny",
        None,
        {"batch": 8, "task": {"samples": 40, "noise": 8, "every": 2, "augment": ["translation"]}},
    ),
    "a game of rows": ("tabular-generation", "mlp/tiny", None, {"batch": 8}),
    "a game of sounds": ("audio-generation", "cnn/tiny", None, {"batch": 8}),
}
APPLIED = {
    "digits": "one.png",
    "docstrings": "novel.txt",
    "text": "novel.txt",
}
MADE: dict[str, dict[str, object]] = {
    "text": {"prompt": ["the wind"], "length": 12, "top_p": 0.9},
    "image-generation": {"count": 3},
    "tabular-generation": {"count": 3},
    "audio-generation": {"count": 3},
}


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(helpers, "STRUCTURE", "cnn/tiny")
    for task, source in (
        (image_generation.ImageGeneration, "image-classification"),
        (audio_generation.AudioGeneration, "sound-classification"),
    ):
        monkeypatch.setattr(task, "judged_by", Helper(source, "3steps"))
    lines = (f"the wind of day {n} went over {n * n} hills" for n in range(300))
    Path("novel.txt").write_text("\n".join(lines) + "\n", "utf-8")
    digit(Path("one.png"))


def apart(one: Path, two: Path) -> list[str]:
    """What two runs do not have in common: tensors by name, and lines of the log."""
    found = []
    for left, right in zip(trail(one), trail(two), strict=True):
        if left[:1] == b"{":  # lines of numbers
            pairs = zip(left.splitlines(), right.splitlines(), strict=True)
            found += [f"{a!r} and {b!r}" for a, b in pairs if a != b]
        else:
            tensors, others = load(left), load(right)
            assert tensors.keys() == others.keys()
            found += [n for n, t in tensors.items() if not torch.equal(t, others[n])]
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_is_cut_ends_as_one_that_was_not_is_judged_and_applied(
    way: str, precision: str
) -> None:
    target, structure, data, recipe = WAYS[way]
    # named: which one is faster is found out by the clock, for each run anew
    Path("recipe.yaml").write_text(str(recipe | {"precision": precision}), "utf-8")

    def train(out: str) -> Path:
        face.train(
            target,
            structure=structure,
            data=data,
            recipe=Path("recipe.yaml"),
            budget="4steps",
            out=Path(out),
            device=DEVICE,
            threads=2,
            quiet=True,
        )
        return Path(out)

    whole = train("whole")
    with stopped_after(2):
        train("cut")
    face.resume("cut", device=DEVICE, threads=2, quiet=True)
    assert apart(Path("cut"), whole) == []
    assert face.evaluate(whole, device=DEVICE, threads=2).part == "test"
    for device in (DEVICE, "cpu"):
        if target in APPLIED:
            assert list(face.predict(whole, [APPLIED[target]], device=device))
        if target in MADE:
            one, two = (list(face.generate(whole, MADE[target], device=device)) for _ in range(2))
            assert [a.value for a in one] == [a.value for a in two]


def test_a_contest_is_held_and_the_cost_is_told() -> None:
    found = face.compare(
        "digits",
        candidates="cnn/tiny,mlp/tiny",
        budget="6steps",
        seeds=2,
        out=Path("contest"),
        device=DEVICE,
        quiet=True,
    )
    assert found.code == 0
    face.cost("digits", structure="cnn/tiny", budget="6steps", device=DEVICE)


def learned(cell: Cell, device: torch.device) -> Iterator[Tensor]:
    """What a network answers, and the gradients of all its parameters."""
    net = built(cell).to(device).train()
    batch = {k: v.to(device) for k, v in inputs_of(cell, 3).items()}
    torch.manual_seed(1)  # dropout
    y = net(**batch)
    loss_of(y, cell).backward()
    yield y.detach().cpu()
    for p in net.parameters():
        if p.grad is not None:
            yield p.grad.cpu()


def answered(cell: Cell, device: torch.device) -> Tensor:
    with torch.no_grad():
        net = built(cell).to(device).eval()
        return net(**{k: v.to(device) for k, v in inputs_of(cell, 3).items()}).cpu()


@pytest.mark.parametrize("cell", fitting_cells(), ids=lambda c: c.name)
def test_a_cell_learns_bit_for_bit_alike_twice_and_answers_as_on_a_processor(cell: Cell) -> None:
    with prepared(Options(device=DEVICE)) as device:
        for one, two in zip(learned(cell, device), learned(cell, device), strict=True):
            assert torch.equal(one, two)
        there, here = answered(cell, device), answered(cell, torch.device("cpu"))
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)
