"""Our contestant beside Keras in language: the real loop; one JSON line in, one out.

`our_language_worker.py THREADS` trains and runs `rnn/classic` and `transformer/classic`
in float32, prepared as a training is by default: a resident text, windows from all over it, Adam at
1e-3.
"""

import copy
import itertools
import json
import os
import sys
import time

import numpy as np
import torch

from netwright.codecs import Characters
from netwright.datasets.base import Tensors
from netwright.specs import Schema, Text
from netwright.tasks.base import Draw
from netwright.train.budget import Budget, Ledger
from netwright.train.live import Live, build_networks
from netwright.train.loop import rounds
from netwright.train.machine import Options, prepared
from netwright.train.recipe import Named, resolve
from netwright.train.setting import bind_task
from netwright.train.streams import outer_states_kept, stream

THREADS = int(sys.argv[1])
VOCABULARY, BATCH, LENGTH, WIDTH, HEADS = 96, 64, 128, 64, 8
SEQUENCES = 512  # of the text that an epoch goes through
FAMILIES = {"lstm": "rnn/classic", "transformer": "transformer/classic"}
SCHEMA = Schema(
    columns={
        "text": Text(
            codec=Characters.of("".join(map(chr, range(32, 32 + VOCABULARY)))), length=LENGTH
        )
    }
)


def live_on(name, symbols, batch=BATCH):
    """A training of `name` on a stream of symbols (m,)."""
    plain = {"learning_rate": 1e-3, "betas": [0.9, 0.999], "schedule": "constant", "warmup": 0.0}
    recipe = resolve(
        "text-generation",
        Named(name="text"),
        {"net": FAMILIES[name]},
        budget=Budget(steps=10**6),
        over={
            "task": {"order": "windows", "length_warmup": 0.0},
            "roles": {"net": {**plain, "optimizer": "adam", "weight_decay": 0.0, "clip": None}},
            "batch": batch,
            "precision": "fp32",
        },
    )
    task = bind_task(recipe.task, SCHEMA)
    part = Tensors({"text": symbols, "document": torch.zeros_like(symbols)})
    return Live(task, part, recipe, torch.device("cpu"), build_networks(task, recipe, {}))


def loop_of(live):
    return rounds(live, Ledger(Budget(steps=10**6), 1, BATCH, 0.0, [(0, 10**6)]))


def as_keras_keeps(net):
    """Our weights in the order and the shapes of the Keras nets'."""
    w = {k: v.detach().numpy() for k, v in net.state_dict().items()}
    made = [w["stem.embed.weight"]]
    for i in range(2):
        core, block = f"trunk.layers.ahead.{i}.core", f"trunk.blocks.{i}"
        if f"{core}.bias_ih_l0" in w:
            made += [w[f"{core}.weight_ih_l0"].T, w[f"{core}.weight_hh_l0"].T]
            made.append(w[f"{core}.bias_ih_l0"])
            continue
        made += [w[f"{block}.attention_norm.{part}"] for part in ("weight", "bias")]
        matrices = np.split(w[f"{block}.attention.project.0.weight"], 3)
        biases = np.split(w[f"{block}.attention.project.0.bias"], 3)
        for matrix, bias in zip(matrices, biases, strict=True):
            made += [matrix.T.reshape(WIDTH, HEADS, -1), bias.reshape(HEADS, -1)]
        made.append(w[f"{block}.attention.output.weight"].T.reshape(HEADS, -1, WIDTH))
        made.append(w[f"{block}.attention.output.bias"])
        made += [w[f"{block}.feedforward_norm.{part}"] for part in ("weight", "bias")]
        for layer in ("up", "output"):
            made.append(w[f"{block}.feedforward.{layer}.weight"].T)
            made.append(w[f"{block}.feedforward.{layer}.bias"])
    if "trunk.norm.weight" in w:
        made += [w["trunk.norm.weight"], w["trunk.norm.bias"]]
    return [*made, w["head.read.weight"].T, w["head.read.bias"]]


def learn(asked):
    """Losses of the loop on a text; its batches and first weights are left for the other."""
    live = live_on(asked["net"], torch.from_numpy(np.load(asked["text"])), asked["batch"])
    order = live.task.order(live.part, asked["batch"], stream(live.recipe.seed, "order", 0))
    steps = min(asked["steps"], len(order))
    batches = [
        live.task.batch(live.part, Draw(index, 0, at), stream(0), train=True)
        for at, index in enumerate(order[:steps])
    ]
    kept = {f"w{i}": w.copy() for i, w in enumerate(as_keras_keeps(live.nets["net"]))}
    for key in ("x", "y"):
        kept[key] = torch.stack([b[key] for b in batches]).int().numpy()
    np.savez(asked["file"], **kept)
    with outer_states_kept():
        for _ in itertools.islice(loop_of(live), steps):
            pass
    (tally,) = live.tallies.values()
    return [float(loss) for loss, _ in tally.moves]


def main():
    g = torch.Generator().manual_seed(0)
    symbols = torch.randint(VOCABULARY, ((SEQUENCES + 1) * LENGTH,), generator=g, dtype=torch.int32)
    x = symbols[: BATCH * LENGTH].view(BATCH, LENGTH).long()
    lives = {name: live_on(name, symbols) for name in FAMILIES}
    frozen = {name: copy.deepcopy(live.nets["net"]).eval() for name, live in lives.items()}
    loops = {name: loop_of(live) for name, live in lives.items()}
    pinned = False
    for line in sys.stdin:
        asked = json.loads(line)
        kind, name = asked["kind"], asked["net"]
        start, cpu = time.perf_counter(), time.process_time()
        if kind == "training":
            with outer_states_kept():
                for _ in range(asked["sequences"] // BATCH):
                    next(loops[name])
            done = asked["sequences"] // BATCH * BATCH * LENGTH
        elif kind == "inference":
            with torch.inference_mode():
                for _ in range(asked["passes"]):
                    frozen[name](x)
            done = asked["passes"] * BATCH * LENGTH
        else:
            print(json.dumps({"losses": learn(asked)}), flush=True)
            continue
        seconds = time.perf_counter() - start
        answer = {"rate": done / seconds, "busy": (time.process_time() - cpu) / seconds}
        if not pinned and asked.get("pin"):
            for task in os.listdir("/proc/self/task"):
                os.sched_setaffinity(int(task), set(range(THREADS)))
            pinned = True
        print(json.dumps(answer), flush=True)


with prepared(Options(device="cpu", threads=THREADS)):
    main()
