"""The cache of attention: keys and values of past places, and where the next ones stand in it.

A plain cache holds the places of a sequence in their order. A ring holds the last few of them,
place p in slot p mod its size (Jiang et al. 2023, section 2, "rolling buffer cache"), and has no
end. Dimensions: b batch, h heads, e features of a head, n places of one step, s keys attended to.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from netwright.errors import InputError
from netwright.nn.masks import additive, in_sight, lowest
from netwright.nn.positions import leaning


@final
class Window:
    """Where the next n places of each row stand in a cache; made by `window`, once a step.

    Padding lies ahead of what its row has taken in, where nobody sees it before it is overwritten,
    or in the spare slot.
    """

    def __init__(
        self,
        at: Tensor,
        count: int,
        lengths: Tensor | None,
        size: int,
        *,
        ring: bool = False,
        slope: Tensor | None = None,
    ) -> None:
        self.at, self.count, self.size, self.ring, self.slope = at, count, size, ring, slope
        self.lengths = None if lengths is None else lengths.to(at)
        self.after = at + (count if self.lengths is None else self.lengths)
        """(b,): places that each row has taken in after this step."""
        self.end = self.first = self.last = size
        """`end`: slots in use after this step, of the longest row."""
        self.together = False
        """Whether all rows stand at the same place and write the same slots."""
        self.turning = ring and count > 1
        """Whether new keys may stand in the way of old ones, which are then read before."""
        if not at.is_meta:
            self._read()
        self.start = self.first % size if ring else self.first
        """The first slot that is written, where rows stand together."""
        self.in_place = torch.is_inference_mode_enabled()
        """Whether the old cache is written into."""

    def _read(self) -> None:
        """Look at the numbers: the one wait for the device in a step."""
        if self.lengths is None:
            starts: list[int] = self.at.tolist()
            self.last = max(starts) + self.count
        else:
            starts, ends = torch.stack([self.at, self.after]).tolist()
            self.last = max(ends)
        self.first, self.end = max(starts), max(1, min(self.last, self.size))
        fits = (
            self.count == 1 or self.lengths is None
            if self.ring
            else self.first + self.count <= self.size
        )
        self.together = fits and min(starts) == self.first

    @cached_property
    def places(self) -> Tensor:
        """(b, n), or (n,) where the rows stand together: the place of each in its own sequence."""
        if self.together:
            return torch.arange(self.first, self.first + self.count, device=self.at.device)
        return self.at[:, None] + torch.arange(self.count, device=self.at.device)

    @cached_property
    def slots(self) -> Tensor:
        """Like `places`: where the key of each is kept; the last slot is spare."""
        if not self.ring:
            return self.places.clamp(max=self.size)
        slots = self.places % self.size
        if self.count == 1 or self.together:
            return slots
        left = (self.after[:, None] if self.lengths is not None else self.places[:, -1:] + 1) - (
            self.places
        )
        return slots.masked_fill((left <= 0) | (left > self.size), self.size)

    @property
    def past(self) -> int:
        """Slots in use before a turning step."""
        return min(self.first, self.size)

    @cached_property
    def distance(self) -> Tensor:
        """(b or 1, 1, n, s): by how many places each key lies back; below 0: nothing is there."""
        places = self.places.expand(1, -1) if self.together else self.places
        places = places[:, None, :, None]
        device = self.at.device
        if not self.ring:
            return places - torch.arange(self.end, device=device)
        newest = places[:, :, :1] - 1 if self.turning else places
        slots = torch.arange(self.past if self.turning else self.end, device=device)
        back = (newest - slots) % self.size
        old = back.masked_fill(back > newest, -self.size - self.count)
        if not self.turning:
            return old
        new = torch.arange(self.count, device=device)
        old = old + 1 + new[:, None]
        among = (new[:, None] - new).expand(len(old), 1, -1, -1)
        return torch.cat([old, among], -1)

    @cached_property
    def seen(self) -> Tensor:
        """(b or 1, 1, n, s): what each attends to."""
        return in_sight(self.distance, causal=True, window=self.size if self.ring else None)

    @cached_property
    def bias(self) -> Tensor | None:
        """(b or 1, 1 or h, n, s): what is added to scores; None where each key counts as it is."""
        clear = self.together and self.count == 1
        if self.slope is None:
            return None if clear else additive(self.seen, torch.get_default_dtype())
        leant = leaning(self.distance, self.slope)
        return leant if clear else leant.masked_fill(~self.seen, lowest(leant.dtype))


def window(
    at: Tensor,
    count: int,
    lengths: Tensor | None,
    capacity: int | None,
    *,
    ring: int | None = None,
    slope: Tensor | None = None,
) -> Window:
    """The window of `count` places from `at` (b,) on, of which row r takes in `lengths[r]`.

    Args:
        at: places that each row has taken in.
        count: n.
        lengths: (b,); all of them where None.
        capacity: places that a sequence may have; None only for a ring.
        ring: size of the ring that stands for a plain cache of `capacity` places.
        slope: (h, 1, 1), of linear positions.

    InputError where a row would need more than `capacity` places.
    """
    size = capacity if ring is None else ring
    assert size is not None, "only a ring has no end"
    made = Window(at, count, lengths, size, ring=ring is not None, slope=slope)
    if capacity is not None and made.last > capacity and not at.is_meta:
        raise InputError(
            f"a sequence longer than {capacity} places does not fit",
            why=f"this network keeps that many, and was asked for {made.last}",
            do="shorten the input, or train with a greater length",
        )
    return made


def empty_cache(like: Tensor, batch: int, heads: int, capacity: int, e: int) -> dict[str, Tensor]:
    """Keys and values of no places yet, (b, h, capacity + 1, e); the last slot is spare."""
    shape = (batch, heads, capacity + 1, e)
    return {name: like.new_zeros(shape) for name in ("key", "value")}


def remember(
    cache: Mapping[str, Tensor], key: Tensor, value: Tensor, window: Window
) -> dict[str, Tensor]:
    """The cache that also holds `key` and `value` (b, h, n, e).

    A new one, and the old one stays as it is; but in inference mode the old one is written into.
    What it held before `at` stays (of a ring: what is still in sight), so a state remains good for
    as long as one continuation of it is taken.
    """
    return {
        "key": _written(cache["key"], key, window),
        "value": _written(cache["value"], value, window),
    }


def recall(
    cache: Mapping[str, Tensor], key: Tensor, value: Tensor, window: Window
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """`remember`, with the keys and values that this step attends to: (b, h, s, e)."""
    if window.turning:
        past = window.past
        keys = torch.cat([cache["key"][:, :, :past].to(key.dtype), key], 2)
        values = torch.cat([cache["value"][:, :, :past].to(value.dtype), value], 2)
        return remember(cache, key, value, window), keys, values
    new = remember(cache, key, value, window)
    keys, values = new["key"].narrow(2, 0, window.end), new["value"].narrow(2, 0, window.end)
    if keys.dtype != key.dtype:
        keys, values = keys.to(key.dtype), values.to(value.dtype)
    return new, keys, values


def _written(old: Tensor, new: Tensor, window: Window) -> Tensor:
    in_place = window.in_place
    if not window.together:
        index = window.slots[:, None, :, None].expand_as(new)
        new = new.to(old.dtype)
        return old.scatter_(2, index, new) if in_place else old.scatter(2, index, new)
    if window.turning:
        kept = new[:, :, -window.size :].to(old.dtype)
        slots = window.slots[-window.size :]
        return old.index_copy_(2, slots, kept) if in_place else old.index_copy(2, slots, kept)
    start, count = window.start, window.count
    if in_place:
        old.narrow(2, start, count).copy_(new)
        return old
    return torch.slice_scatter(old, new.to(old.dtype), 2, start, start + count)
