"""The ladder against Keras 3 on TensorFlow in language: `rnn/classic` and `transformer/classic`.

`python benchmarks/language_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an
environment with tensorflow and keras. 96 symbols, 64 windows of 128 a batch, Adam at 1e-3, live
processes in interleaved rounds; every ratio is ours over theirs, paired by round. Before the rounds
the peer keeps the faster of jit_compile on and off, for each net. Equal learning is checked from
the same first weights on the same batches of a made-up text.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import Contestant, arguments, ratio, write

HERE = Path(__file__).parent
NETS = ("lstm", "transformer")
VOCABULARY, BATCH, LENGTH, LAST = 96, 64, 128, 5
WAYS = {"tuned": [False, True], "tuned-bf16": [False]}
"""jit_compile, as it is tried; under mixed_bfloat16 it was slower for both nets."""


def markov(path: Path, count: int) -> None:
    """A text in which each symbol is followed by one of four, mostly by the first of them."""
    rng = np.random.default_rng(0)
    after = rng.integers(0, VOCABULARY, (VOCABULARY, 4))
    which = rng.choice(4, count, p=(0.7, 0.15, 0.1, 0.05))
    text = np.zeros(count, dtype=np.int32)
    for i in range(1, count):
        text[i] = after[text[i - 1], which[i]]
    np.save(path, text)


def rounds(kind, contestants, question, sequences, number):
    """Interleaved rounds in which each trains on as many sequences as it is given."""
    found = {c.name: [] for c in contestants}
    for _ in range(number):
        for c in contestants:
            many = sequences[c.name, question["net"]]
            found[c.name].append(c.ask({**question, "kind": kind, "sequences": many}))
    return found


def learned(ours: Contestant, theirs: Contestant, net: str, steps: int) -> dict[str, float]:
    """Loss of the first and of the last steps, from the same weights on the same batches."""
    batch = 8
    with tempfile.TemporaryDirectory() as folder:
        text, file = Path(folder) / "text.npy", Path(folder) / "batches.npz"
        markov(text, (steps * batch + 1) * LENGTH)
        question = {"kind": "learn", "net": net, "text": str(text), "file": str(file)}
        mine = ours.ask({**question, "steps": steps, "batch": batch})["losses"]
        other = theirs.ask(question)
    plain, summed = other["losses"], other["summed"]
    last = [statistics.mean(losses[-LAST:]) for losses in (mine, summed, plain)]
    return {
        "steps": len(mine),
        "first": mine[0],
        "first_keras": summed[0],
        "last": last[0],
        "last_keras": last[1],
        "apart": abs(last[0] / last[1] - 1),
        "last_keras_as_it_is": last[2],
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", required=True, help="Python with tensorflow and keras")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sequences", type=int, default=512, help="of a trial of the LSTM")
    parser.add_argument("--passes", type=int, default=12, help="of a trial of inference")
    parser.add_argument("--steps", type=int, default=40, help="after which losses are compared")
    given = parser.parse_args()
    t = str(given.threads)
    ours = Contestant("ours", [sys.executable, str(HERE / "our_language_worker.py"), t])
    theirs = [
        Contestant(rung, [given.peer, str(HERE / "keras_language_worker.py"), rung, t])
        for rung in WAYS
    ]
    # a transformer's step takes twice as long; bf16 is emulated on processors without its units
    many = {"lstm": given.sequences, "transformer": max(BATCH, given.sequences // 2)}
    trials = {(c.name, net): many[net] for c in (ours, *theirs) for net in NETS}
    trials |= {("tuned-bf16", net): BATCH for net in NETS}
    chosen, ratios, rates, busy = {}, {}, {}, {}
    for net in NETS:
        question = {"net": net, "passes": given.passes, "pin": True}
        for c in theirs:
            asked = {**question, "sequences": trials[c.name, net], "jit": WAYS[c.name]}
            chosen[f"{net}-{c.name}"] = c.ask({**asked, "kind": "choose"})
        for kind, rivals in (("training", theirs), ("inference", theirs[:1])):
            ours.ask({**question, "kind": kind, "sequences": BATCH})
            found = rounds(kind, [ours, *rivals], question, trials, given.rounds)
            rate = {name: [trial["rate"] for trial in mine] for name, mine in found.items()}
            for name, mine in found.items():
                rates[f"{net}-{kind}-{name}"] = statistics.median(rate[name])
                busy[f"{net}-{kind}-{name}"] = statistics.median(x["busy"] for x in mine)
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
            "note": "tokens a second; ours fp32. learning: the same first weights and batches of a "
            f"made-up text, mean loss of the last {LAST} steps; last_keras sums the gradient of an "
            "embedding's row over places before Adam squares it, which Keras as it is does not",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
