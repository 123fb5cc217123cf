"""What tasks share whose answer is one label: figures, tables, mistakes and answers from logits.

Dimensions: n samples, k classes, t places that ask, s places that are asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.errors import InputError, shown
from netwright.metrics.base import Figure
from netwright.specs import Labels, Pictures, Schema, Scorer, Sound, Table, Text
from netwright.tasks.base import Answer, Exhibit

Kind = TypeVar("Kind", Pictures, Labels, Text, Sound, Table)

MEANS = {
    "accuracy": "samples whose likeliest class is the right one",
    "top5": "samples whose class is among the five likeliest",
    "f1_macro": "mean over classes of F1, where rare classes count as much as frequent ones",
    "log_loss": "how surprised it is by the right class; 0: never",
    "ece": "how far its confidence is from how often it is right (expected calibration error)",
    "accuracy_flip": "accuracy where a picture and its mirror image are asked together",
}
"""What each figure says."""
MISTAKES = 24
"""Samples shown of those that were wrong with the highest confidence."""


@runtime_checkable
class Placed(Protocol):
    """What is no module and says where its data lie."""

    @property
    def device(self) -> torch.device: ...


def column_of(
    schema: Schema, kind: type[Kind], why: str, do: str = "netwright list"
) -> tuple[str, Kind]:
    """The first column of a kind; InputError, with `why` and `do`, if there is none."""
    for name, column in schema.columns.items():
        if isinstance(column, kind):
            return name, column
    wanted = kind.__name__.lower()
    raise InputError(f"these data hold no column of {wanted}", why=why, do=do)


def device_of(net: Scorer) -> torch.device:
    """Where the samples of a net are gathered: a network's own device, or a floor's `device`."""
    if isinstance(net, nn.Module):
        first = next(net.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    return net.device if isinstance(net, Placed) else torch.device("cpu")


def figures_of(logits: Tensor, y: Tensor, top: int) -> dict[str, Figure]:
    """`accuracy`, `f1_macro`, `log_loss`, `ece`; `topK` where there are more than K classes.

    `logits` (n, k), `y` (n,). `log_loss` and `ece` are of the softmax of the scores, whatever these
    are: a floor's margins are no logits, and look badly calibrated.
    """
    classes = logits.shape[1]
    guess, confidence = guesses(logits)
    hit = (guess == y).float()
    hot = torch.cat([F.one_hot(y, classes), F.one_hot(guess, classes)], 1).float()
    nll = F.cross_entropy(logits, y, reduction="none")
    figures = {"accuracy": accuracy_of(logits, y)}
    if 1 < top < classes:
        near = (logits.topk(top, 1).indices == y[:, None]).any(1).float()
        figures[f"top{top}"] = Figure(near[:, None], "mean", higher=True, unit="%")
    figures["f1_macro"] = Figure(hot, "f1_macro", higher=True, unit="%")
    figures["log_loss"] = Figure(nll[:, None], "mean", higher=False, unit="nats")
    rows = torch.stack([hit, confidence], 1)
    figures["ece"] = Figure(rows, "calibration", higher=False, unit="%")
    return figures


def guesses(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(n, k) logits to the best class and its probability, (n,) each.

    The class is taken before the softmax, which may round two scores to one.
    """
    return logits.argmax(1), logits.softmax(1).amax(1)


def accuracy_of(logits: Tensor, y: Tensor) -> Figure:
    """Share of samples whose best score, of (n, k), is that of their label, of (n,)."""
    hit = (logits.argmax(1) == y).float()
    return Figure(hit[:, None], "mean", higher=True, unit="%")


def class_exhibits(logits: Tensor, y: Tensor, names: tuple[str, ...]) -> tuple[Exhibit, Exhibit]:
    """The table of figures per class and the confusion matrix, from (n, k) logits."""
    counts = confusion(y, logits.argmax(1), len(names))
    columns = ("precision", "recall", "F1", "samples")
    table = Exhibit(
        "table",
        "figures per class",
        {"cells": per_class(counts)},
        {"rows": names, "columns": columns},
    )
    matrix = Exhibit(
        "map",
        "confusion matrix: true class down, predicted class across",
        {"map": counts},
        {"rows": names, "columns": names},
    )
    return table, matrix


def surest_mistakes(
    logits: Tensor, y: Tensor, names: Sequence[str]
) -> tuple[Tensor, tuple[str, ...]]:
    """Which samples were wrong with the highest confidence, surest first, and what was said."""
    guess, confidence = guesses(logits)
    wrong = (guess != y).nonzero().squeeze(1)
    surest = wrong[confidence[wrong].argsort(descending=True, stable=True)[:MISTAKES]]
    rows = zip(guess[surest].tolist(), y[surest].tolist(), confidence[surest].tolist(), strict=True)
    captions = tuple(f"said {names[g]}, is {names[t]} ({100 * c:.0f} %)" for g, t, c in rows)
    return surest, captions


def last_attention(seen: Mapping[str, Tensor]) -> Tensor | None:
    """Of a net's inner results, the last attention of the first sample, mean of its heads: (t, s).

    None where the net does not attend.
    """
    maps = [value for name, value in seen.items() if name.startswith("attention")]
    if not maps:
        return None
    weights = maps[-1][0].float().cpu()
    return weights.flatten(0, -3).mean(0) if weights.dim() > 2 else weights


def answers(
    inputs: Sequence[str], shares: Tensor, labels: Sequence[str], top: int
) -> Iterator[Answer]:
    """`class`, its `probability`, and `top`, [class, probability] pairs from the best on.

    `shares` (n, k): a probability of each class for each of `inputs`, which are names.
    """
    best = shares.topk(min(top, len(labels)), 1)
    for name, share, index in zip(inputs, best.values, best.indices, strict=True):
        pairs = [[labels[i], p] for i, p in zip(index.tolist(), share.tolist(), strict=True)]
        first, probability = pairs[0]
        value = {"class": first, "probability": probability, "top": pairs}
        yield Answer(name, value, words=f"{shown(first)}  {100 * probability:.1f} %")


def confusion(truth: Tensor, guess: Tensor, classes: int) -> Tensor:
    """(n,) labels and (n,) guesses to (k, k) counts: row the true class, column the guess."""
    return torch.bincount(truth * classes + guess, minlength=classes**2).view(classes, classes)


def per_class(counts: Tensor) -> Tensor:
    """(k, k) counts to (k, 4): precision, recall, F1, samples; a share of nothing is 0."""
    hits, said, there = counts.diag(), counts.sum(0), counts.sum(1)
    shares = [hits / said.clamp(min=1), hits / there.clamp(min=1)]
    shares.append(2 * hits / (said + there).clamp(min=1))
    return torch.stack([*shares, there.to(shares[0].dtype)], 1)
