"""The one loop. What varies hangs on values: recipe, task, budget. It fits on a screen."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from netwright.tasks.base import Turn
from netwright.train.budget import Ledger
from netwright.train.live import Live
from netwright.train.streams import key, key_global, stream
from netwright.train.update import Mover


def rounds(live: Live, ledger: Ledger) -> Iterator[int]:
    """Take rounds for ever and yield how many there were; the caller ends, logs and saves.

    A round is every turn once, in order; a turn draws its own batches, one move's worth. Call it
    inside `streams.outer_states_kept`: torch's global generator is keyed at each turn.
    """
    task, recipe, counters = live.task, live.recipe, live.counters
    movers = [Mover(turn, live) for turn in task.turns()]
    live.train_mode()
    while True:
        for number, mover in enumerate(movers):
            turn = mover.turn
            if counters.round % turn.every:
                continue  # a lazy turn that is skipped draws nothing
            key_global(key(recipe.seed, "turn", counters.round, number))
            mover.before(ledger.horizon)
            losses, carry = [], live.carry
            for micro, draw in enumerate(live.draws(recipe.accumulate)):
                here = stream(recipe.seed, "batch", draw.epoch, draw.position)
                batch = task.batch(live.part, draw, here, train=True)
                there = stream(recipe.seed, "objective", counters.round, number, micro)
                with precision(recipe.precision, live.device, turn):
                    loss = task.objective(turn, live.nets, batch, carry, there)
                mover.add(loss, first=micro == 0)
                losses.append(loss)
                if loss.carry:  # the next batch of this move goes on where this one ended
                    carry = {k: v.detach() for k, v in loss.carry.items()}
            mover.move(losses, ledger.horizon)
        counters.round += 1
        yield counters.round


def precision(
    kind: str, device: torch.device, turn: Turn | None = None
) -> AbstractContextManager[object]:
    """The context of an objective: bf16 by autocast; the math kernel for second order."""
    second = turn is not None and turn.second_order
    if kind != "bf16" and not second:
        return nullcontext()
    stack = ExitStack()
    if kind == "bf16":
        stack.enter_context(torch.autocast(device.type, torch.bfloat16))
    if second:  # the fused kernels have no double backward on a CPU
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    return stack
