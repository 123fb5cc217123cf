"""A training from its first to its last round: when to log, evaluate, save and stop.

The loop moves weights; here is everything around it. What is due hangs on (round, horizon), never
on a clock, except the periodic save, which changes no number.
"""

from dataclasses import dataclass, field
from typing import Any

from netwright.errors import DamagedError, DivergedError, StoppedError
from netwright.files import JSON, number
from netwright.train.budget import Clocks, Ledger
from netwright.train.judge import in_words, judge, plain, show
from netwright.train.live import Captured, Live
from netwright.train.loop import rounds
from netwright.train.probe import synchronise
from netwright.train.progress import Moment, Progress
from netwright.train.run import Run
from netwright.train.setting import Setting
from netwright.train.stop import Stop
from netwright.train.streams import outer_states_kept

LINES, EVALUATIONS = 100, 10
"""Metric lines and validations over the horizon."""
IN_A_ROW, MANY, SHARE = 20, 1000, 0.01
"""Skipped turns that end a training: so many in a row, or a share of at least `MANY`."""
SYNCHRONISED = 8
"""Rounds after which a CUDA device is waited for, so that its seconds are charged."""


@dataclass
class Session:
    """One training under way."""

    run: Run
    setting: Setting
    live: Live
    ledger: Ledger
    clocks: Clocks
    progress: Progress
    save_every: float
    best: dict[str, Any] = field(default_factory=dict)
    """Round and value of the best validation so far."""
    last: dict[str, Any] = field(default_factory=dict)
    """Figures of the last validation."""
    _loss: float | None = None
    _saved_at: float = 0.0

    @property
    def step(self) -> int:
        """Rounds taken."""
        return self.live.counters.round

    def train(self, stop: Stop) -> None:
        """Go on until the budget is spent and the last step is saved.

        Raises: StoppedError after saving when a signal asked; DivergedError; MachineError when the
        disk cannot hold what must be kept.
        """
        self._saved_at = self.clocks.now()
        if self.step == 0:
            self.save()
        with outer_states_kept():
            loop = rounds(self.live, self.ledger)
            while not self.ledger.over(self.step, self.clocks["training"]):
                with self.clocks.running("training"):
                    next(loop)
                    if self.step % SYNCHRONISED == 0 or self._due(LINES):
                        synchronise(self.live.device)
                self.ledger.tick(self.step, self.clocks["training"])
                self._after_round()
                if stop.asked is not None:
                    self._stop(stop.asked)
        if not self.last:
            self.validate()
        self._save_surely()

    def finish(self) -> None:
        """Say that the training has ended, once everything that belongs to it is kept."""
        self._status("finished")
        self.run.event("end", {"step": self.step})
        self.progress.close()

    def _after_round(self) -> None:
        over = self.ledger.over(self.step, self.clocks["training"])
        if self._due(LINES) or over:
            self._log()
        if self._due(EVALUATIONS) or over:
            self.validate()
        if self.clocks.now() - self._saved_at > self.save_every:
            self.save()

    def _due(self, times: int) -> bool:
        return self.step % max(1, self.ledger.horizon // times) == 0

    def _log(self) -> None:
        """One metric line; the only place where the guard's findings are read."""
        turns: dict[str, dict[str, JSON]] = {}
        for name, tally in self.live.tallies.items():
            told = tally.read()
            if told is not None:
                self._loss = told.loss
                turns[name] = {"loss": told.loss, "skipped": tally.skipped}
                if told.said:
                    turns[name]["said"] = told.said
            if tally.in_a_row >= IN_A_ROW or tally.skipped > SHARE * max(MANY, self.step):
                self._diverged(name, tally.skipped)
        counters = self.live.counters
        self.run.metric({"round": self.step, "samples": counters.samples, "turns": turns})
        self._show()

    def _diverged(self, turn: str, skipped: int) -> None:
        self._status("failed")
        steps = self.run.checkpoints.steps()
        raise DivergedError(
            f"training diverged at step {self.step}",
            why=f"{skipped} moves of '{turn}' met numbers that are not finite",
            do=f"a lower learning rate; the newest good checkpoint is step {max(steps, default=0)}",
        )

    def validate(self) -> None:
        """Judge the validation part and remember it."""
        with self.clocks.running("evaluation"):
            figures = judge(self.live, self.setting, "validation")
            self.last = plain(figures)
            made = show(self.live, self.setting)
        name = self.setting.task.figure
        value, higher = self.last[name]["value"], self.last[name]["higher"]
        values: dict[str, JSON] = {k: v["value"] for k, v in self.last.items()}
        self.run.metric({"round": self.step, "validation": values})
        seconds = {k: round(v, 6) for k, v in self.clocks.spent.items()}
        self.run.timing(
            {"round": self.step, "seconds": seconds, "samples": self.live.counters.samples}
        )
        if made:
            self.run.exhibits(self.step, made)
        better = not self.best or (
            value > self.best["value"] if higher else value < self.best["value"]
        )
        if better:
            self.best = {"round": self.step, "value": value}
        self._show()

    def save(self) -> bool:
        """Save a checkpoint; a disk that is full is told and costs one save: False."""
        with self.clocks.running("saving"):
            captured = self.live.capture()
            state: dict[str, JSON] = {
                **captured.state,
                "horizons": [list(h) for h in self.ledger.horizons],
                "corrected": self.ledger.corrected,
                "spent": dict(self.clocks.spent),
                "best": self.best,
                "last": self.last,
            }
            failed = self.run.save(self.step, captured.weights, captured.trainer, state)
        self._saved_at = self.clocks.now()
        if failed is None:
            self._status("running")
        else:
            self.progress.say(f"netwright: {failed}")
        return failed is None

    def _save_surely(self) -> None:
        """Save where no later save makes up for a failed one: try again at once, then give up."""
        if not self.save():
            self.save()  # raises MachineError where it fails again

    def restore(self) -> bool:
        """Go back to the newest good checkpoint; False if there is none."""
        loaded = self.run.resume()
        for sentence in self.run.told:
            self.progress.say(f"netwright: {sentence}")
        if loaded is None:
            return False
        state = loaded.state
        try:
            self.live.restore(Captured(loaded.weights, loaded.trainer, state))
            self.ledger.horizons = [(int(a), int(b)) for a, b in state["horizons"]]
            self.ledger.corrected = int(state["corrected"])
            self.clocks.spent = {str(k): float(v) for k, v in state["spent"].items()}
            self.best, self.last = dict(state["best"]), dict(state["last"])
            if self.best:
                self.best["value"] = number(self.best["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(
                "does not say how far the training was", file="state.json"
            ) from error
        return True

    def _stop(self, number: int) -> None:
        self._save_surely()
        self._status("stopped")
        self.run.event("signal", {"number": number, "step": self.step})
        self.progress.close()
        raise StoppedError(
            f"stopped and saved at step {self.step}",
            number=number,
            do=f"netwright resume {self.run.folder}",
        )

    def _status(self, state: str) -> None:
        spent = {k: round(v, 6) for k, v in self.clocks.spent.items()}
        self.run.status(state, step=self.step, spent=spent)  # type: ignore[arg-type]

    def _show(self) -> None:
        spent = self.clocks["training"]
        share = self.ledger.share(self.step, spent)
        figure = self.last.get(self.setting.task.figure)
        metric = ""
        if figure is not None:
            name = self.setting.task.figure
            metric = "validation " + in_words(name, figure["value"], figure["unit"])
        granted = self.setting.recipe.budget.seconds
        self.progress.show(
            Moment(
                share=share,
                spent=f"{spent:.1f} of {granted:g} s"
                if granted
                else f"{self.step} of {self.ledger.horizon} steps",
                left=spent * (1 - share) / share if share > 0 else None,
                loss=self._loss,
                metric=metric,
                speed=f"{self.live.counters.samples / spent:,.0f} samples/s" if spent else "",
            )
        )
