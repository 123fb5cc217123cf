"""Learning-rate schedules as functions of (step, horizon); none depends on a clock.

`cosine`: Loshchilov & Hutter 2017, equation 5, to zero; `linear`: to zero after the warm-up;
`trapezoid`: flat, then linear to zero over the last `cooldown` (Hägele et al. 2024, section 2).
"""

import math
from typing import Literal

Shape = Literal["constant", "cosine", "linear", "trapezoid"]
Ramp = Literal["constant", "rising", "falling"]
"""Of dropout: as asked for; from nothing to that (Morerio et al. 2017, curriculum); or back."""


def ramp(shape: Ramp, step: int, horizon: int) -> float:
    """What a share of dropout is multiplied by at `step` (from 0) of `horizon`; linear."""
    if shape == "constant":
        return 1.0
    done = min(1.0, step / max(1, horizon))
    return done if shape == "rising" else 1 - done


def factor(shape: Shape, step: int, horizon: int, *, warmup: float, cooldown: float) -> float:
    """What the learning rate is multiplied by at `step` (from 0) of `horizon`.

    Args:
        shape: the curve after the warm-up.
        step: the step about to be taken.
        horizon: how many steps the training is expected to have.
        warmup: share of the horizon over which the rate rises linearly from near 0.
        cooldown: share of the horizon over which a trapezoid falls to 0.
    """
    rise = warmup * horizon
    if step < rise:
        return (step + 1) / (rise + 1)
    progress = min(1.0, (step - rise) / max(1.0, horizon - rise))
    if shape == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if shape == "linear":
        return 1 - progress
    if shape == "trapezoid":
        fall = max(1.0, cooldown * horizon)
        return max(0.0, min(1.0, (horizon - step) / fall))
    return 1.0
