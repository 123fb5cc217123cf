"""The ladder against Keras 3 on TensorFlow in language: `rnn/classic` and `transformer/classic`.

`python benchmarks/language_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an
environment with tensorflow and keras. 96 symbols, 64 windows of 128 a batch, Adam at 1e-3, live
processes in interleaved rounds; every ratio is ours over theirs, paired by round. Before the rounds
the peer keeps the faster of jit_compile on and off, for each net. Equal learning is checked from the
same first weights on the same batches of a made-up text.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import Contestant, arguments, interleaved, ratio, write

HERE = Path(__file__).parent
NETS = ("lstm", "transformer")
VOCABULARY, LENGTH, LAST = 96, 128, 5


def markov(path: Path, count: int) -> None:
    """A text in which each symbol is followed by one of four, mostly by the first of them."""
    rng = np.random.default_rng(0)
    after = rng.integers(0, VOCABULARY, (VOCABULARY, 4))
    which = rng.choice(4, count, p=(0.7, 0.15, 0.1, 0.05))
    text = np.zeros(count, dtype=np.int32)
    for i in range(1, count):
        text[i] = after[text[i - 1], which[i]]
    np.save(path, text)


def learned(ours: Contestant, theirs: Contestant, net: str, steps: int) -> dict[str, float]:
    """Loss of the first and of the last steps, from the same weights on the same batches."""
    batch = 16
    with tempfile.TemporaryDirectory() as folder:
        text, file = Path(folder) / "text.npy", Path(folder) / "batches.npz"
        markov(text, (steps * batch + 1) * LENGTH)
        question = {"kind": "learn", "net": net, "text": str(text), "file": str(file)}
        mine = ours.ask({**question, "steps": steps, "batch": batch})["losses"]
        other = theirs.ask(question)["losses"]
    last = [statistics.mean(losses[-LAST:]) for losses in (mine, other)]
    return {
        "steps": len(mine),
        "first": mine[0],
        "first_keras": other[0],
        "last": last[0],
        "last_keras": last[1],
        "apart": abs(last[0] / last[1] - 1),
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", required=True, help="Python with tensorflow and keras")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sequences", type=int, default=256, help="of a training trial")
    # bf16 is emulated on processors without its units: fewer sequences a trial, the same rate
    parser.add_argument("--bf16-sequences", type=int, default=64)
    parser.add_argument("--passes", type=int, default=6, help="of an inference trial")
    parser.add_argument("--steps", type=int, default=40, help="after which losses are compared")
    given = parser.parse_args()
    t, n = str(given.threads), str(given.sequences)
    ours = Contestant("ours", [sys.executable, str(HERE / "our_language_worker.py"), t, n])
    rungs = {"tuned": given.sequences, "tuned-bf16": given.bf16_sequences}
    theirs = [
        Contestant(rung, [given.peer, str(HERE / "keras_language_worker.py"), rung, t, str(many)])
        for rung, many in rungs.items()
    ]
    ways = {"tuned": [False, True], "tuned-bf16": [False]}
    chosen = {
        f"{net}-{c.name}": c.ask({"kind": "choose", "net": net, "jit": ways[c.name], "pin": True})
        for c in theirs
        for net in NETS
    }
    ratios, rates, busy = {}, {}, {}
    for net in NETS:
        for kind, rivals in (("training", theirs), ("inference", theirs[:1])):
            question = {"kind": kind, "net": net, "passes": given.passes, "pin": True}
            found = interleaved([ours, *rivals], question, given.rounds, warm=1)
            rate = {name: [trial["rate"] for trial in trials] for name, trials in found.items()}
            for name, trials in found.items():
                rates[f"{net}-{kind}-{name}"] = statistics.median(rate[name])
                busy[f"{net}-{kind}-{name}"] = statistics.median(x["busy"] for x in trials)
            for c in rivals:
                ratios[f"{net}-{kind}-{c.name}"] = ratio(rate["ours"], rate[c.name])
    equal = {net: learned(ours, theirs[0], net, given.steps) for net in NETS}
    for contestant in (ours, *theirs):
        contestant.close()
    write(
        f"language-{given.threads}",
        {
            "threads": given.threads,
            "rounds": given.rounds,
            "ratios": ratios,
            "rates": rates,
            "busy": busy,
            "chosen": chosen,
            "learning": equal,
            "note": "tokens a second; ours fp32; from the same weights on the same batches of a "
            f"made-up text, mean loss of the last {LAST} steps",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
