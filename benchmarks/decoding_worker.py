"""Contestants of the decoding ladder: `generate` of transformers, or ours in fp32 or int8.

`decoding_worker.py WHO THREADS WEIGHTS` with one JSON line in, one out. WHO is `generate`, `ours`
or `ours-int8`. The net has 6 layers of 384, 6 heads and 8,192 symbols: 13.9 million random weights
that `generate` draws and leaves in the file WEIGHTS for ours. Batch 1, always the likeliest symbol.
"""

import json
import sys
import time

import numpy as np
from trainer_worker import VOCABULARY, config, dumped, from_gpt2, gpt2, pinned

LENGTH, SHAPE = 256, {"width": 384, "depth": 6, "heads": 6}


class Theirs:
    """`generate` with its cache."""

    def __init__(self, file):
        import torch

        self.net = gpt2(LENGTH, **SHAPE).eval()
        for parameter in self.net.parameters():
            if parameter.dim() > 1:  # with its own first weights it soon says one symbol for ever
                torch.nn.init.normal_(parameter, std=0.1)
        dumped(self.net, file)
        self.parameters = sum(p.numel() for p in self.net.parameters())

    def run(self, prompt, new):
        import torch

        x = torch.tensor([prompt])
        made = self.net.generate(
            x,
            attention_mask=torch.ones_like(x),
            max_new_tokens=new,
            min_new_tokens=new,
            do_sample=False,
            use_cache=True,
            pad_token_id=0,
        )
        return made[0, len(prompt) :].tolist()


class Ours:
    """`decode` on the cached steps of our net."""

    def __init__(self, file, precision):
        import torch

        from netwright.models.transformer import structure
        from netwright.specs import Signature, Tokens
        from netwright.train.quantise import in_columns, quantise

        form = Tokens(VOCABULARY, LENGTH)
        made = structure.Config.model_validate(config(**SHAPE))
        net = structure.build(Signature(form, form, positions="causal"), made).eval()
        w = from_gpt2(np.load(file), SHAPE["depth"])
        net.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in w.items()})
        self.parameters = sum(p.numel() for p in net.parameters())
        quantise(net, precision, torch.device("cpu"))
        if precision == "fp32":
            in_columns(net)  # as `load` does where a task generates
        self.net = net

    def run(self, prompt, new):
        from torch import Generator

        from netwright.nn.decoding import Decoding, decode

        how = Decoding(length=new, temperature=0.0)
        return [symbol for _, symbol in decode(self.net, [prompt], how, Generator())]


def main():
    import torch

    who, threads, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    contestant = None
    prompt = np.random.default_rng(0).integers(0, VOCABULARY, 16).tolist()
    for line in sys.stdin:
        asked = json.loads(line)
        fresh = contestant is None
        if contestant is None:
            precision = "int8" if who == "ours-int8" else "fp32"
            contestant = Theirs(file) if who == "generate" else Ours(file, precision)
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(asked["texts"]):
            made = contestant.run(prompt, asked["new"])
        seconds = time.perf_counter() - start
        answer = {
            "rate": asked["texts"] * asked["new"] / seconds,
            "busy": (time.process_time() - cpu) / seconds,
            "made": made,
            "parameters": contestant.parameters,
        }
        if fresh:
            pinned(threads)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
