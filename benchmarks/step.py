"""Our step against a hand-written lean loop with the same fused optimizer: classic CNN and an MLP.

Both run in one process, round by round, on resident random data of 28 x 28; the lean loop gathers,
normalises, steps fused AdamW and sums the loss as a tensor. Ours has its guard on.
"""

import time

import torch
import torch.nn.functional as F
from common import arguments, ratio, write

from netwright import registry
from netwright.datasets.base import Tensors
from netwright.specs import Image, Labels, Pictures, Schema
from netwright.train.budget import Budget, Ledger
from netwright.train.live import Live, build_networks
from netwright.train.loop import rounds
from netwright.train.machine import keep_freed_memory
from netwright.train.recipe import Named, resolve
from netwright.train.setting import bind_task
from netwright.train.streams import outer_states_kept

SCHEMA = Schema(
    columns={
        "image": Pictures(form=Image(1, 28, 28), mean=(0.3,), deviation=(0.3,)),
        "label": Labels(names=tuple("0123456789")),
    }
)


def lean(net, images, labels, steps):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
    order = torch.randperm(len(images)).split(64)
    total = torch.zeros(())
    scale, shift = 1 / 255 / 0.3, -1.0

    def run() -> None:
        nonlocal total
        for i in range(steps):
            index = order[i % len(order)]
            x = images.index_select(0, index).float().mul_(scale).add_(shift)
            loss = F.cross_entropy(net(x), labels.index_select(0, index))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()

    return run


def ours(candidate, images, labels, steps):
    recipe = resolve(
        "image-classification",
        Named(name="idx"),
        {"net": candidate},
        budget=Budget(steps=10**6),
        over={
            "task": {"label_smoothing": 0.0, "shift": 0},
            "roles": {"net": {"clip": None, "weight_decay": 0.01}},
        },
    )
    task = bind_task(recipe.task, SCHEMA)
    part = Tensors({"image": images, "label": labels})
    live = Live(task, part, recipe, torch.device("cpu"), build_networks(task, recipe, {}))
    ledger = Ledger(recipe.budget, 1, 64, 0.0, [(0, 10**6)])
    loop = rounds(live, ledger)

    def run() -> None:
        with outer_states_kept():
            for _ in range(steps):
                next(loop)

    return run, live.nets["net"]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    g = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8192, 1, 28, 28), generator=g, dtype=torch.uint8)
    labels = torch.randint(10, (8192,), generator=g)
    found = {}
    for candidate, steps in (("cnn/classic", 60), ("mlp/classic", 1500)):
        mine, net = ours(candidate, images, labels, steps)
        import copy

        theirs = lean(copy.deepcopy(net), images, labels, steps)
        wall: dict[str, list[float]] = {"ours": [], "lean": []}
        cpu: dict[str, list[float]] = {"ours": [], "lean": []}
        for number in range(given.rounds + 2):
            for name, run in (("ours", mine), ("lean", theirs)):
                start, begun = time.perf_counter(), time.process_time()
                run()
                if number >= 2:
                    wall[name].append(time.perf_counter() - start)
                    cpu[name].append(time.process_time() - begun)
        found[candidate] = {
            "ours_over_lean": ratio(wall["ours"], wall["lean"]),
            "ours_over_lean_cpu": ratio(cpu["ours"], cpu["lean"]),
            "lean_microseconds": 1e6 * sorted(wall["lean"])[given.rounds // 2] / steps,
            "busy": {k: sorted(c / w for c, w in zip(cpu[k], wall[k], strict=True)) for k in cpu},
        }
        print(candidate, found[candidate], flush=True)
    write(f"step-{given.threads}", {"threads": given.threads, "nets": found}, given.out)


if __name__ == "__main__":
    registry.names("models")
    main()
