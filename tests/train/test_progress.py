"""Progress: a bar in a terminal, plain lines elsewhere, nothing when quiet."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.train.progress import Moment, Progress, clock


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def moment(share: float) -> Moment:
    return Moment(share, spent=f"{30 * share:.1f} of 30 s", left=30 * (1 - share))


def shown(progress: Progress, count: int = 20) -> None:
    for number in range(count + 1):
        progress.show(moment(number / count))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (4, "4 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (125, "2:05"),
        (3600, "1:00:00"),
        (3725, "1:02:05"),
        (360_000, "100:00:00"),
    ],
)
def test_seconds_read_as_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@given(st.integers(60, 10**6))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_clock_tells_its_seconds(seconds: int) -> None:
    total = 0
    for part in clock(seconds).split(":"):
        total = 60 * total + int(part)
    assert total == seconds


def test_a_moment_is_one_line_of_what_is_known() -> None:
    assert Moment(0.0, "0 of 30 s", None).line() == "  0%  0 of 30 s"
    full = Moment(
        0.5, "15.0 of 30 s", 15.2, 0.12345, "validation accuracy 97.2 %", "5,210 samples/s"
    )
    assert full.line() == (
        " 50%  15.0 of 30 s  loss 0.1235  validation accuracy 97.2 %  5,210 samples/s  15 s left"
    )


def test_elsewhere_a_line_is_printed_where_enough_of_the_budget_has_passed() -> None:
    stream = io.StringIO()
    shown(Progress("cnn/tiny", stream=stream, every=0.25), count=16)
    lines = stream.getvalue().splitlines()
    assert [line.split("%")[0].split()[-1] for line in lines] == ["0", "25", "50", "75", "100"]
    assert all(line.startswith("cnn/tiny  ") for line in lines)
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_the_end_is_told_once_even_if_it_comes_early() -> None:
    stream = io.StringIO()
    progress = Progress(stream=stream)
    for share in (0.0, 0.9, 1.0, 1.0):
        progress.show(moment(share))
    assert [line.split("%")[0].strip() for line in stream.getvalue().splitlines()] == [
        "0",
        "90",
        "100",
    ]


def test_quiet_says_nothing_at_all() -> None:
    for stream in (io.StringIO(), Terminal()):
        progress = Progress(quiet=True, stream=stream)
        shown(progress)
        progress.say("a line")
        progress.close()
        assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_that_goes_away_and_lines_that_stay() -> None:
    stream = Terminal()
    progress = Progress("cnn/tiny", stream=stream)
    assert progress.terminal
    progress.show(moment(0.3))
    progress.say("[bold]checkpoint[/bold] saved")
    progress.close()
    drawn = stream.getvalue()
    assert "cnn/tiny" in drawn
    assert "9.0 of 30 s" in drawn
    assert "[bold]checkpoint[/bold] saved" in drawn, "foreign text is no markup"
    progress.close()
    assert stream.getvalue() == drawn


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_a_terminal_that_cannot_draw_gets_lines(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    stream = Terminal()
    Progress("cnn/tiny", stream=stream).show(moment(0.5))
    assert stream.getvalue() == f"cnn/tiny  {moment(0.5).line()}\n"


def test_another_work_begins_its_lines_anew() -> None:
    stream = io.StringIO()
    progress = Progress("one", stream=stream)
    shown(progress)
    progress.restart()
    progress.title = "two"
    progress.show(moment(0.0))
    assert stream.getvalue().splitlines()[-1].startswith("two    0%")
