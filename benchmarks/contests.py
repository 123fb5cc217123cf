"""Real A/A contests on digits: one structure against itself under other seeds; how often they tie.

Each contest trains `cnn/tiny` twice three times with a budget in steps, judges the test part of the
fixed split, and asks for the difference as `compare` does.
"""

import torch
from common import arguments, write

from netwright.compare.statistics import difference
from netwright.metrics.base import Figure
from netwright.train.budget import Budget, Ledger
from netwright.train.judge import judge
from netwright.train.loop import rounds
from netwright.train.machine import Options, keep_freed_memory
from netwright.train.recipe import Named, resolve
from netwright.train.setting import open_data, open_setting, start_live
from netwright.train.streams import outer_states_kept


def trained(seed: int, steps: int, data) -> Figure:
    recipe = resolve(
        "image-classification",
        Named(name="digits"),
        {"net": "cnn/tiny"},
        budget=Budget(steps=steps),
        seed=seed,
        over={"precision": "fp32"},
    )
    setting = open_setting(recipe, torch.device("cpu"), data)
    live = start_live(setting, Options())
    ledger = Ledger(recipe.budget, live.steps_per_epoch(), recipe.batch, 0.0)
    ledger.begin(0.0)
    with outer_states_kept():
        loop = rounds(live, ledger)
        for _ in range(steps):
            next(loop)
    return judge(live, setting, "test")["accuracy"]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--contests", type=int, default=20)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    data = open_data(Named(name="digits"))
    found = []
    for number in range(given.contests):
        seeds = range(6 * number, 6 * number + 6)
        figures = [trained(s, given.steps, data) for s in seeds]
        gap = difference(figures[:3], figures[3:])
        found.append({"difference": gap.value, "low": gap.low, "high": gap.high})
        print(number, found[-1], flush=True)
    ties = sum(f["low"] <= 0 <= f["high"] for f in found)
    write(
        "contests",
        {
            "contests": len(found),
            "pairs": len(found),
            "ties": ties,
            "steps": given.steps,
            "found": found,
        },
        given.out,
    )


if __name__ == "__main__":
    main()
