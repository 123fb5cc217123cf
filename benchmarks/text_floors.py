"""Floors on texts, fitted and judged as in a contest: `... shakespeare=PATH ptb=PATH sst2=PATH`."""

from pathlib import Path

import torch
from common import RECIPES, arguments, write

from netwright import registry
from netwright.compare.floors import fit
from netwright.train.budget import Budget
from netwright.train.recipe import Named, resolve
from netwright.train.setting import open_setting

DATA = {
    "shakespeare": ("text-generation", "text", "shakespeare-rnn.yaml", "nats_per_character"),
    "ptb": ("text-generation", "penn-treebank", "ptb-rnn.yaml", "word_perplexity"),
    "sst2": ("text-classification", "text-table", "sst2-rnn.yaml", "accuracy"),
    "agnews": ("text-classification", "text-table", "agnews-rnn.yaml", "accuracy"),
}
SAID = {
    "nats_per_character": "{:.4f} nats a character",
    "word_perplexity": "{:.1f} word perplexity",
    "accuracy": "{:.2%}",
}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("data", nargs="+", metavar="NAME=PATH", help=f"of {', '.join(DATA)}")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = []
    for pair in given.data:
        name, _, path = pair.partition("=")
        task, dataset, recipe, figure = DATA[name]
        made = resolve(
            task,
            Named(name=dataset, config={"path": path}),
            {"net": "rnn/tiny"},
            budget=Budget(steps=1),
            file=Path(RECIPES / recipe),
            over={"roles": {"net": {"config": {}}}},
        )
        setting = open_setting(made, torch.device("cpu"))
        for floor in setting.task.floors():
            fitted = fit(registry.load("floors", floor), setting)
            value = fitted.figures[figure].value
            found.append(
                {
                    "data": name,
                    "name": floor,
                    "title": fitted.title,
                    "figure": figure,
                    "value": value,
                    "said": SAID[figure].format(value).replace("%", " %"),
                    "seconds": fitted.seconds,
                    "note": fitted.note,
                }
            )
            print(found[-1], flush=True)
    write("text-floors", {"floors": found}, given.out)


if __name__ == "__main__":
    main()
