"""What a training would take, before any training: memory by counting, seconds by a few steps."""

from functools import partial

import psutil
import torch

from netwright.cost.measure import latency, peak_memory, waiter
from netwright.nn.flops import on_meta, parameters, saved_bytes, training_bytes
from netwright.nn.toys import meta_inputs
from netwright.results import Prediction
from netwright.tasks.base import Draw
from netwright.train.budget import Clocks, Ledger
from netwright.train.finished import frozen
from netwright.train.live import Live
from netwright.train.machine import Options, prepared
from netwright.train.probe import decide_precision, seconds_per_round
from netwright.train.recipe import Recipe, need_roles
from netwright.train.setting import Setting, forward_cost, open_setting, round_cost, start_live
from netwright.train.streams import outer_states_kept, stream

SLOTS = {"adamw": 2.0, "adam": 2.0, "sgd": 1.0, "muon": 1.2}
"""Numbers that each optimizer keeps per parameter."""


def predict_cost(recipe: Recipe, options: Options) -> Prediction:
    """Parameters, FLOPs, bytes, latency, and the seconds that the budget's steps would take."""
    clocks = Clocks()
    with prepared(options) as device:
        setting = open_setting(recipe, device)
        need_roles(recipe, [n for n, r in setting.task.roles().items() if r.given is None])
        live = start_live(setting, options, frozen(setting))
        live.recipe = recipe.model_copy(update={"precision": decide_precision(live, clocks)})
        counted = round_cost(live, setting)
        seconds = seconds_per_round(live, clocks)
        samples = recipe.batch_size * live.draws_per_round()
        ledger = Ledger(recipe.budget, live.steps_per_epoch(), samples, counted.flops)
        ledger.begin(seconds)
        values: dict[str, object] = {
            "parameters": sum(parameters(live.nets[n]).trainable for n in live.trained),
            "forward_flops": forward_cost(live),
            "training_flops_per_step": counted.flops,
            "uncounted": list(counted.uncounted),
            "seconds_per_step": seconds,
            "steps": ledger.horizon,
            "seconds": ledger.horizon * seconds,
            "samples_per_second": samples / seconds,
            "training_flops": counted.flops * ledger.horizon,
        }
        values |= _memory(live, setting, device) | _latency(live, device)
    return Prediction(values, _lines(values, recipe))


def _memory(live: Live, setting: Setting, device: torch.device) -> dict[str, object]:
    """Bytes that training would hold, and whether the machine has them."""
    task, recipe = setting.task, setting.recipe
    held = [training_bytes(live.nets[n], SLOTS[recipe.roles[n].optimizer]) for n in live.trained]
    order = task.order(live.part, recipe.batch_size, stream(recipe.seed, "order", 0))
    batch = task.batch(live.part, Draw(order[0].to(device)), stream(0, "count"), train=True)
    shadow = {k: v.to("meta") for k, v in batch.items()}
    nets = {n: on_meta(net) for n, net in live.nets.items()}
    carry = {k: v.to("meta") for k, v in live.carry.items()}
    own = [t for net in nets.values() for t in (*net.parameters(), *net.buffers())]
    with outer_states_kept():
        kept = 0
        for turn in task.turns():
            objective = partial(task.objective, turn, nets, shadow, carry, stream(0, "count"))
            kept = max(kept, saved_bytes(objective, own))
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = psutil.virtual_memory().available
    need = sum(h.total for h in held) + kept
    return {
        "weights_bytes": sum(sum(h.weights.values()) for h in held),
        "gradients_bytes": sum(sum(h.gradients.values()) for h in held),
        "optimizer_bytes": sum(sum(h.optimizer.values()) for h in held),
        "activations_bytes": kept,
        "available_bytes": free,
        "fits": need < 0.9 * free,
        "peak_memory": peak_memory(device),
    }


def _latency(live: Live, device: torch.device) -> dict[str, object]:
    """Seconds of one answer at batch 1, each network once."""
    examples = {}
    for name in live.trained:
        inputs = meta_inputs(live.nets[name].signature, 1)
        examples[name] = {k: torch.zeros_like(v, device=device) for k, v in inputs.items()}

    with live.judged() as nets, torch.inference_mode():

        def answer() -> None:
            for name, inputs in examples.items():
                nets[name](**inputs)

        took = latency(answer, warmup=20, repeats=100, wait=waiter(device))
    return {"latency_p50": took.p50, "latency_p90": took.p90, "latency_p99": took.p99}


def _lines(values: dict[str, object], recipe: Recipe) -> list[str]:
    v = {k: float(x) for k, x in values.items() if isinstance(x, int | float)}
    mib = 1 / (1 << 20)
    held = v["weights_bytes"] + v["gradients_bytes"] + v["optimizer_bytes"] + v["activations_bytes"]
    lines = [
        f"{v['parameters']:,.0f} parameters, {v['forward_flops']:.3g} FLOPs forward for one sample",
        f"a budget of {recipe.budget} is {v['steps']:,.0f} steps of "
        f"{v['seconds_per_step'] * 1e3:.1f} ms: {v['seconds']:.1f} s, "
        f"{v['training_flops']:.3g} FLOPs",
        f"{held * mib:.1f} MiB to train: weights {v['weights_bytes'] * mib:.1f}, gradients "
        f"{v['gradients_bytes'] * mib:.1f}, optimizer {v['optimizer_bytes'] * mib:.1f}, "
        f"activations {v['activations_bytes'] * mib:.1f}; it "
        f"{'fits' if values['fits'] else 'does not fit'} into the "
        f"{v['available_bytes'] * mib:,.0f} MiB that are free",
    ]
    if "latency_p50" in v:
        lines.append(
            f"latency of one answer: p50 {v['latency_p50'] * 1e3:.2f}, p90 "
            f"{v['latency_p90'] * 1e3:.2f}, p99 {v['latency_p99'] * 1e3:.2f} ms"
        )
    uncounted = values["uncounted"]
    if isinstance(uncounted, list) and uncounted:
        lines.append(f"not counted: {', '.join(map(str, uncounted))}")
    return lines
