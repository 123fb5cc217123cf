"""Digits, 5-fold cross-validation, CNN and RBF-SVM: mean over seeds of the mean over folds."""

import statistics
import tempfile
from pathlib import Path

import torch
from common import RECIPES, arguments, write

from netwright import registry
from netwright.compare.floors import fit
from netwright.train import work
from netwright.train.budget import Budget
from netwright.train.machine import Options
from netwright.train.progress import Progress
from netwright.train.recipe import Named, resolve
from netwright.train.setting import open_setting


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--budget", default="40epochs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--unshuffled", action="store_true")
    given = parser.parse_args()
    network, floor, seconds = [], [], 0.0
    options = Options(threads=given.threads)
    for seed in range(given.seeds):
        means: tuple[list[float], list[float]] = ([], [])
        for fold in range(5):
            config = {
                "split": "fold",
                "fold": fold,
                "seed": seed,
                "shuffle": not given.unshuffled,
                "validation": 0.02,  # nothing is chosen on it
            }
            recipe = resolve(
                "image-classification",
                Named(name="digits", config=config),
                {"net": "cnn/small"},
                budget=Budget.parse(given.budget),
                seed=seed,
                file=RECIPES / "digits-folds.yaml",
            )
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / "run"
                view = work.begin(recipe, run, options, Progress(quiet=True))
                _, figures = work.evaluate(run, options)
                seconds += float(view.cost()["seconds"])
            svm = fit(registry.load("floors", "svm-rbf"), open_setting(recipe, torch.device("cpu")))
            means[0].append(figures["accuracy"].value)
            means[1].append(svm.figures["accuracy"].value)
        network.append(statistics.mean(means[0]))
        floor.append(statistics.mean(means[1]))
        print(f"seed {seed}: network {network[-1]:.4f}, SVM-RBF {floor[-1]:.4f}", flush=True)
    write(
        "digits-folds-unshuffled" if given.unshuffled else "digits-folds",
        {
            "shuffled": not given.unshuffled,
            "accuracy": statistics.mean(network),
            "deviation": statistics.stdev(network) if len(network) > 1 else None,
            "floor": statistics.mean(floor),
            "by_seed": network,
            "floor_by_seed": floor,
            "training_seconds": seconds,
            "budget": given.budget,
        },
        given.out,
    )


if __name__ == "__main__":
    main()
