"""Budgets and clocks: how much training is granted, and how much was spent.

A budget counts training only: evaluation, saving and preparing have clocks of their own. Of several
limits the first reached ends the training. Seconds become a *horizon* in steps by a probe, which is
corrected at a half, three quarters, seven eighths and fifteen sixteenths of the budget; all are
recorded, so the same steps repeat bit for bit without a clock.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from netwright.errors import InputError, nearest, shown
from netwright.specs import Frozen

UNITS: dict[str, tuple[str, float]] = {
    "s": ("seconds", 1),
    "sec": ("seconds", 1),
    "second": ("seconds", 1),
    "seconds": ("seconds", 1),
    "m": ("seconds", 60),
    "min": ("seconds", 60),
    "minutes": ("seconds", 60),
    "h": ("seconds", 3600),
    "hours": ("seconds", 3600),
    "step": ("steps", 1),
    "steps": ("steps", 1),
    "sample": ("samples", 1),
    "samples": ("samples", 1),
    "epoch": ("epochs", 1),
    "epochs": ("epochs", 1),
    "flop": ("flops", 1),
    "flops": ("flops", 1),
    "mflop": ("flops", 1e6),
    "gflop": ("flops", 1e9),
    "tflop": ("flops", 1e12),
    "pflop": ("flops", 1e15),
}
WHOLE = ("steps", "samples", "epochs")
CORRECTIONS = (0.5, 0.75, 0.875, 0.9375)
"""Shares of a budget in seconds at which its horizon is corrected."""
EXAMPLES = "30s, 5m, 1000steps, 10epochs, 50000samples or 1e12flop"


class Budget(Frozen):
    """What one training is granted; None: no limit of that kind."""

    seconds: float | None = None
    steps: int | None = None
    samples: int | None = None
    epochs: int | None = None
    flops: float | None = None
    """Training FLOPs, forward and backward."""
    horizons: tuple[tuple[int, int], ...] = ()
    """(step, horizon) pairs of an earlier run, to repeat it without its clock."""

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read `30s`, `5m`, `1000steps`, `10epochs`, `1e12flop`, or several joined by commas."""
        limits: dict[str, float] = {}
        for piece in text.replace(" ", "").split(","):
            match = re.fullmatch(r"([-+]?[\d.]+(?:[eE][-+]?\d{1,3})?)([a-zA-Z]*)", piece)
            if match is None:
                raise InputError(f"cannot read the budget '{shown(text)}'", do=EXAMPLES)
            number, unit = match[1], match[2].lower()
            if unit not in UNITS:
                raise InputError(
                    f"no budget unit '{shown(unit)}' in '{shown(text)}'",
                    near=nearest(unit, UNITS) if unit else "",
                    do=EXAMPLES,
                )
            name, size = UNITS[unit]
            limits[name] = _number(number, text) * size
        for name in WHOLE:
            if limits.get(name, 1) < 1:
                raise InputError(
                    f"the budget '{shown(text)}' grants no whole {name[:-1]}", do=EXAMPLES
                )
        return cls.model_validate({k: int(v) if k in WHOLE else v for k, v in limits.items()})

    def __str__(self) -> str:
        names = {"seconds": "s", "flops": "flop"}
        parts = []
        for name in ("seconds", "steps", "samples", "epochs", "flops"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{value:g}" if name in names else str(value))
                parts[-1] += names.get(name, name)
        return ",".join(parts)


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"cannot read the budget '{shown(whole)}'", do=EXAMPLES) from None
    if not 0 < value < 1e30:
        raise InputError(
            f"the budget '{shown(whole)}' grants nothing", why="it must be above zero", do=EXAMPLES
        )
    if value < 1 and text.isdigit():
        raise InputError(f"the budget '{shown(whole)}' grants nothing", do=EXAMPLES)
    return value


