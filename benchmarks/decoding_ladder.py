"""The ladder against `generate` of transformers: 6 layers of 384, batch 1, 128 new symbols.

`python benchmarks/decoding_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an
environment with torch and transformers. Both decode with a cache from a prompt of 16, with the same
random weights, so in float32 the symbols must agree (in int8 the nearly equal logits of random
weights change places); live processes in interleaved rounds, every ratio is ours over theirs,
paired by round.
"""

import statistics
import sys
import tempfile
from itertools import takewhile
from pathlib import Path

from common import Contestant, arguments, interleaved, ratio, write

HERE = Path(__file__).parent
OURS = ("ours", "ours-int8")


def agreed(mine: list[int], other: list[int]) -> int:
    """How many symbols are the same before the first that is not."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(mine, other, strict=True)))


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", required=True, help="Python with transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--new", type=int, default=128, help="symbols that are made")
    parser.add_argument("--texts", type=int, default=3, help="of a trial")
    given = parser.parse_args()
    worker = str(HERE / "decoding_worker.py")
    with tempfile.TemporaryDirectory() as folder:
        end = [str(given.threads), str(Path(folder) / "weights.npz")]
        contestants = [
            # the first draws the weights, in its first trial
            Contestant("generate", [given.peer, worker, "generate", *end]),
            *(Contestant(name, [sys.executable, worker, name, *end]) for name in OURS),
        ]
        question = {"texts": given.texts, "new": given.new}
        found = interleaved(contestants, question, given.rounds, warm=1)
        for contestant in contestants:
            contestant.close()
    rate = {name: [trial["rate"] for trial in trials] for name, trials in found.items()}
    made = {name: trials[0]["made"] for name, trials in found.items()}
    write(
        f"decoding-{given.threads}",
        {
            "threads": given.threads,
            "rounds": given.rounds,
            "ratios": {name: ratio(rate[name], rate["generate"]) for name in OURS},
            "rates": {name: statistics.median(v) for name, v in rate.items()},
            "busy": {k: statistics.median(x["busy"] for x in v) for k, v in found.items()},
            "agreed": {name: agreed(made[name], made["generate"]) for name in OURS},
            "parameters": {name: trials[0]["parameters"] for name, trials in found.items()},
            "note": "symbols a second, batch 1, prompt 16, greedy, the same random weights, whose "
            "texts mean nothing; agreed: equal symbols from the first on",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
