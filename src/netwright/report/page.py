"""`report.html` of a run or a contest, whichever the folder holds."""

from pathlib import Path

from netwright.errors import InputError, nearest, shown
from netwright.report.contest_page import write_contest_page
from netwright.report.run_page import write_run_page
from netwright.train.view import names_in


def write_page(folder: Path) -> Path:
    """Make the page out of the folder's files alone, and give its path.

    Raises:
        InputError: the folder holds neither a run nor a contest, or no verdict yet.
        DamagedError: a file is not what it was, with its cell.
    """
    found = names_in(folder)
    if "run.json" in found:
        return write_run_page(folder)
    if "plan.json" in found or "verdict.json" in found:
        return write_contest_page(folder)
    if folder.is_dir():
        raise InputError(
            "is neither a run nor a comparison",
            why="it holds no run.json and no plan.json",
            file=shown(folder),
        )
    raise InputError(
        "there is no such run",
        near=nearest(folder.name, names_in(folder.parent)),
        file=shown(folder),
    )
