"""Quality of games within a budget: `python benchmarks/games.py fashion --data PATH`.

Each figure names its task, data, players and recipe below. A run is judged on the test part, once,
beside the floors and the value of real samples; protocol, judge and samples are in the result.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from common import RECIPES, arguments, write

from netwright import face, registry
from netwright.compare.floors import fit
from netwright.train.budget import Clocks
from netwright.train.finished import recipe_of
from netwright.train.run import RunView
from netwright.train.setting import open_setting

FIGURES = {
    "gaussian-grid": ("gaussian-grid", "tabular-generation", "mlp/small", "gaussian-grid.yaml"),
    "fashion": ("idx", "image-generation", "cnn/small", "fashion-gan.yaml"),
    "cifar10": ("cifar10", "image-generation", "cnn/small", "cifar10-gan.yaml"),
    "digits": ("digits", "image-generation", "cnn/small", ""),
    "sound": ("sound", "audio-generation", "cnn/small", "sound-gan.yaml"),
    "mixed-table": ("mixed-table", "tabular-generation", "mlp/small", "tables.yaml"),
    "breast-cancer": ("table", "tabular-generation", "mlp/small", "tables.yaml"),
    "iris": ("table", "tabular-generation", "mlp/small", "iris.yaml"),
    "wine": ("table", "tabular-generation", "mlp/small", "wine.yaml"),
}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--data", help="the official files; none for what is bundled or made up")
    parser.add_argument("--validation", action="store_true", help="choose: leave the test part be")
    parser.add_argument("--budget", default="590s")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    data, task, players, recipe = FIGURES[given.figure]
    found, floors, curve = [], {}, []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            trained = face.train(
                task,
                structure=players,
                data=given.data or data,
                recipe=RECIPES / recipe if recipe else None,
                budget=given.budget,
                seed=seed,
                out=run,
                threads=given.threads,
            )
            judged = trained if given.validation else face.evaluate(run, threads=given.threads)
            view = RunView.open(run)
            if seed == 0 and not given.validation:
                floors = standing(view, given.threads)
                curve = [x for x in view.metrics() if "validation" in x]
        found.append(
            {
                "seed": seed,
                "test": {k: v["value"] for k, v in judged.figures.items()},
                "validation": {k: v["value"] for k, v in trained.figures.items()},
                "given": view.spec.get("given", {}),
                "rules": rules_of(view),
                **{
                    k: trained.cost[k] for k in ("seconds", "steps", "training_flops", "parameters")
                },
            }
        )
        print(found[-1], flush=True)
    if given.validation:
        return
    names = found[0]["test"]
    write(
        f"game-{given.figure}",
        {
            "task": task,
            "data": data,
            "players": players,
            "recipe": recipe,
            "budget": given.budget,
            "threads": given.threads,
            "mean": {k: statistics.mean(f["test"][k] for f in found) for k in names},
            "runs": found,
            "floors": floors,
            "curve": curve,
        },
        given.out,
    )


def rules_of(view: RunView) -> dict[str, Any]:
    """The options of the game; the judge stands in `given`, by its hash and not by its place."""
    return {k: v for k, v in view.spec["recipe"]["task"]["config"].items() if k != "judge"}


def standing(view: RunView, threads: int) -> dict[str, dict[str, float]]:
    """The floors' figures on the test part."""
    torch.set_num_threads(threads)
    setting = open_setting(recipe_of(view), torch.device("cpu"))
    found = {}
    for name in setting.task.floors():
        floor = registry.load("floors", name)
        if floor.refuses(setting.data.schema) is None:
            with Clocks().running("fit"):
                fitted = fit(floor, setting)
            found[floor.title] = {k: f.value for k, f in fitted.figures.items()}
    return found


if __name__ == "__main__":
    main()
