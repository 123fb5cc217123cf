"""Predicted against actual seconds of a training with a budget in steps, four families, digits."""

import tempfile
from pathlib import Path

from common import arguments, write

from netwright import face

CANDIDATES = ("cnn/small", "rnn/small", "transformer/small", "self_attention/small")


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--budget", default="600steps")
    given = parser.parse_args()
    runs = []
    for candidate in CANDIDATES:
        said = face.cost("digits", structure=candidate, budget=given.budget, threads=given.threads)
        with tempfile.TemporaryDirectory() as folder:
            trained = face.train(
                "digits",
                structure=candidate,
                budget=given.budget,
                out=Path(folder) / "run",
                threads=given.threads,
                quiet=True,
            )
        predicted, actual = float(said.document()["seconds"]), float(trained.cost["seconds"])
        runs.append(
            {
                "candidate": candidate,
                "predicted": predicted,
                "actual": actual,
                "ratio": predicted / actual,
            }
        )
        print(runs[-1], flush=True)
    write(
        "cost-prediction",
        {"budget": given.budget, "threads": given.threads, "runs": runs},
        given.out,
    )


if __name__ == "__main__":
    main()
