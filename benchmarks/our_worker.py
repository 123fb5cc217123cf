"""Our contestant beside Keras: the real loop on resident data; one JSON line in, one out."""

import copy
import json
import os
import sys
import time

import numpy as np
import torch
from step import SCHEMA

from netwright.datasets.base import Tensors
from netwright.train.budget import Budget, Ledger
from netwright.train.live import Live, build_networks
from netwright.train.loop import rounds
from netwright.train.machine import keep_freed_memory
from netwright.train.recipe import Named, resolve
from netwright.train.setting import bind_task
from netwright.train.streams import outer_states_kept

ORDER, THREADS = (
    sys.argv[1],
    int(sys.argv[2]),
)  # `default` pools before the ReLU, `same-order` after
torch.set_num_threads(THREADS)
keep_freed_memory()
N = 12288
g = torch.Generator().manual_seed(0)
images = torch.randint(256, (N, 1, 28, 28), generator=g, dtype=torch.uint8)
labels = torch.randint(10, (N,), generator=g)


def live_on(x, y, seed=0):
    config = {"pool_first": ORDER == "default"}
    recipe = resolve(
        "image-classification",
        Named(name="idx"),
        {"net": "cnn/classic"},
        budget=Budget(steps=10**6),
        seed=seed,
        over={
            "task": {"label_smoothing": 0.0, "shift": 0},
            "roles": {
                "net": {
                    "config": config,
                    "schedule": "constant",
                    "warmup": 0.0,
                    "betas": [0.9, 0.999],
                }
            },
        },
    )
    task = bind_task(recipe.task, SCHEMA)
    part = Tensors({"image": x, "label": y})
    nets = build_networks(task, recipe, {})
    nets["net"].to(memory_format=torch.channels_last)
    return Live(task, part, recipe, torch.device("cpu"), nets)


live = live_on(images, labels)
loop = rounds(live, Ledger(Budget(steps=10**6), 1, 64, 0.0, [(0, 10**6)]))
frozen = copy.deepcopy(live.nets["net"]).eval()
x256 = torch.rand(256, 1, 28, 28)
x1 = torch.rand(1, 1, 28, 28)
pinned = False

for line in sys.stdin:
    asked = json.loads(line)
    kind = asked["kind"]
    if kind == "training":
        start, cpu = time.perf_counter(), time.process_time()
        with outer_states_kept():
            for _ in range(N // 64):
                next(loop)
        seconds = time.perf_counter() - start
        answer = {"rate": N / seconds, "busy": (time.process_time() - cpu) / seconds}
    elif kind == "inference":
        with torch.inference_mode():
            start = time.perf_counter()
            for _ in range(40):
                frozen(x256)
            answer = {"rate": 40 * 256 / (time.perf_counter() - start)}
    elif kind in ("predict", "traced"):
        with torch.inference_mode():
            start = time.perf_counter()
            for _ in range(300):
                frozen(x1).numpy()
            answer = {"rate": 300 / (time.perf_counter() - start)}
    elif kind == "learn":
        given = np.load(asked["file"])
        x = torch.from_numpy((given["x"] * 255).round().astype(np.uint8)).permute(0, 3, 1, 2)
        mine = live_on(x.contiguous(), torch.from_numpy(given["y"]).long(), asked["seed"])
        fresh = rounds(mine, Ledger(Budget(steps=10**6), 1, 64, 0.0, [(0, 10**6)]))
        with outer_states_kept():
            for _ in range(asked["epochs"] * (len(x) // 64)):
                next(fresh)
        tx = torch.from_numpy(given["tx"]).permute(0, 3, 1, 2)
        net = mine.nets["net"].eval()
        with torch.inference_mode():
            right = net((tx - 0.3) / 0.3).argmax(1) == torch.from_numpy(given["ty"])
        answer = {"accuracy": float(right.float().mean())}
    if not pinned and asked.get("pin"):
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), set(range(THREADS)))
        pinned = True
    print(json.dumps(answer), flush=True)
