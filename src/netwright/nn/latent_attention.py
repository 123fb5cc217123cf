"""Latent attention: keys and values are read out of one short vector a place, and it is cached.

c = x D, k_i = c K_i, v_i = c V_i, y = concat_i(attend(x Q_i, k_i, v_i)) O (DeepSeek-AI 2024, arXiv
2405.04434, section 2.1.2, equations 9 to 11; queries are not compressed here). Where positions are
rotary, a part of each query and one key that all heads share are turned, and stand beside the rest:
q = [x Q_i; turn(x R_i)], k = [c K_i; turn(x S)] (section 2.1.3, equations 14 to 19), since a turned
c K_i could not be read out of c.
In a step K_i is multiplied to the query and V_i to the result, so that latents are attended to as
they lie: q_i (c K_i)^T = (q_i K_i^T) c^T.
Dimensions: b batch, t places, s places that are asked, h heads, e features of a head, p turned
features, l features of a latent, d features of a place, n places of one step.
"""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from netwright.nn.attention import attend, attended
from netwright.nn.cache import Window
from netwright.nn.positions import Rotation, rotate


@final
class Expansion(nn.Linear):
    """A linear map (l to h e) without a bias, which may also be applied from behind, head by head.

    A class of its own, so that quantisation, which hides a weight, leaves it as it is.
    """

    def __init__(self, latent: int, heads: int, head_width: int) -> None:
        super().__init__(latent, heads * head_width, bias=False)
        self.shape = (heads, head_width)

    def heads(self, latent: Tensor) -> Tensor:
        """(b, t, l) to (b, h, t, e)."""
        expanded: Tensor = self(latent)
        parts: Tensor = expanded.unflatten(-1, self.shape)
        return parts.transpose(1, 2)

    def matrices(self) -> Tensor:
        """(h, e, l)."""
        return self.weight.view(*self.shape, self.in_features)


@final
class LatentAttention(nn.Module):
    """Multi-head attention of places to themselves by latents: (b, t, d) to (b, t, d).

    Args:
        width: d.
        heads: h.
        head_width: e; h e need not be d.
        latent: l.
        turned: p, even: features a head that rotary positions turn, beside the e; 0: none.
        causal: place t sees places up to t only; allows `state` and `step`.
    """

    like: Tensor

    def __init__(
        self,
        width: int,
        heads: int,
        head_width: int,
        *,
        latent: int,
        turned: int = 0,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.turned, self.causal = heads, head_width, turned, causal
        self.query = nn.Linear(width, heads * (head_width + turned), bias=False)
        self.compress = nn.Linear(width, latent, bias=False)
        self.key = Expansion(latent, heads, head_width)
        self.value = Expansion(latent, heads, head_width)
        self.turn = nn.Linear(width, turned, bias=False) if turned else None
        self.output = nn.Linear(heads * head_width, width, bias=False)
        self.latent = latent
        # for type and place of a state: quantised layers have no weights to ask
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        rotation: Rotation | None = None,
        *,
        bias: Tensor | None = None,
    ) -> Tensor:
        """(b, t, d) to the same; valid places do not read those beyond `lengths` (b,).

        `bias` (..., t, t) is added to scores; in a causal layer it hides what lies ahead itself.
        """
        query, asked = self._query(x, rotation)
        latent, shared = self._kept(x, rotation).split([self.latent, self.turned], -1)
        key, value = self.key.heads(latent), self.value.heads(latent)
        query = torch.cat([query, asked], -1)
        key = torch.cat([key, shared[:, None].expand(-1, self.heads, -1, -1)], -1)
        # In a causal sequence padding stands behind all that is valid, so nothing valid sees it.
        seen = None if self.causal else attended(lengths, x.shape[1])
        mixed = attend(query, key, value, seen, causal=self.causal and bias is None, bias=bias)
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return y

    def state(self, batch: int, capacity: int) -> dict[str, Tensor]:
        """No latents and turned keys yet: (b, capacity + 1, l + p); the last slot is spare."""
        return {"latent": self.like.new_zeros(batch, capacity + 1, self.latent + self.turned)}

    def step(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        window: Window,
        rotation: Rotation | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The next places (b, n, d) of a causal sequence, and the new cache.

        As with `nn.cache.remember`, the given one stays, save in inference mode. No rings.
        """
        query, asked = self._query(x, rotation)
        new = _written(state["latent"], self._kept(x, rotation), window)
        query = torch.cat([query @ self.key.matrices(), asked], -1)
        # `attend` divides by the root of what it is given, which is not what was compared.
        query = query * (query.shape[-1] / (self.head_width + self.turned)) ** 0.5
        key = new[:, None, : window.end].to(x.dtype).expand(-1, self.heads, -1, -1)
        mixed = attend(query, key, key[..., : self.latent], bias=window.bias)
        mixed = mixed @ self.value.matrices().mT
        y: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return y, {"latent": new}

    def _query(self, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor]:
        """Queries (b, h, t, e), and their turned part (b, h, t, p)."""
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        plain, asked = query.split([self.head_width, self.turned], -1)
        return plain, asked if rotation is None else rotate(asked, rotation)

    def _kept(self, x: Tensor, rotation: Rotation | None) -> Tensor:
        """Latents, and behind each the turned key that all heads share: (b, t, l + p)."""
        latent: Tensor = self.compress(x)
        if self.turn is None:
            return latent
        shared = self.turn(x)[:, None]
        return torch.cat(
            [latent, (shared if rotation is None else rotate(shared, rotation))[:, 0]], -1
        )


def _written(old: Tensor, new: Tensor, window: Window) -> Tensor:
    """The cache that also holds `new`, (b, n, l + p)."""
    index, new = window.slots[..., None].expand_as(new), new.to(old.dtype)
    if torch.is_inference_mode_enabled():
        return old.scatter_(1, index, new)
    return old.scatter(1, index, new)
