"""What the rows of the README's tables share: results by name, and how a number is said."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Row = tuple[str, str, str]
"""What was measured, the figure, and what was wanted."""


def read(name: str) -> dict[str, Any] | None:
    """A result, or None where it was not measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def in_threads(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"


def ladder(name: str, key: str, title: str, wanted: str) -> Row | None:
    found = read(name)
    if found is None or key not in found["ratios"]:
        return None
    r = found["ratios"][key]
    return title, f"{r['median']:.2f} [{r['low']:.2f}-{r['high']:.2f}]", wanted
