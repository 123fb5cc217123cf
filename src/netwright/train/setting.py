"""What a recipe is about, opened: the data, the task bound to it, the networks on their device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from netwright import registry
from netwright.datasets.base import Data, Resident
from netwright.models.base import Network
from netwright.nn.flops import Counter, forward_flops, on_meta
from netwright.nn.toys import meta_inputs
from netwright.specs import Batch, Frozen, Schema
from netwright.tasks.base import Draw, Task
from netwright.train.live import Live, build_networks
from netwright.train.machine import Options
from netwright.train.recipe import Named, Recipe, validated
from netwright.train.streams import key, key_global, outer_states_kept, stream


@dataclass(frozen=True)
class Setting:
    """Data and task of a recipe, on a device."""

    recipe: Recipe
    data: Data
    task: Task
    device: torch.device


def open_data(named: Named) -> Data:
    """Open a data set by its name and configuration."""
    dataset = registry.load("datasets", named.name)
    config = validated(dataset.Config, named.config, f"the configuration of {named.name}")
    data: Data = dataset.open(config)
    return data


def bind_task(named: Named, schema: Schema) -> Task:
    """The task of that name, bound to a schema."""
    kind = registry.load("tasks", named.name)
    config: Frozen = validated(kind.Config, named.config, f"the configuration of {named.name}")
    task: Task = kind(schema, config)
    return task


def open_setting(recipe: Recipe, device: torch.device, data: Data | None = None) -> Setting:
    """Open the data, unless it is given, bind the task, and lay resident parts on the device."""
    data = data or open_data(recipe.data)
    task = bind_task(recipe.task, data.schema)
    if device.type != "cpu":
        parts = {n: p.to(device) if isinstance(p, Resident) else p for n, p in data.parts.items()}
        data = replace(data, parts=parts)
    return Setting(recipe.sized(len(data.parts["train"])), data, task, device)


def start_live(
    setting: Setting, options: Options, given: Mapping[str, Network] | None = None
) -> Live:
    """Networks at step 0, prepared, with everything that moves them."""
    task, recipe = setting.task, setting.recipe
    nets = build_networks(task, recipe, given or {})
    for net in nets.values():
        lay(net.to(setting.device), options)
    part = setting.data.parts["train"]
    with outer_states_kept():
        key_global(key(recipe.seed, "prepare"))
        task.prepare(nets, part, stream(recipe.seed, "prepare"))
    if options.compile:
        for net in nets.values():
            net.compile()
    return Live(task, part, recipe, setting.device, nets)


def lay(net: torch.nn.Module, options: Options) -> None:
    """Lay kernels channels last where the options say so, else where there are convolutions.

    One thread of an AVX2 processor, fp32, `cnn/classic`: 1.7 of the speed in training and 2.6 to
    2.9 in inference; `cnn/base` 1.3 and 1.6.
    """
    grids = any(isinstance(m, torch.nn.Conv2d) for m in net.modules())
    if options.channels_last if options.channels_last is not None else grids:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@dataclass(frozen=True)
class RoundCost:
    """FLOPs of training, counted on the meta device: 1 multiply-add = 2."""

    flops: float
    """Of one round, forward and backward, lazy turns by their share."""
    by_turn: dict[str, int]
    uncounted: tuple[str, ...]
    """Operations that do arithmetic and have no formula, by name; never taken for zero."""


def round_cost(live: Live, setting: Setting) -> RoundCost:
    """Count what one round of training computes, without computing it."""
    task, recipe = setting.task, setting.recipe
    order = task.order(live.part, recipe.batch_size, stream(recipe.seed, "order", 0))
    if not len(order):
        return RoundCost(0.0, {}, ())
    batch = task.batch(live.part, Draw(order[0].to(setting.device)), stream(0, "count"), train=True)
    shadow: Batch = {k: v.to("meta") for k, v in batch.items()}
    nets = {n: on_meta(net) for n, net in live.nets.items()}
    carry = {k: v.to("meta") for k, v in live.carry.items()}
    by_turn: dict[str, int] = {}
    uncounted: set[str] = set()
    total = 0.0
    with outer_states_kept():
        for turn in task.turns():
            moved = [p for r in turn.roles for p in nets[r].parameters() if p.requires_grad]
            with Counter() as counter:
                loss = task.objective(turn, nets, shadow, carry, stream(0, "count"))
                torch.autograd.grad(loss.total, moved, allow_unused=True)
            by_turn[turn.name] = counter.flops
            uncounted |= set(counter.uncounted)
            total += counter.flops * recipe.accumulate / turn.every
    return RoundCost(total, by_turn, tuple(sorted(uncounted)))


def forward_cost(live: Live) -> int:
    """FLOPs of one answer: every network that is applied once, counted on the meta device."""
    roles = live.task.roles()
    nets = (live.nets[n] for n in live.trained if roles[n].applied)
    return sum(forward_flops(on_meta(n).eval(), meta_inputs(n.signature, 1)).flops for n in nets)
