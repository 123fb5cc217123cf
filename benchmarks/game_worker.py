"""The textbook pair at 32 pixels, ours or a plain PyTorch loop; one JSON line in, one out.

Both take 64 pictures a round, one move of the discriminator and one of the generator, Adam(2e-4,
0.5). The plain loop is what tutorials write: contiguous tensors, unfused Adam, both players' losses
read every step, and the generator's move on the same made pictures.
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F

WAY, THREADS = sys.argv[1], int(sys.argv[2])
SAMPLES = 4096
torch.set_num_threads(THREADS)
g = torch.Generator().manual_seed(0)
images = torch.randint(256, (SAMPLES, 3, 32, 32), generator=g, dtype=torch.uint8)


def players():
    """The pair, as `cnn` builds it."""
    from netwright import registry
    from netwright.specs import Image, Signature, Vector

    torch.manual_seed(0)
    cnn, picture = registry.load("models", "cnn"), Image(3, 32, 32)
    return (
        cnn.build(Signature(Vector(100), picture), cnn.presets["dcgan-generator"]),
        cnn.build(Signature(picture, Vector(1)), cnn.presets["dcgan-discriminator"]),
    )


def plain():
    """A loop as tutorials write it."""
    maker, critic = players()
    first = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
    second = torch.optim.Adam(maker.parameters(), lr=2e-4, betas=(0.5, 0.999))
    data = torch.utils.data.TensorDataset(images.float() / 127.5 - 1)
    loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True, drop_last=True)
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    loss = F.binary_cross_entropy_with_logits
    while True:
        for (real,) in loader:
            first.zero_grad()
            of_real = loss(critic(real), ones)
            of_real.backward()
            fake = maker(torch.randn(64, 100)).tanh()
            of_fake = loss(critic(fake.detach()), zeros)
            of_fake.backward()
            first.step()
            second.zero_grad()
            last = loss(critic(fake), ones)
            last.backward()
            second.step()
            yield (of_real + of_fake).item(), last.item()


def ours():
    """The loop of netwright."""
    from netwright.datasets.base import Tensors
    from netwright.specs import Image, Pictures, Schema
    from netwright.train.budget import Budget, Ledger
    from netwright.train.live import Live, build_networks
    from netwright.train.loop import rounds
    from netwright.train.machine import Options, keep_freed_memory
    from netwright.train.recipe import Named, resolve
    from netwright.train.setting import bind_task, lay
    from netwright.train.streams import outer_states_kept

    keep_freed_memory()
    form = Image(3, 32, 32)
    pictures = Pictures(form=form, mean=(0.5,) * 3, deviation=(0.3,) * 3)
    recipe = resolve(
        "image-generation",
        Named(name="cifar10"),
        {"generator": "cnn/dcgan-generator", "discriminator": "cnn/dcgan-discriminator"},
        budget=Budget(steps=10**6),
        over={"task": {"noise": 100}},
    )
    task = bind_task(recipe.task, Schema(columns={"image": pictures}))
    nets = build_networks(task, recipe, {})
    for net in nets.values():
        lay(net, Options())
    live = Live(task, Tensors({"image": images}), recipe, torch.device("cpu"), nets)
    loop = rounds(live, Ledger(recipe.budget, 1, 64, 0.0, [(0, 10**6)]))
    while True:
        with outer_states_kept():
            next(loop)
        yield None


loop = ours() if WAY == "ours" else plain()
pinned = False
for line in sys.stdin:
    asked = json.loads(line)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(asked["steps"]):
        next(loop)
    seconds = time.perf_counter() - start
    if not pinned:
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), set(range(THREADS)))
        pinned = True
    answer = {
        "rate": 64 * asked["steps"] / seconds,
        "busy": (time.process_time() - cpu) / seconds,
    }
    print(json.dumps(answer), flush=True)
