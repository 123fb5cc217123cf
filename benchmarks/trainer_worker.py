"""Contestants of the Trainer ladder: GPT-2 of transformers under `Trainer`, or ours under our loop.

`trainer_worker.py WHO THREADS DEVICE` with one JSON line in, one out. WHO is `ours`, `trainer`
(GPT-2 as it is: GELU by its tanh formula, in parts) or `trainer-fused` (the same formula in one
kernel), in float32, or with `-bf16` behind in bf16 by autocast. All train a decoder of 4 layers of
256 with learned positions and a tied head on windows of 256 of 8,192 symbols, 8 a batch, without
dropout: AdamW at 1e-3, gradients clipped at 1.
"""

import itertools
import json
import os
import sys
import tempfile
import time

import numpy as np

VOCABULARY, LENGTH, WIDTH, DEPTH, HEADS, BATCH = 8192, 256, 256, 4, 4, 8


def pinned(threads):
    """Keep every thread of this process on the first processors."""
    for task in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(task), set(range(threads)))


def from_gpt2(w, depth):
    """The weights of transformers' GPT-2 under the names of ours; its matrices are (in, out)."""
    made = {
        "stem.embed.weight": w["transformer.wte.weight"],
        "head.read.weight": w["transformer.wte.weight"],
        "head.read.bias": np.zeros(len(w["transformer.wte.weight"]), np.float32),
        "trunk.positions.learned.table": w["transformer.wpe.weight"],
        "trunk.norm.weight": w["transformer.ln_f.weight"],
        "trunk.norm.bias": w["transformer.ln_f.bias"],
    }
    parts = {
        "attention_norm": "ln_1",
        "attention.project.0": "attn.c_attn",
        "attention.output": "attn.c_proj",
        "feedforward_norm": "ln_2",
        "feedforward.up": "mlp.c_fc",
        "feedforward.output": "mlp.c_proj",
    }
    for i in range(depth):
        for ours, theirs in parts.items():
            for name in ("weight", "bias"):
                value = w[f"transformer.h.{i}.{theirs}.{name}"]
                made[f"trunk.blocks.{i}.{ours}.{name}"] = value.T
    return made


def gpt2(length, *, width=WIDTH, depth=DEPTH, heads=HEADS, activation="gelu_new"):
    """GPT-2 with its own first weights."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=length,
        n_embd=width,
        n_layer=depth,
        n_head=heads,
        activation_function=activation,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config)


def config(width=WIDTH, depth=DEPTH, heads=HEADS):
    """Ours of the same form, as plain data; the head has a bias for each symbol beside."""
    return {
        "stem": {"width": width},
        "head": {"tied": True},
        "depth": depth,
        "heads": heads,
        "head_width": width // heads,
        "feedforward": 4 * width,
        "activation": "gelu_tanh",
        "norm": "layer",
        "positions": "learned",
        "bias": True,
        "zero_residual": False,
        "qk_norm": False,
    }


def dumped(net, file, **beside):
    """Leave the weights for the other."""
    np.savez(file, **{k: v.numpy() for k, v in net.state_dict().items()}, **beside)


def waited(device):
    """What was asked of a card has been done."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


