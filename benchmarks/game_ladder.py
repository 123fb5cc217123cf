"""The textbook pair at 32 pixels against a plain PyTorch loop and Keras 3 on TensorFlow.

`python benchmarks/game_ladder.py --peer PYTHON --threads 1`, where PYTHON is that of an environment
with tensorflow and keras. Live processes in interleaved rounds; every ratio is ours over theirs,
paired by round.
"""

import statistics
import sys
from pathlib import Path

from common import Contestant, arguments, interleaved, ratio, write

HERE = Path(__file__).parent


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", required=True, help="Python with tensorflow and keras")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16, help="of a trial")
    given = parser.parse_args()
    t = str(given.threads)
    contestants = [
        Contestant(way, [sys.executable, str(HERE / "game_worker.py"), way, t])
        for way in ("ours", "plain")
    ] + [
        Contestant(rung, [given.peer, str(HERE / "keras_game_worker.py"), rung, t])
        for rung in ("tuned", "tuned-bf16")
    ]
    found = interleaved(contestants, {"steps": given.steps}, given.rounds, warm=1)
    for contestant in contestants:
        contestant.close()
    rate = {name: [trial["rate"] for trial in trials] for name, trials in found.items()}
    write(
        f"game-{given.threads}",
        {
            "threads": given.threads,
            "rounds": given.rounds,
            "ratios": {k: ratio(rate["ours"], v) for k, v in rate.items() if k != "ours"},
            "rates": {k: statistics.median(v) for k, v in rate.items()},
            "busy": {k: statistics.median([x["busy"] for x in v]) for k, v in found.items()},
            "note": "pictures a second, fp32; one move of each player a round, 64 pictures each",
        },
        given.out,
    )


if __name__ == "__main__":
    main()
