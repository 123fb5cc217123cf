"""Does the verdict keep its word? Contests with known truth, judged by `compare.statistics`.

A contest: n units of different difficulty, three candidates with S seeds each, two of them the same
structure (A/A), the third worse by a known effect. A net is right on a unit where

    ability + seed effect + ease of the unit + structure's own taste for the unit + noise > 0

with all but the ability Gaussian, so that the true accuracies are known in closed form. Reported
per setting: how often the interval of a candidate and that of the difference hold the truth, how
often A/A ends as a tie, how often the true difference is found; beside them the naive percentile
bootstrap over seeds. Seeds that `agree` are mostly wrong on the same units; where they do so less,
chance is mostly in the single answer. `outside` names what missed its limits.

    python benchmarks/verdicts.py [--contests 2000] [--out FILE]
"""

import argparse
import itertools
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from netwright.compare.statistics import Spread, solve_difference, solve_interval

SIZES = {"none": 0.0, "medium": 0.11, "strong": 0.45}
"""Standard deviation of the seed effect, on the scale where the noise has 1."""
UNITS = (360, 10_000)
SEEDS = 3
ACCURACY, EFFECT = 0.95, 0.02
EASE = {"agree": 2.0, "half": 1.0}
"""Standard deviation of the units' ease, on the same scale."""
TASTE = 0.35
"""The same of a structure's taste, as a share of the units' ease."""
LIMITS = {"interval": (0.93, 0.98), "difference": (0.93, 0.98), "ties": (0.93, 0.99)}
Judge = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """What a contest is like."""

    units: int
    seed_effect: float
    ease: float = EASE["agree"]
    seeds: int = SEEDS


def simulate(rng: np.random.Generator, contests: int, of: Setting) -> np.ndarray:
    """Right or wrong: (3 candidates, contests, seeds, n); the first two are the same structure."""
    n, seeds, taste_size = of.units, of.seeds, TASTE * of.ease
    spread = np.sqrt(1 + of.ease**2 + taste_size**2 + of.seed_effect**2)
    ability = np.float32(ndtri([ACCURACY, ACCURACY, ACCURACY - EFFECT]) * spread)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    unit = of.ease * normal(contests, 1, n)
    taste = taste_size * normal(2, contests, 1, n)
    hits = np.empty((3, contests, seeds, n), dtype=bool)
    for candidate in range(3):
        level = ability[candidate] + of.seed_effect * normal(contests, seeds, 1)
        score = normal(contests, seeds, n) + level + (unit + taste[candidate // 2])
        np.greater(score, 0, out=hits[candidate])
    return hits


def spread_of(hits: np.ndarray) -> Spread:
    """Many contests' hits (contests, seeds, n) as the closed form sees them."""
    n = hits.shape[-1]
    values = hits.mean(-1, dtype=np.float64)
    apart = (hits - values[..., None]) / np.sqrt(n * (n - 1.0))
    return Spread(values, np.moveaxis(apart, -1, -2), n, n - 1, share=True)


def holds(truth: float, low: np.ndarray, high: np.ndarray) -> float:
    """The share of intervals that hold the truth."""
    return float(np.mean((low <= truth) & (high >= truth)))


def judge(hits: np.ndarray) -> Judge:
    """Shares of contests in which the method was right."""
    ours, same, other = (spread_of(h) for h in hits)
    alone, tie = solve_interval(ours), solve_difference(ours, same)
    gap = solve_difference(ours, other)
    return {
        "interval": holds(ACCURACY, alone.low, alone.high),
        "difference": holds(EFFECT, gap.low, gap.high),
        "ties": float(np.mean(tie.p >= 0.05)),
        "found": float(np.mean(gap.p < 0.05)),
    }


def naive(rng: np.random.Generator, hits: np.ndarray, resamples: int = 200) -> Judge:
    """The same shares for a percentile bootstrap over seeds, units averaged."""
    ours, same, other = hits.mean(-1, dtype=np.float64)
    seeds = ours.shape[-1]

    def bounds(of: np.ndarray) -> np.ndarray:
        drawn = rng.integers(seeds, size=(resamples, seeds))
        return np.percentile(of[:, drawn].mean(-1), [2.5, 97.5], axis=-1)

    return {
        "interval": holds(ACCURACY, *bounds(ours)),
        "difference": holds(EFFECT, *bounds(ours - other)),
        "ties": holds(0.0, *bounds(ours - same)),
    }


def run(rng: np.random.Generator, contests: int, of: Setting) -> dict[str, Judge]:
    """Both methods over `contests` contests, in blocks that stay small in memory."""
    block = max(1, 400_000 // of.units)
    sizes = [min(block, contests - start) for start in range(0, contests, block)]
    rows: dict[str, list[Judge]] = {"components": [], "naive": []}
    for size in sizes:
        hits = simulate(rng, size, of)
        rows["components"].append(judge(hits))
        rows["naive"].append(naive(rng, hits))
    return {
        name: {key: float(np.average([r[key] for r in found], weights=sizes)) for key in found[0]}
        for name, found in rows.items()
    }


def misses(results: Judge, slack: float = 0.0) -> list[str]:
    """Which shares lie outside their limits, widened by `slack`."""
    return [
        f"{key} {results[key]:.3f}"
        for key, (low, high) in LIMITS.items()
        if not low - slack <= results[key] <= high + slack
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--contests", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    settings = []
    for ease, n, size in itertools.product(EASE, UNITS, SIZES):
        found = run(rng, options.contests, Setting(n, SIZES[size], EASE[ease]))
        named = {"units": n, "seeds": SEEDS, "seed_effect": size, "seeds_agree": ease}
        settings.append({**named, **found, "outside": misses(found["components"])})
        print(json.dumps(settings[-1]), file=sys.stderr, flush=True)
    document = {
        "command": " ".join(["python benchmarks/verdicts.py", *sys.argv[1:]]),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "seed": 0,
        "contests": options.contests,
        "accuracy": ACCURACY,
        "effect": EFFECT,
        "limits": LIMITS,
        "settings": settings,
    }
    text = json.dumps(document, indent=2)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
