"""`netwright report`."""

from pathlib import Path

from commands import Say, flip, snapshot


def test_the_page_of_a_run_and_of_a_contest_is_made_anew(say: Say, run: Path, held: Path) -> None:
    for folder in (run, held):
        (folder / "report.html").unlink(missing_ok=True)
        before = snapshot(folder)
        said = say.well("report", folder)
        assert said.out == f"report: {folder}/report.html\nnext: open it in a browser\n"
        page = (folder / "report.html").read_text("utf-8")
        assert page.startswith("<!doctype html>")
        after = snapshot(folder)
        assert after.pop("report.html")
        assert after == before
        assert say.well("report", folder, "--json").document == {"report": f"{folder}/report.html"}


def test_what_is_no_run_and_what_is_damaged_is_refused(say: Say, run: Path, held: Path) -> None:
    Path("thesis").mkdir()
    say.refused("thesis: is neither a run nor a comparison", "report", "thesis")
    assert "; nearest is 'run'" in say.refused("there is no such run", "report", "rnu").err
    flip(run / "run.json")
    say.refused("run/run.json: does not match its own sha256", "report", run, code=4)
    cell = next((held / "cells").iterdir())
    flip(cell / "result.json")
    page = (held / "report.html").read_bytes()
    said = say("report", held)
    assert said.code == 4, said
    assert (held / "report.html").read_bytes() == page
