"""How like real samples made ones are, in a feature space of our own: never an Inception figure.

Each draw of made samples is a unit: figures are means over draws, and two candidates' draws are not
paired. Real samples are those of one part, the same for every candidate.
Dimensions: n samples, d features, k classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from netwright.metrics.base import Figure
from netwright.metrics.distances import (
    Neighbourhoods,
    Principal,
    frechet,
    kernel_distance,
    memorising,
    neighbourhoods,
    principal,
)

FEATURES = 64
"""Features at most; of more, the first principal axes of the real training samples'."""
REALS = 5_000
"""Real samples of a part that are looked at, at most."""
NEAR = 5
"""Neighbours that make a neighbourhood, where there are so many samples."""
SURE = 0.9
"""Probability from which the judge counts as sure."""
FAIR = 0.1
"""A class is hit where the sure samples hold it at least so often, of its fair share."""


@dataclass(frozen=True)
class Real:
    """Real samples as the judge sees them."""

    axes: Principal | None
    """What brings features to at most `FEATURES`; None where they are so few."""
    train: Tensor
    """(n, d) of the training part."""
    part: Tensor
    """(n, d) of the part that is judged."""
    limit: float
    """Frechet distance between the two: what no generator can be expected to go below."""
    near: Neighbourhoods
    """Of as many training samples as a draw has: what can be expected."""

    def project(self, features: Tensor) -> Tensor:
        """Features as the judge gives them, in the space of `train` and `part`."""
        return features if self.axes is None else self.axes.project(features)


def real_samples(train: Tensor, part: Tensor, size: int) -> Real:
    """Features of two parts; the limit is taken with `size` samples, as a draw has."""
    axes = None
    if train.shape[1] > FEATURES:
        axes = principal(train, min(FEATURES, len(train) - 1))
        train, part = axes.project(train), axes.project(part)
    return Real(axes, train, part, frechet(part, train[:size]), _near(part, train[:size]))


def _near(real: Tensor, other: Tensor) -> Neighbourhoods:
    k = min(NEAR, len(real) - 1, len(other) - 1)
    return neighbourhoods(real[: len(other)], other, k)


def alike(real: Real, draws: Sequence[Tensor]) -> dict[str, Figure]:
    """Distances and neighbourhoods of the features (n, d) of each draw."""
    rows: dict[str, list[float]] = {}
    for fake in draws:
        near = _near(real.part, fake)
        for name, value in {
            "frechet": frechet(real.part, fake),
            "kernel": kernel_distance(real.part, fake),
            "precision": near.precision,
            "recall": near.recall,
            "density": near.density,
            "coverage": near.coverage,
            "novelty": memorising(real.train, real.part, fake),
            "frechet_of_real": real.limit,
            "precision_of_real": real.near.precision,
            "recall_of_real": real.near.recall,
            "coverage_of_real": real.near.coverage,
        }.items():
            rows.setdefault(name, []).append(value)
    return {name: _figure(values, *FORMS[name]) for name, values in rows.items()}


def recognised(
    draws: Sequence[tuple[Tensor, Tensor | None]], real: tuple[Tensor, Tensor]
) -> dict[str, Figure]:
    """What a judge thinks of each draw: its probabilities (n, k), and the classes asked for (n,).

    `sure`: share of samples of which the judge is sure; `classes`: how many classes they hit;
    `agreed`: share that it takes for what was asked. `real`: the same of real samples and their
    labels, whose `sure_of_real` and `agreed_on_real` are what can be expected.
    """
    sure, hit, agreed = [], [], []
    for shares, asked in draws:
        best, guess = shares.max(1)
        certain = guess[best >= SURE]
        counts = torch.bincount(certain, minlength=shares.shape[1])
        sure.append(len(certain) / len(shares))
        hit.append(float((counts >= max(1.0, FAIR * len(shares) / shares.shape[1])).sum()))
        if asked is not None:
            agreed.append(float((guess == asked.to(guess.device)).float().mean()))
    best, guess = real[0].max(1)
    right = (guess == real[1].to(guess.device)).float().mean()
    found = {
        "sure": _figure(sure, True, "%"),
        "classes": _figure(hit, True, ""),
        "sure_of_real": _figure([float((best >= SURE).float().mean())] * len(sure), True, "%"),
        "agreed_on_real": _figure([float(right)] * len(sure), True, "%"),
    }
    return {**found, "agreed": _figure(agreed, True, "%")} if agreed else found


