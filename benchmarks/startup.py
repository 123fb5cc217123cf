"""Seconds of `netwright --help` and `netwright list` as whole processes, and what they import."""

import statistics
import subprocess
import sys
import time

from common import arguments, write

PROBE = (
    "import sys; from netwright.cli.main import main; main({words}); print('torch' in sys.modules)"
)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    found = []
    for words in (["--help"], ["list"]):
        command = [sys.executable, "-m", "netwright.cli.main", *words]
        taken = []
        for _ in range(given.rounds + 1):
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            taken.append(time.perf_counter() - start)
        program = PROBE.format(words=["list"]) if words == ["list"] else None
        torch = None
        if program:
            said = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True
            )
            torch = said.stdout.strip().endswith("True")
        found.append(
            {
                "command": f"netwright {' '.join(words)}",
                "seconds": statistics.median(taken[1:]),
                "imports_torch": torch,
            }
        )
    write("startup", {"commands": found}, given.out)


if __name__ == "__main__":
    main()
