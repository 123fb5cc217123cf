"""Optimizers that skip a step on the device: Muon, and torch's fused AdamW, Adam and SGD.

Each honours `optimizer.found_inf`, a tensor on the device: a step with found_inf != 0 moves
nothing, neither weights nor momentum nor counters, and nobody has to wait for the device to know.

Muon's source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks";
scale "match_rms_adamw": Liu et al. 2025, arXiv 2502.16982, section 2.2.
Dimensions: n matrices of one shape, r rows, c columns.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.optim import SGD, Adam, AdamW, Optimizer

from netwright.errors import InputError, nearest

Kind = Literal["adamw", "adam", "sgd", "muon"]
Scale = Literal["original", "match_rms_adamw"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic x -> a x + b x^3 + c x^5, steepest at 0 (Jordan et al. 2024)."""


def orthogonalised(g: Tensor, num_steps: int = 5, eps: float = 1e-7) -> Tensor:
    """(n, r, c) to the same: singular values brought near 1 (0.7 to 1.2), vectors kept.

    Newton-Schulz: X <- a X + (b A + c A^2) X with A = X X^T, from X = G / |G|. In bfloat16 on CUDA,
    in no less than float32 elsewhere, where bfloat16 is slow.
    """
    a, b, c = COEFFICIENTS
    x = g.bfloat16() if g.is_cuda else g.to(torch.promote_types(g.dtype, torch.float32))
    tall = g.shape[1] > g.shape[2]
    x = x.mT if tall else x  # the smaller Gram matrix
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(num_steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(g.dtype)


class Muon(Optimizer):
    """Momentum, orthogonalised: for hidden matrices, and kernels read as (out, in k k).

    B <- mu B + g; O = Newton-Schulz(g + mu B); W <- W (1 - lr wd) - lr s O, where s is
    sqrt(max(1, r / c)) ("original", lr about 0.02) or 0.2 sqrt(max(r, c)) ("match_rms_adamw": takes
    AdamW's lr and weight decay). Matrices of one shape go through Newton-Schulz together.
    A parameter of fewer than 2 dimensions is an InputError.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        *,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        scale: Scale = "match_rms_adamw",
        num_steps: int = 5,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "scale": scale,
            "num_steps": num_steps,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() < 2:
                    raise InputError(
                        f"muon moves matrices and kernels, but a parameter is {tuple(p.shape)}",
                        do="give it to adamw",
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient; nothing where `found_inf` is not 0."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            alike: dict[Any, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shape = (p.shape[0], p.shape[1:].numel())
                    alike.setdefault((shape, p.dtype, p.device), []).append(p)
            for params in alike.values():
                self._move(params, group, found_inf)
        return loss

    def _move(self, params: list[Tensor], group: dict[str, Any], found_inf: Tensor | None) -> None:
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        momentum = [self.state[p]["momentum"] for p in params]
        mu, lr = group["momentum"], group["lr"]
        g = torch.stack([cast(Tensor, p.grad).flatten(1) for p in params])
        b = torch.stack([m.flatten(1) for m in momentum]).mul_(mu).add_(g)
        update = orthogonalised(g.add(b, alpha=mu), group["num_steps"])
        factor = lr * _scale(group["scale"], *g.shape[1:])
        skip = None if found_inf is None else found_inf.to(g.device) != 0
        for p, old, new, o in zip(params, momentum, b, update, strict=True):
            moved = (p * (1 - lr * group["weight_decay"])).sub_(o.view(p.shape), alpha=factor)
            _settle(old, new.view(p.shape), skip)
            _settle(p, moved, skip)


def _settle(target: Tensor, new: Tensor, skip: Tensor | None) -> None:
    # chosen, not multiplied by 0: what is skipped holds NaN
    target.copy_(new if skip is None else torch.where(skip, target, new))


def _scale(scale: Scale, rows: int, columns: int) -> float:
    if scale == "original":
        return math.sqrt(max(1.0, rows / columns))
    return 0.2 * math.sqrt(max(rows, columns))


def is_hidden(name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
    """Whether Muon should move the parameter `name` of a whole network, `module`.

    Yes: the weight of a linear map or of an ungrouped convolution inside of the trunk, or of the
    encoder's trunk. No:
    - what is outside of a trunk: the stem, which reads the input, and the head;
    - the first such weight of a trunk whose stem has none: it reads the input itself;
    - embeddings, tables of positions, gains, biases: they multiply no vector from the left;
    - stacked gates of an LSTM or GRU, grouped kernels: several matrices laid into one, whose
      singular values mean nothing together.
    """
    trunk = _trunk(name)
    if not trunk or not _is_map(name, parameter, module):
        return False
    stem = trunk.removesuffix("trunk.") + "stem."
    if any(n.startswith(stem) for n, _ in module.named_parameters()):
        return True
    maps = (n for n, p in module.named_parameters() if _trunk(n) == trunk and _is_map(n, p, module))
    return name != next(maps, name)


def _trunk(name: str) -> str:
    return next((t for t in ("trunk.", "encoder.trunk.") if name.startswith(t)), "")


def _is_map(name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
    owner, _, last = name.rpartition(".")
    layer = module.get_submodule(owner)
    ungrouped = isinstance(layer, nn.Linear) or (isinstance(layer, _ConvNd) and layer.groups == 1)
    return ungrouped and last == "weight" and parameter.dim() >= 2


def hidden_names(module: nn.Module) -> frozenset[str]:
    """Names of all parameters of a network that Muon should move."""
    return frozenset(n for n, p in module.named_parameters() if is_hidden(n, p, module))


def make_optimizer(
    kind: Kind,
    parameters: Sequence[tuple[str, nn.Parameter]],
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    momentum: float = 0.9,
    nesterov: bool = False,
    eps: float = 1e-8,
    hidden: Collection[str] = (),
    scale: Scale = "match_rms_adamw",
    num_steps: int = 5,
    adamw_learning_rate: float | None = None,
) -> list[Optimizer]:
    """Optimizers that together move `parameters` (by name); frozen ones are left out.

    Weights decay only where they have 2 or more dimensions. `betas` and `eps` are Adam's,
    `momentum` is SGD's and Muon's, `nesterov` SGD's (Muon's always is). "muon" moves the parameters
    named in `hidden` (see `hidden_names`), AdamW all others, at `adamw_learning_rate` where it is
    given: scale "original" needs it, "match_rms_adamw" does not. InputError: unknown kind, or muon
    without anything hidden.
    """
    moved = [(n, p) for n, p in parameters if p.requires_grad]
    match kind:
        case "adamw":
            groups = _groups([p for _, p in moved], weight_decay)
            return [AdamW(groups, lr=learning_rate, betas=betas, eps=eps, fused=True)]
        case "adam":
            groups = _groups([p for _, p in moved], weight_decay)
            return [Adam(groups, lr=learning_rate, betas=betas, eps=eps, fused=True)]
        case "sgd":
            groups = _groups([p for _, p in moved], weight_decay)
            return [_sgd(groups, learning_rate, momentum, nesterov=nesterov)]
        case "muon":
            mine = [p for n, p in moved if n in hidden]
            if not mine:
                raise InputError(
                    "muon has nothing to move", why="no hidden matrix is trained", do="take adamw"
                )
            muon = Muon(
                mine,
                learning_rate,
                weight_decay=weight_decay,
                momentum=momentum,
                scale=scale,
                num_steps=num_steps,
            )
            others = [(n, p) for n, p in moved if n not in hidden]
            if not others:
                return [muon]
            rest = make_optimizer(
                "adamw",
                others,
                learning_rate=learning_rate if adamw_learning_rate is None else adamw_learning_rate,
                weight_decay=weight_decay,
                betas=betas,
                eps=eps,
            )
            return [muon, *rest]
    kinds = ("adamw", "adam", "sgd", "muon")
    raise InputError(
        f"no optimizer is called {kind!r}", near=nearest(kind, kinds), do=", ".join(kinds)
    )


def _groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    decayed = [p for p in parameters if p.dim() >= 2]
    free = [p for p in parameters if p.dim() < 2]
    groups = [(decayed, weight_decay), (free, 0.0)]
    return [{"params": ps, "weight_decay": wd} for ps, wd in groups if ps]


def _sgd(groups: list[dict[str, Any]], lr: float, momentum: float, *, nesterov: bool) -> Optimizer:
    made = SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)
    if momentum:
        # torch allocates the buffer in the first step without filling it; were that step skipped,
        # the second would read whatever lay there. From zeros both steps are right: 0 mu + g = g.
        for group in made.param_groups:
            for p in group["params"]:
                made.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return made