def failures(value: Mapping[str, float]) -> list[str]:
    """Collapse, failure and copying, told from the figures' values where they are all there."""
    if not {*NEARNESS, *(f"{k}_of_real" for k in NEARNESS), "novelty"} <= value.keys():
        return []
    lines = []
    recall, precision = (value[k] / max(value[f"{k}_of_real"], 0.01) for k in NEARNESS)
    if recall < LOW and precision > 2 * recall:
        lines.append(
            f"It has collapsed, or not learned enough: {100 * value['recall']:.0f} % of real "
            "samples lie among made ones, where "
            f"{100 * value['recall_of_real']:.0f} % lie among other real ones; a longer --budget "
            "may help."
        )
    if precision < LOW:
        lines.append(
            f"{100 * value['precision']:.0f} % of what it makes lies among real samples, where "
            f"{100 * value['precision_of_real']:.0f} % of new real ones do."
        )
    if value["novelty"] < 0.5:
        lines.append("It copies: what it makes lies closer to training samples than new ones do.")
    return lines


def words(value: Mapping[str, float]) -> list[str]:
    """What failed, and how like real samples the made ones are, told from the figures' values."""
    lines = failures(value)
    classes = value.get("classes")
    if classes is not None:
        lines.append(f"The judge is sure of {100 * value['sure']:.0f} %, in {classes:.0f} classes.")
    lines.append(
        f"Frechet distance {value['frechet']:.3g}; real samples of two parts are "
        f"{value['frechet_of_real']:.3g} apart."
    )
    return lines


def saturated(real: Tensor, fake: Tensor) -> list[str]:
    """What the scores of real and of made samples, (n,) each, say of the game."""
    right = float((real[:, None] > fake[None]).float().mean())
    if right > WON:
        return [
            f"The discriminator has won: it puts the real sample first in {100 * right:.1f} % of "
            "pairs, so that the generator learns little from it."
        ]
    if right < 1 - WON:
        return [
            f"The generator has won: the discriminator puts the made sample first in "
            f"{100 * (1 - right):.1f} % of pairs."
        ]
    return [f"The discriminator puts the real sample first in {100 * right:.0f} % of pairs."]


MEANS = {
    "frechet": "how far made samples are from real ones, by mean and spread of what a judge sees, "
    "or of means over fields where there is no judge",
    "kernel": "the same distance by pairs of samples, which few samples do not bias",
    "precision": "made samples that lie among real ones",
    "recall": "real samples that lie among made ones: low where it makes few kinds",
    "density": "how crowded with real samples the places of made ones are; real ones: about 1",
    "coverage": "real samples that have a made one near them",
    "novelty": "distance to the nearest training sample, over that of real ones; near 0 it copies",
    "frechet_of_real": "the same distance between two sets of real samples: the best there is",
    "precision_of_real": "precision of real samples: what can be reached",
    "recall_of_real": "recall of real samples: what can be reached",
    "coverage_of_real": "coverage of real samples: what can be reached",
    "sure": "made samples of which the judge is at least 90 % sure, whatever it takes them for",
    "sure_of_real": "the same of real samples: what can be expected",
    "classes": "classes that the sure ones hit, each at least a tenth as often as its fair share",
    "agreed": "made samples that the judge takes for the class that was asked for",
    "agreed_on_real": "real samples that the judge takes for what they are",
    "train_on_made": "accuracy on real samples of a learner that saw made ones alone",
    "train_on_real": "the same where it saw as many real ones: what can be reached",
}
"""What each figure says."""
NEARNESS = ("recall", "precision")
LOW = 0.15
"""Share of what real samples reach below which a figure is worth a word."""
WON = 0.995
"""Share of pairs that are told apart from which one player has won."""
FORMS = {
    "frechet": (False, ""),
    "kernel": (False, ""),
    "precision": (True, "%"),
    "recall": (True, "%"),
    "density": (True, ""),
    "coverage": (True, "%"),
    "novelty": (True, ""),
    "frechet_of_real": (False, ""),
    "precision_of_real": (True, "%"),
    "recall_of_real": (True, "%"),
    "coverage_of_real": (True, "%"),
}
"""Whether more is better, and the unit."""


def _figure(values: Sequence[float], higher: bool, unit: str) -> Figure:
    rows = torch.tensor(values, dtype=torch.float32)[:, None]
    return Figure(rows, "mean", higher=higher, unit=unit, paired=False)
