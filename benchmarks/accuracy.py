"""Accuracy on real data within a budget: `python benchmarks/accuracy.py fashion-cnn --data PATH`.

Each figure names its data, candidate, recipe and budget below. The model and its recipe were chosen
on the validation part; the test part is read once, at the end.
"""

import statistics
import tempfile
from pathlib import Path

from common import RECIPES, arguments, write

from netwright import face

FIGURES = {
    "fashion-cnn": ("idx", "cnn/base", "fashion-cnn.yaml"),
    "fashion-transformer": ("idx", "transformer/base", "fashion-transformer.yaml"),
    "fashion-rnn": ("idx", "rnn/base", "fashion-rnn.yaml"),
    "fashion-self-attention": ("idx", "self_attention/base", "fashion-self-attention.yaml"),
    "cifar10-cnn": ("cifar10", "cnn/base", "cifar10-cnn.yaml"),
}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--data", required=True, help="folder with the official files")
    parser.add_argument("--budget", default="590s")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    target, candidate, recipe = FIGURES[given.figure]
    found = []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            trained = face.train(
                target,
                structure=candidate,
                data=given.data,
                recipe=RECIPES / recipe,
                budget=given.budget,
                seed=seed,
                out=run,
                threads=given.threads,
            )
            judged = face.evaluate(run, threads=given.threads)
        figures = {k: v["value"] for k, v in judged.figures.items()}
        found.append(
            {
                "seed": seed,
                "test": figures,
                "validation": {k: v["value"] for k, v in trained.figures.items()},
                "seconds": trained.cost["seconds"],
                "steps": trained.cost["steps"],
                "training_flops": trained.cost["training_flops"],
                "parameters": trained.cost["parameters"],
            }
        )
        accuracies = [f["test"]["accuracy"] for f in found]
        write(
            given.figure,
            {
                "data": target,
                "candidate": candidate,
                "recipe": recipe,
                "budget": given.budget,
                "threads": given.threads,
                "accuracy": statistics.mean(accuracies),
                "deviation": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
                "runs": found,
            },
            given.out,
        )


if __name__ == "__main__":
    main()
