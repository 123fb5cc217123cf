"""Hand-made contests: figures whose comparison is known beforehand."""

import torch

from netwright.compare.decide import Candidate, Contest, FloorCandidate
from netwright.compare.verdict import Cell, Spent
from netwright.metrics.base import Figure

N = 400


def figure(wrong: range, *, n: int = N) -> Figure:
    """Right everywhere but on the units of `wrong`."""
    rows = torch.ones(n, 1)
    rows[list(wrong)] = 0
    return Figure(rows, "mean", higher=True, unit="%")


def net(family: str, wrong: int, flops: float, *, seeds: int = 3, start: int = 0, jitter: int = 1):
    """`wrong` mistakes from unit `start` on, each seed `jitter` more than the one before."""
    figures = [figure(range(start, start + wrong + jitter * seed)) for seed in range(seeds)]
    return Candidate(
        f"{family}/small",
        family,
        figures,
        roles={"net": f"{family}/small"},
        spent=[Spent(seed=s, granted=3.0, spent=3.0) for s in range(seeds)],
        costs={
            "forward_flops": flops,
            "training_flops": 3e5 * flops,
            "seconds": 3.0,
            "parameters": flops / 20,
            "latency": flops * 1e-9,
            "memory": 12.3e6,
            "energy": None,
        },
        cells=[
            Cell(id=f"{family}-{s}", seed=s, folder=f"cells/{family}-{s}", sha256="0" * 64)
            for s in range(seeds)
        ],
    )


def floor(wrong: int, *, start: int = 0, name: str = "svm-rbf", title: str = "SVM-RBF"):
    return FloorCandidate(name, title, figure(range(start, start + wrong)), fit_seconds=0.1)


def contest(candidates, floors=(), *, seeds: int = 3, **rest) -> Contest:
    return Contest(
        **{
            "task": "image-classification",
            "data": "digits",
            "fingerprint": "f" * 64,
            "figure": "accuracy",
            "unit": "%",
            "higher": True,
            "budget": "3 s",
            "seeds": seeds,
            "parts": {"train": 1000, "validation": 397, "test": N},
            "candidates": candidates,
            "floors": floors,
            **rest,
        }
    )
