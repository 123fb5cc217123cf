"""Floors on Fashion-MNIST, fitted and judged as in a contest: `... --data PATH`."""

import torch
from common import arguments, write

from netwright import registry
from netwright.compare.floors import fit
from netwright.train.budget import Budget
from netwright.train.recipe import Named, resolve
from netwright.train.setting import open_setting


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--data", required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = resolve(
        "image-classification",
        Named(name="idx", config={"path": given.data}),
        {"net": "mlp/classic"},
        budget=Budget(steps=1),
    )
    setting = open_setting(recipe, torch.device("cpu"))
    found = []
    for name in setting.task.floors():
        fitted = fit(registry.load("floors", name), setting)
        found.append(
            {
                "name": name,
                "title": fitted.title,
                "accuracy": fitted.figures["accuracy"].value,
                "seconds": fitted.seconds,
                "note": fitted.note,
            }
        )
        print(found[-1], flush=True)
    write("fashion-floors", {"floors": found}, given.out)


if __name__ == "__main__":
    main()
