"""The ladder against `Trainer` of transformers: a decoder of 4 layers of 256, 8,192 symbols.

`python benchmarks/trainer_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an
environment with torch, transformers and accelerate. In float32, and in bf16 too where the processor
or the card computes in it. Live processes in interleaved rounds; every
ratio is ours over theirs, paired by round. Equal learning is checked from the same first weights on
the same batches of a made-up text, at a length of 64.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import Contestant, arguments, interleaved, ratio, write
from trainer_worker import BATCH, VOCABULARY

from netwright.train.machine import has_bf16

HERE = Path(__file__).parent
FP32, BF16 = ("trainer", "trainer-fused"), ("trainer-bf16", "trainer-fused-bf16")
SHORT, LAST = 64, 5


def markov(path: Path, rows: int) -> None:
    """Rows in which each symbol is followed by one of four, mostly by the first of them."""
    rng = np.random.default_rng(0)
    after = rng.integers(0, 256, (256, 4))
    which = rng.choice(4, (rows, SHORT + 1), p=(0.7, 0.15, 0.1, 0.05))
    text = np.zeros((rows, SHORT + 1), dtype=np.int32)
    text[:, 0] = rng.integers(0, 256, rows)
    for t in range(1, SHORT + 1):
        text[:, t] = after[text[:, t - 1], which[:, t]]
    np.save(path, text * (VOCABULARY // 256))


def learned(ours: Contestant, theirs: Contestant, steps: int) -> dict[str, float]:
    """Loss of the first and of the last steps, from the same weights on the same batches."""
    with tempfile.TemporaryDirectory() as folder:
        text, file = Path(folder) / "text.npy", Path(folder) / "weights.npz"
        markov(text, steps * BATCH)
        question = {"kind": "learn", "text": str(text), "file": str(file)}
        other = theirs.ask(question)["losses"]
        mine = ours.ask(question)["losses"]
    last = [statistics.mean(losses[-LAST:]) for losses in (mine, other)]
    return {
        "steps": len(mine),
        "first": mine[0],
        "first_trainer": other[0],
        "last": last[0],
        "last_trainer": last[1],
        "apart": abs(last[0] / last[1] - 1),
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", required=True, help="Python with transformers and accelerate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trial", type=int, default=4, help="steps of a trial")
    parser.add_argument("--steps", type=int, default=40, help="after which losses are compared")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    worker, end = str(HERE / "trainer_worker.py"), [str(given.threads), given.device]
    bf16 = has_bf16(torch.device(given.device))
    rivals = dict.fromkeys(FP32, "ours") | {rival: "ours-bf16" for rival in BF16 if bf16}
    who = [*dict.fromkeys(rivals.values()), *rivals]
    python = {name: sys.executable if "ours" in name else given.peer for name in who}
    there = {name: Contestant(name, [python[name], worker, name, *end]) for name in who}
    question = {"kind": "training", "steps": given.trial}
    found = interleaved(list(there.values()), question, given.rounds, warm=1)
    rate = {name: [trial["rate"] for trial in trials] for name, trials in found.items()}
    equal = learned(there["ours"], there["trainer"], given.steps)
    for contestant in there.values():
        contestant.close()
    ratios = {rival: ratio(rate[mine], rate[rival]) for rival, mine in rivals.items()}
    if bf16:
        ratios["ours-bf16"] = ratio(rate["ours-bf16"], rate["trainer"])
    write(
        f"trainer-{given.threads}" if given.device == "cpu" else "trainer-cuda",
        {
            "threads": given.threads,
            "rounds": given.rounds,
            "ratios": ratios,
            "rates": {name: statistics.median(v) for name, v in rate.items()},
            "busy": {k: statistics.median(x["busy"] for x in v) for k, v in found.items()},
            "learning": equal,
            "note": "tokens a second; ours over each of theirs at its precision, ours-bf16 over "
            "theirs in float32; training time is that of the epoch, without what Trainer does "
            "before and after it; learning: the same first weights and batches of a made-up text, "
            f"mean loss of the last {LAST} steps",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
