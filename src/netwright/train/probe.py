"""What a few real steps say: seconds a round, and whether bf16 pays. The steps are taken back."""

import statistics

import torch

from netwright.train.budget import Budget, Clocks, Ledger
from netwright.train.live import Live
from netwright.train.loop import rounds
from netwright.train.machine import has_bf16
from netwright.train.streams import outer_states_kept

WARM, MEASURED = 2, 6
"""Rounds before measuring, and rounds measured."""
ENOUGH = 1.0
"""Seconds after which a probe ends early."""


def seconds_per_round(live: Live, clocks: Clocks) -> float:
    """The median of a few rounds; everything that moved is put back."""
    before = live.capture()
    ledger = Ledger(
        Budget(steps=1000), live.steps_per_epoch(), live.recipe.batch_size, 0.0, [(0, 1000)]
    )
    taken: list[float] = []
    begun = clocks.now()
    with outer_states_kept():
        loop = rounds(live, ledger)
        for number in range(WARM + MEASURED):
            start = clocks.now()
            next(loop)
            synchronise(live.device)
            if number >= WARM or clocks.now() - begun > ENOUGH:
                taken.append(clocks.now() - start)
            if taken and clocks.now() - begun > ENOUGH:
                break
    live.restore(before)
    return statistics.median(taken)


def decide_precision(live: Live, clocks: Clocks) -> str:
    """`bf16` where the processor has it and rounds are faster by a tenth, else `fp32`."""
    if live.recipe.precision != "auto":
        return live.recipe.precision
    if not has_bf16(live.device):
        return "fp32"
    seconds = {}
    recipe = live.recipe
    for kind in ("fp32", "bf16"):
        live.recipe = recipe.model_copy(update={"precision": kind})
        seconds[kind] = seconds_per_round(live, clocks)
    live.recipe = recipe
    return "bf16" if seconds["bf16"] < 0.9 * seconds["fp32"] else "fp32"


def synchronise(device: torch.device) -> None:
    """Wait for the device; a processor is always done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
