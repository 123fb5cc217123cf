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

    def project(self, features: Tensor) -> Tensor:
        """Features as the judge gives them, in the space of `train` and `part`."""
        return features if self.axes is None else self.axes.project(features)


def real_samples(train: Tensor, part: Tensor, size: int) -> Real:
    """Features of two parts; the limit is taken with `size` samples, as a draw has."""
    axes = None
    if train.shape[1] > FEATURES:
        axes = principal(train, min(FEATURES, len(train) - 1))
        train, part = axes.project(train), axes.project(part)
    return Real(axes, train, part, frechet(part, train[:size]))


def alike(real: Real, draws: Sequence[Tensor]) -> dict[str, Figure]:
    """Distances and neighbourhoods of the features (n, d) of each draw."""
    rows: dict[str, list[float]] = {}
    for fake in draws:
        k = min(NEAR, len(real.part) - 1, len(fake) - 1)
        near = neighbourhoods(real.part[: len(fake)], fake, k)
        for name, value in {
            "frechet": frechet(real.part, fake),
            "kernel": kernel_distance(real.part, fake),
            "precision": near.precision,
            "recall": near.recall,
            "density": near.density,
            "coverage": near.coverage,
            "novelty": memorising(real.train, real.part, fake),
            "frechet_of_real": real.limit,
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


def words(figures: Mapping[str, Figure]) -> list[str]:
    """Collapse and copying, told from the figures."""
    value = {name: figure.value for name, figure in figures.items()}
    lines = []
    if value["recall"] < 0.1 and value["precision"] > 2 * value["recall"]:
        lines.append(
            f"It has collapsed: {100 * value['recall']:.0f} % of the real samples have a made one "
            "near them."
        )
    if value["precision"] < 0.1:
        lines.append(f"{100 * value['precision']:.0f} % of what it makes lies among real samples.")
    if value["novelty"] < 0.5:
        lines.append("It copies: what it makes lies closer to training samples than new ones do.")
    classes = value.get("classes")
    if classes is not None:
        lines.append(f"The judge is sure of {100 * value['sure']:.0f} %, in {classes:.0f} classes.")
    lines.append(
        f"Frechet distance {value['frechet']:.3g}; real samples of two parts are "
        f"{value['frechet_of_real']:.3g} apart."
    )
    return lines


FORMS = {
    "frechet": (False, ""),
    "kernel": (False, ""),
    "precision": (True, "%"),
    "recall": (True, "%"),
    "density": (True, ""),
    "coverage": (True, "%"),
    "novelty": (True, ""),
    "frechet_of_real": (False, ""),
}
"""Whether more is better, and the unit."""


def _figure(values: Sequence[float], higher: bool, unit: str) -> Figure:
    rows = torch.tensor(values, dtype=torch.float32)[:, None]
    return Figure(rows, "mean", higher=higher, unit=unit, paired=False)
