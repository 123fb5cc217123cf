"""Quality on real data within a budget: `python benchmarks/accuracy.py fashion-cnn --data PATH`.

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
    **{
        f"shakespeare-{family}": ("text", f"{family}/language", f"shakespeare-{family}.yaml")
        for family in ("rnn", "transformer", "self_attention", "cnn")
    },
    **{
        f"ptb-{family}": ("penn-treebank", f"{family}/language", f"ptb-{family}.yaml")
        for family in ("rnn", "transformer")
    },
    **{
        f"sst2-{family}": ("text-table", f"{family}/{preset}", f"sst2-{family}.yaml")
        for family, preset in (
            ("cnn", "text"),
            ("rnn", "small"),
            ("transformer", "small"),
            ("self_attention", "small"),
        )
    },
    **{
        f"agnews-{family}": ("text-table", f"{family}/{preset}", f"agnews-{family}.yaml")
        for family, preset in (
            ("cnn", "text"),
            ("rnn", "small"),
            ("transformer", "small"),
            ("self_attention", "small"),
        )
    },
    "mqar-transformer": ("associative-recall", "transformer/small", "mqar.yaml"),
    "mqar-rnn": ("associative-recall", "rnn/small", "mqar-rnn.yaml"),
    "adding-rnn": ("adding", "rnn/small", ""),
    "adding-transformer": ("adding", "transformer/small", ""),
}
MAIN = ("accuracy", "word_perplexity", "nats_per_character", "recall", "mse")
"""What a result is about: the first of these that it has; of `text`, nats by character."""


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--data", help="the official files; none for what is made up")
    parser.add_argument("--validation", action="store_true", help="choose: leave the test part be")
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
                recipe=RECIPES / recipe if recipe else None,
                budget=given.budget,
                seed=seed,
                out=run,
                threads=given.threads,
            )
            judged = trained if given.validation else face.evaluate(run, threads=given.threads)
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
        if given.validation:
            print(found[-1])
            continue
        kind = "nats_per_character" if target == "text" else next(k for k in MAIN if k in figures)
        values = [f["test"][kind] for f in found]
        write(
            given.figure,
            {
                "figure": kind,
                "data": target,
                "candidate": candidate,
                "recipe": recipe,
                "budget": given.budget,
                "threads": given.threads,
                "value": statistics.mean(values),
                kind: statistics.mean(values),
                "deviation": statistics.stdev(values) if len(values) > 1 else None,
                "runs": found,
            },
            given.out,
        )


if __name__ == "__main__":
    main()
