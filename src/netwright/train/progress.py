"""Progress on stderr: a bar in a terminal, plain lines elsewhere, nothing when asked to be quiet.

Here and in `cli/` are the only words to the terminal.
"""

import os
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO


@dataclass(frozen=True)
class Moment:
    """What a long work says of itself."""

    share: float
    """Of the budget, from 0 to 1."""
    spent: str
    """`12.3 of 30 s`."""
    left: float | None
    """Seconds."""
    loss: float | None = None
    metric: str = ""
    """`validation accuracy 97.2 %`."""
    speed: str = ""
    """`5,210 samples/s`."""

    def line(self) -> str:
        """All of it in one line."""
        parts = [f"{self.share:4.0%}", self.spent]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4f}")
        parts += [p for p in (self.metric, self.speed) if p]
        if self.left is not None:
            parts.append(f"{clock(self.left)} left")
        return "  ".join(parts)


def clock(seconds: float) -> str:
    """`4 s`, `2:05`, `1:02:05`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass
class Progress:
    """Says how far a work is; `quiet` says nothing."""

    title: str = ""
    quiet: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    every: float = 0.2
    """Share of the budget between two plain lines."""
    _said: float = -1.0
    _bar: Any = None
    _task: Any = None

    @property
    def terminal(self) -> bool:
        """Whether a bar can be drawn."""
        plain = os.environ.get("TERM") == "dumb" or bool(os.environ.get("CI"))
        return not plain and self.stream.isatty()

    def show(self, moment: Moment) -> None:
        """Draw the bar anew, or print a line where one is due."""
        if self.quiet:
            return
        if self.terminal:
            self._draw(moment)
        elif moment.share >= self._said + self.every or (moment.share >= 1 > self._said):
            self._said = moment.share
            self.say(f"{self.title}  {moment.line()}")

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self.stream.write(text + "\n")
            self.stream.flush()

    def restart(self) -> None:
        """Begin another work under another title."""
        self.close()
        self._said = -1.0

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, moment: Moment) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            console = Console(file=self.stream, no_color="NO_COLOR" in os.environ or None)
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                TextColumn("{task.fields[line]}", markup=False),
            )
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task(self.title, total=1.0, line="")
            self._bar.start()
        self._bar.update(self._task, completed=moment.share, line=moment.line())
