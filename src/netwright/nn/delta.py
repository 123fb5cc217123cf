"""The gated delta rule: a matrix as memory, written by correction and faded by a gate.

Yang, Kautz & Hatamizadeh 2024 (Gated Delta Networks), equation 10, for each head:

    S_t = a_t S_{t-1} (I - b_t k_t k_t^T) + b_t v_t k_t^T        o_t = S_t q_t

With b_t = 1, a_t = 1 and a key of length 1, what the memory gives for k_t becomes v_t. Computed in
chunks of places (their section 3.3; the WY form of Yang et al. 2024, Parallelizing Linear
Transformers with the Delta Rule, section 3): with g_i = a_1 ... a_i inside a chunk and D_ij = g_i /
g_j for i >= j, else 0,

    (I + strictly lower(diag(b) K K^T * D)) [U W] = diag(b) [V  diag(g) K]
    N = U - W S^T      O = diag(g) Q S^T + (Q K^T * D) N      S' = g_C S + N^T diag(g_C / g) K

Dimensions: b batch, h heads, t places, m chunks, c places of a chunk, k features of a key, v of a
value, d features read. A memory is kept as S^T, (b, h, k, v).
"""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netwright.nn.masks import valid
from netwright.nn.norm import make_norm
from netwright.nn.scan import cumulative_sum

CHUNK = 32
"""Places computed at once."""
TINY = 1e-6
"""Added to a key's squared length, which padding makes zero."""


def delta_places(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, decay: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """The rule place by place: (b, h, t, v), and the memory behind the last place.

    `q`, `k`: (b, h, t, k); `v`: (b, h, t, v); `beta` and `decay`, the logarithm of a: (b, h, t).
    """
    out = []
    for t in range(q.shape[2]):
        key, memory = k[:, :, t], memory * decay[:, :, t, None, None].exp()
        wrong = v[:, :, t] - (key[:, :, None] @ memory)[:, :, 0]
        memory = memory + key[..., None] * (beta[:, :, t, None] * wrong)[:, :, None]
        out.append((q[:, :, t, None] @ memory)[:, :, 0])
    return torch.stack(out, 2), memory


def delta_chunks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    decay: Tensor,
    memory: Tensor,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """The same as `delta_places`, a `chunk` of places at once."""
    t = q.shape[2]
    size = min(chunk, t)
    q, k, v = (_chunks(x, size) for x in (q, k, v))
    beta, decay = (_chunks(x[..., None], size) for x in (beta, decay))
    g = cumulative_sum(decay, 3)  # (b, h, m, c, 1), the logarithm
    later = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    fade = (g - g.mT).masked_fill(later, float("-inf")).exp()
    heavy = k * beta
    both = _solved(heavy @ k.mT * fade, torch.cat([v * beta, heavy * g.exp()], -1))
    u, w = both.split([v.shape[-1], k.shape[-1]], -1)
    scores, read, end = q @ k.mT * fade, q * g.exp(), g[:, :, :, -1:]
    write = (k * (end - g).exp()).mT
    parts = (x.unbind(2) for x in (u, w, scores, read, write, end.exp()))
    out = []
    for written, asked, near, far, keys, kept in zip(*parts, strict=True):
        new = written - asked @ memory
        out.append(far @ memory + near @ new)
        memory = kept * memory + keys @ new
    return torch.cat(out, 2)[:, :, :t], memory


def _chunks(x: Tensor, size: int) -> Tensor:
    """(b, h, t, k) to (b, h, m, c, k); places that fill up the last chunk change no memory."""
    parts: Tensor = F.pad(x, (0, 0, 0, -x.shape[2] % size)).unflatten(2, (-1, size))
    return parts


def _solved(a: Tensor, x: Tensor) -> Tensor:
    """The y of (I + strictly lower(a)) y = x; on the meta device a product of the same shapes.

    No operation there may be without a formula of its FLOPs; the whole square is counted, as it is
    for causal attention.
    """
    if a.is_meta:
        return a @ x
    y: Tensor = torch.linalg.solve_triangular(a, x, upper=False, unitriangular=True)
    return y


@final
class GatedDelta(nn.Module):
    """Heads that each keep a memory of their own: (b, t, d) to the same.

    q, k, v = SiLU(W x), q and k of length 1; b = s(W x); log a = -A softplus(W x + c); the result
    is normed by head, gated by SiLU(W x) and projected (their figure 1; convolutions before q, k, v
    are the caller's). A starts evenly in [1, 16], softplus(c) by the logarithm in [0.001, 0.1].
    """

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, self.head_width, inner = heads, head_width, heads * head_width
        self.read = nn.Linear(width, 4 * inner + 2 * heads, bias=False)
        self.speed = nn.Parameter(torch.empty(heads).uniform_(1.0, 16.0).log())
        """The logarithm of A."""
        step = torch.empty(heads).uniform_(-3.0, -1.0).mul(torch.tensor(10.0).log()).exp()
        self.shift = nn.Parameter(step.expm1().log())
        """c."""
        self.norm = make_norm("rms", head_width)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(
        self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(b, t, d) to the same, and the memory behind row r's first `lengths[r]` places."""
        inner = self.heads * self.head_width
        q, k, v, gate, beta, fade = self.read(x).split([inner] * 4 + [self.heads] * 2, -1)
        dtype = torch.promote_types(x.dtype, torch.float32)
        q, k, v = (
            F.silu(y).unflatten(-1, (self.heads, -1)).transpose(1, 2).to(dtype) for y in (q, k, v)
        )
        beta = beta.to(dtype).sigmoid()
        decay = -self.speed.to(dtype).exp() * F.softplus(fade.to(dtype) + self.shift)
        real = valid(lengths, x.shape[1])
        if real is not None:
            beta, decay = (y.masked_fill(~real[..., None], 0.0) for y in (beta, decay))
        memory = self.state(x.shape[0], x) if state is None else state
        compute = delta_places if x.shape[1] == 1 else delta_chunks
        o, memory = compute(_unit(q), _unit(k), v, beta.mT, decay.mT, memory.to(dtype))
        h = self.norm(o.transpose(1, 2).to(x.dtype)).flatten(2) * F.silu(gate)
        y: Tensor = self.output(h)
        return y, memory

    def state(self, batch: int, like: Tensor) -> Tensor:
        """Empty memories: zeros, (b, h, k, v), on `like`'s device, in float32 at least."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        return like.new_zeros(batch, self.heads, self.head_width, self.head_width, dtype=dtype)


def _unit(x: Tensor) -> Tensor:
    """Vectors of length 1."""
    return x * (x.square().sum(-1, keepdim=True) + TINY).rsqrt()
