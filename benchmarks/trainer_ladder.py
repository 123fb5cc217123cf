"""The ladder against `Trainer` of transformers: a decoder of 4 layers of 256, 8,192 symbols.

`python benchmarks/trainer_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an
environment with torch, transformers and accelerate. Live processes in interleaved rounds; every
ratio is ours over theirs, paired by round. Equal learning is checked from the same first weights on
the same batches of a made-up text, at a length of 64.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import Contestant, arguments, interleaved, ratio, write
from trainer_worker import BATCH, VOCABULARY

HERE = Path(__file__).parent
RIVALS = ("trainer", "trainer-fused")
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
    given = parser.parse_args()
    t, worker = str(given.threads), str(HERE / "trainer_worker.py")
    ours = Contestant("ours", [sys.executable, worker, "ours", t])
    theirs = [Contestant(rival, [given.peer, worker, rival, t]) for rival in RIVALS]
    question = {"kind": "training", "steps": given.trial}
    found = interleaved([ours, *theirs], question, given.rounds, warm=1)
    rate = {name: [trial["rate"] for trial in trials] for name, trials in found.items()}
    equal = learned(ours, theirs[0], given.steps)
    for contestant in (ours, *theirs):
        contestant.close()
    write(
        f"trainer-{given.threads}",
        {
            "threads": given.threads,
            "rounds": given.rounds,
            "ratios": {rival: ratio(rate["ours"], rate[rival]) for rival in RIVALS},
            "rates": {name: statistics.median(v) for name, v in rate.items()},
            "busy": {k: statistics.median(x["busy"] for x in v) for k, v in found.items()},
            "learning": equal,
            "note": "tokens a second, fp32; training time is that of the epoch, without what "
            "Trainer does before and after it; learning: the same first weights and batches of a "
            f"made-up text, mean loss of the last {LAST} steps",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