class Theirs:
    """`Trainer`, made anew for each trial around the same net."""

    def __init__(self, who, device):
        import torch

        self.folder = tempfile.TemporaryDirectory()
        self.bf16, self.device = who.endswith("-bf16"), device
        self.activation = "gelu_pytorch_tanh" if "fused" in who else "gelu_new"
        self.net = gpt2(LENGTH, activation=self.activation)
        self.text = torch.randint(VOCABULARY, (64 * BATCH, LENGTH))

    def train(self, net, rows, *, sequential=False):
        """One epoch over `rows` (n, t): seconds, busy, and the mean loss of each step."""
        import transformers

        class Ended(transformers.TrainerCallback):
            def on_epoch_begin(self, *_, **__):
                self.begun, self.cpu = time.perf_counter(), time.process_time()

            def on_epoch_end(self, *_, **__):
                waited(device)
                self.seconds = time.perf_counter() - self.begun
                self.busy = (time.process_time() - self.cpu) / self.seconds

        device, asked = self.device, rows.clone()
        if sequential:
            asked[:, 0] = -100  # not predicted, but else counted where the loss is divided
        ended = Ended()
        options = transformers.TrainingArguments(
            output_dir=self.folder.name,
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            logging_strategy="steps" if sequential else "no",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=device == "cpu",
            bf16=self.bf16,
            train_sampling_strategy="sequential" if sequential else "random",
        )
        trainer = transformers.Trainer(
            model=net,
            args=options,
            train_dataset=[{"input_ids": r, "labels": a} for r, a in zip(rows, asked, strict=True)],
            callbacks=[ended],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
        return ended.seconds, ended.busy, losses

    def trial(self, steps):
        seconds, busy, _ = self.train(self.net, self.text[: steps * BATCH])
        return {"rate": steps * BATCH * LENGTH / seconds, "busy": busy}

    def learn(self, asked):
        """Losses on a text of windows one place longer than what ours reads."""
        import torch

        rows = torch.from_numpy(np.load(asked["text"])).long()
        net = gpt2(rows.shape[1], activation=self.activation)
        dumped(net, asked["file"])
        return self.train(net, rows, sequential=True)[2]


class Ours:
    """The loop as it trains by default, on resident text."""

    def __init__(self, who, device):
        import torch

        self.precision, self.device = "bf16" if who.endswith("-bf16") else "fp32", device
        symbols = torch.randint(VOCABULARY, ((64 * BATCH + 1) * LENGTH,), dtype=torch.int32)
        self.loop = self.loop_of(self.live_on(symbols, LENGTH))

    def live_on(self, symbols, length, over=None):
        import torch

        from netwright.codecs import Characters
        from netwright.datasets.base import Tensors
        from netwright.specs import Schema, Text
        from netwright.train.budget import Budget
        from netwright.train.live import Live, build_networks
        from netwright.train.recipe import Named, resolve
        from netwright.train.setting import bind_task

        codec = Characters.of("".join(map(chr, range(0x4E00, 0x4E00 + VOCABULARY))))
        schema = Schema(columns={"text": Text(codec=codec, length=length)})
        role = {
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "betas": [0.9, 0.999],
            "weight_decay": 0.0,
            "schedule": "constant",
            "warmup": 0.0,
            "clip": 1.0,
            "config": config(),
        }
        recipe = resolve(
            "text-generation",
            Named(name="text"),
            {"net": "transformer/language"},
            budget=Budget(steps=10**6),
            over={
                "task": {"order": "windows", "length_warmup": 0.0},
                "roles": {"net": role},
                "batch": BATCH,
                "precision": self.precision,
            },
        )
        task = bind_task(recipe.task, schema)
        part = Tensors({"text": symbols, "document": torch.zeros_like(symbols)})
        device, nets = torch.device(self.device), build_networks(task, recipe, {})
        return Live(task, part.to(device), recipe, device, nets)

    def loop_of(self, live):
        from netwright.train.budget import Budget, Ledger
        from netwright.train.loop import rounds

        return rounds(live, Ledger(Budget(steps=10**6), 1, BATCH, 0.0, [(0, 10**6)]))

    def trial(self, steps):
        from netwright.train.streams import outer_states_kept

        start, cpu = time.perf_counter(), time.process_time()
        with outer_states_kept():
            for _ in range(steps):
                next(self.loop)
        waited(self.device)
        seconds = time.perf_counter() - start
        busy = (time.process_time() - cpu) / seconds
        return {"rate": steps * BATCH * LENGTH / seconds, "busy": busy}

    def learn(self, asked):
        """Losses on the same rows, whose last symbol is only predicted, from the same weights."""
        import torch

        from netwright.train.streams import outer_states_kept

        rows = torch.from_numpy(np.load(asked["text"]))
        live = self.live_on(rows.flatten(), rows.shape[1] - 1)
        w = np.load(asked["file"])
        state = {
            name: torch.from_numpy(np.ascontiguousarray(value))
            for name, value in from_gpt2(w, DEPTH).items()
        }
        table = "trunk.positions.learned.table"
        state[table] = state[table][: rows.shape[1] - 1]
        live.nets["net"].load_state_dict(state)
        starts = torch.arange(len(rows)) * rows.shape[1]
        live._order = (0, starts.split(BATCH))  # row by row, as the other reads them
        with outer_states_kept():
            for _ in itertools.islice(self.loop_of(live), len(rows) // BATCH):
                pass
        (tally,) = live.tallies.values()
        return [float(loss) for loss, _ in tally.moves]


def serve(who, threads, device):
    contestant = (Ours if who.startswith("ours") else Theirs)(who, device)
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        if asked["kind"] == "training":
            answer = contestant.trial(asked["steps"])
        else:
            answer = {"losses": contestant.learn(asked)}
        if number == 0:
            pinned(threads)
        print(json.dumps(answer), flush=True)


def main():
    who, threads, device = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if who.startswith("ours"):
        from netwright.train.machine import Options, prepared

        with prepared(Options(device=device, threads=threads)):
            serve(who, threads, device)
        return
    import torch

    torch.set_num_threads(threads)
    serve(who, threads, device)


if __name__ == "__main__":
    main()
