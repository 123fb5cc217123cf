"""The ladder against Keras 3 on TensorFlow, classic CNN, interleaved rounds of live processes.

`python benchmarks/keras_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an
environment with tensorflow and keras. Every ratio is ours over theirs, paired by round; the same
accuracy after the same epochs is checked on digits enlarged to 28 x 28.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import Contestant, arguments, interleaved, ratio, write

HERE = Path(__file__).parent


def enlarged_digits(path: Path) -> None:
    """Digits at 28 x 28 in [0, 1]: 1,437 to train, 360 to test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x = np.kron(found.images / 16.0, np.ones((3, 3)))
    x = np.pad(x, ((0, 0), (2, 2), (2, 2))).astype(np.float32)[..., None]
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], found.target[order]
    np.savez(path, x=x[:1437], y=y[:1437], tx=x[1437:], ty=y[1437:])


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", required=True, help="Python with tensorflow and keras")
    parser.add_argument("--bf16-samples", type=int, default=12288)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    t = str(given.threads)
    ours = [
        Contestant(o, [sys.executable, str(HERE / "our_worker.py"), o, t])
        for o in ("default", "same-order")
    ]
    # bf16 is emulated on processors without its units: fewer samples a trial, the same rate
    rungs = {"installed": 12288, "tuned": 12288, "tuned-bf16": given.bf16_samples}
    theirs = [
        Contestant(rung, [given.peer, str(HERE / "keras_worker.py"), rung, t, str(samples)])
        for rung, samples in rungs.items()
    ]
    ratios, rates = {}, {}
    trained = interleaved([*ours, *theirs], {"kind": "training", "pin": True}, given.rounds, warm=1)
    rate = {name: [trial["rate"] for trial in trials] for name, trials in trained.items()}
    rates["training"] = {k: statistics.median(v) for k, v in rate.items()}
    rates["busy"] = {k: statistics.median([x["busy"] for x in v]) for k, v in trained.items()}
    for rung in rungs:
        ratios[rung] = ratio(rate["default"], rate[rung])
    ratios["same-order"] = ratio(rate["same-order"], rate["tuned"])
    for kind in ("inference", "predict", "traced"):
        found = interleaved([ours[0], theirs[1]], {"kind": kind}, given.rounds, warm=1)
        rate = {name: [trial["rate"] for trial in trials] for name, trials in found.items()}
        rates[kind] = {k: statistics.median(v) for k, v in rate.items()}
        ratios[kind] = ratio(rate["default"], rate["tuned"])
    learned: dict[str, list[float]] = {"ours": [], "keras": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "digits.npz"
        enlarged_digits(file)
        for seed in range(3):
            question = {"kind": "learn", "file": str(file), "epochs": 8, "seed": seed}
            learned["ours"].append(ours[0].ask(question)["accuracy"])
            learned["keras"].append(theirs[0].ask(question)["accuracy"])
    for contestant in (*ours, *theirs):
        contestant.close()
    write(
        f"keras-{given.threads}",
        {
            "threads": given.threads,
            "rounds": given.rounds,
            "ratios": ratios,
            "rates": rates,
            "accuracy_after_8_epochs": learned,
            "note": "ours pools before the ReLU, except in same-order; fp32",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