@dataclass
class Clocks:
    """Seconds by purpose, on a monotonic clock; only `training` pays for the budget."""

    now: Callable[[], float] = time.monotonic
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def running(self, purpose: str) -> Iterator[None]:
        """Charge what happens inside to `purpose`."""
        start = self.now()
        try:
            yield
        finally:
            self.charge(purpose, self.now() - start)

    def charge(self, purpose: str, seconds: float) -> None:
        """Add seconds to a purpose."""
        self.spent[purpose] = self.spent.get(purpose, 0.0) + seconds

    def __getitem__(self, purpose: str) -> float:
        return self.spent.get(purpose, 0.0)


@dataclass
class Ledger:
    """A budget and what was spent of it: whether to go on, and which horizon schedules see."""

    budget: Budget
    steps_per_epoch: int
    samples_per_step: int
    flops_per_step: float
    """0 where nothing counts them."""
    horizons: list[tuple[int, int]] = field(default_factory=list)
    """(step from which it holds, horizon)."""
    corrected: int = 0
    """How many of `CORRECTIONS` were made."""

    def limit(self) -> int | None:
        """The step at which a limit in steps, samples, epochs or FLOPs is reached."""
        b = self.budget
        limits = [b.steps] if b.steps is not None else []
        if b.samples is not None:
            limits.append(-(-b.samples // self.samples_per_step))
        if b.epochs is not None:
            limits.append(b.epochs * self.steps_per_epoch)
        if b.flops is not None:
            limits.append(max(1, int(b.flops // max(1.0, self.flops_per_step))))
        return min(limits) if limits else None

    def begin(self, seconds_per_step: float) -> None:
        """Set the first horizon; `seconds_per_step` is measured, or 0 without a clock."""
        if self.horizons:
            return
        if self.budget.horizons:
            self.horizons = [self.budget.horizons[0]]
            return
        limit, seconds = self.limit(), self.budget.seconds
        if seconds is not None:
            reach = max(1, int(seconds / max(seconds_per_step, 1e-9)))
            limit = reach if limit is None else min(limit, reach)
        if limit is None:
            raise InputError("no budget is given", do=f"--budget {EXAMPLES}")
        self.horizons = [(0, limit)]

    @property
    def horizon(self) -> int:
        """How many steps the training is expected to have."""
        return self.horizons[-1][1]

    def tick(self, step: int, spent: float) -> None:
        """After `step` steps and `spent` training seconds: correct the horizon where it is due."""
        replay = self.budget.horizons
        if replay:
            later = [h for h in replay if h[0] == step]
            if later and later[-1] != self.horizons[-1]:
                self.horizons.append(later[-1])
            return
        seconds = self.budget.seconds
        if seconds is None or self.corrected == len(CORRECTIONS):
            return
        # by steps too: where the probe was slower than the training, all steps are taken too early
        if max(spent / seconds, step / self.horizon) < CORRECTIONS[self.corrected]:
            return
        self.corrected += 1
        while self.corrected < len(CORRECTIONS) and spent >= CORRECTIONS[self.corrected] * seconds:
            self.corrected += 1
        reach = step + max(0, int((seconds - spent) / (spent / step)))
        limit = self.limit()
        self.horizons.append((step, reach if limit is None else min(limit, reach)))

    def over(self, step: int, spent: float) -> bool:
        """Whether the training ends here."""
        if step >= self.horizon:
            return True
        limit, seconds = self.limit(), self.budget.seconds
        if limit is not None and step >= limit:
            return True
        if seconds is None or self.budget.horizons:
            return False
        return spent >= seconds or spent + 0.5 * spent / max(step, 1) > seconds * 1.02

    def share(self, step: int, spent: float) -> float:
        """How much of the budget is spent, from 0 to 1."""
        if self.budget.seconds is not None and not self.budget.horizons:
            return min(
                1.0, max(spent / self.budget.seconds, step / self.horizon if self.limit() else 0)
            )
        return min(1.0, step / self.horizon)
