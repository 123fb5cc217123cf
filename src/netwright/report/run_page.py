"""The page of one run: its figures, how it learned, what it does, what it costs, how to use it."""

from pathlib import Path
from typing import Any

from netwright.report import facts, numbers, render
from netwright.report.charts import FORMATS, Chart
from netwright.report.curves import Curve, curves
from netwright.report.exhibits import Piece, pieces
from netwright.report.histories import History, history, thinned
from netwright.report.palette import Ink, inks
from netwright.report.said import sayings
from netwright.report.timeline import strips
from netwright.results import notes_of
from netwright.train.target import usage
from netwright.train.view import RunView


def write_run_page(folder: Path) -> Path:
    """Write report.html into a run folder. Raises: what `RunView` raises; MachineError."""
    view = RunView.open(folder)
    about = facts.subject(view)
    found = facts.figures(view, about.task)
    cost = facts.cost_of(view)
    data = view.data()
    status = view.status()
    return render.write(
        folder,
        "run.html",
        about=about,
        figures=found,
        headline=_headline(about, found, str(status.get("state"))),
        state=str(status.get("state")),
        parts=facts.parts_line(data.get("parts", {})),
        fingerprint=str(data.get("fingerprint", "")),
        notes=notes_of(view),
        quarantined=int(data.get("quarantined", 0)),
        charts=_charts(about, found, history(view)),
        came=strips(view),
        exhibits=last_exhibits(view),
        using=using(cost),
        training=training(cost),
        energy_note=str(cost.get("energy_note", "")) if cost.get("energy") is None else "",
        uncounted=[str(u) for u in cost.get("uncounted", ())],
        run=facts.place(folder),
        use=usage(about.task, facts.place(folder)),
        run_id=view.id,
        versions=facts.versions(view.determinism),
    )


def last_exhibits(view: RunView) -> list[Piece]:
    """What the nets made at the last step of which there are exhibits."""
    steps = view.exhibit_steps()
    return pieces(view.exhibits(steps[-1])) if steps else []


def using(cost: dict[str, Any]) -> list[tuple[str, str]]:
    """What an answer costs: pairs of a name and a number with its unit."""
    made = [
        ("latency of one answer, half of them within", numbers.cost("latency", p50))
        for p50 in [facts.number(cost, "latency")]
        if p50 is not None
    ]
    for key, name in (("latency_p90", "nine of ten within"), ("latency_p99", "99 of 100 within")):
        value = facts.number(cost, key)
        if value is not None:
            made.append((name, numbers.duration(value)))
    speed, batch = facts.number(cost, "throughput"), cost.get("throughput_batch")
    if speed is not None:
        made.append((f"examples a second, {batch} at once", numbers.amount(speed)))
    for key, name in (
        ("memory", "memory of the process at its peak"),
        ("energy", "energy of one answer"),
    ):
        value = facts.number(cost, key)
        if value is not None:
            made.append((name, numbers.cost(key, value)))
    flops = facts.number(cost, "forward_flops")
    if flops is not None:
        made.append(("FLOPs of one example forward", numbers.amount(flops)))
    return made


def training(cost: dict[str, Any]) -> list[tuple[str, str]]:
    """What the training took, beside what was granted and expected."""
    made = []
    for key, name in (("parameters", "trained parameters"), ("training_flops", "training FLOPs")):
        value = facts.number(cost, key)
        if value is not None:
            made.append((name, numbers.amount(value)))
    seconds, granted = facts.number(cost, "seconds"), cost.get("granted")
    if seconds is not None:
        made.append(("seconds of training", numbers.duration(seconds)))
    if granted:
        made.append(("budget", numbers.budget(str(granted))))
    steps, expected = facts.number(cost, "steps"), facts.predicted_steps(cost)
    if steps is not None:
        beside = "" if expected is None else f", {expected:,.0f} were predicted"
        made.append(("steps", f"{steps:,.0f}{beside}"))
    samples = facts.number(cost, "samples")
    if samples is not None:
        made.append(("samples seen", f"{samples:,.0f}"))
    return made


def _headline(about: facts.Subject, found: facts.Figures, state: str) -> str:
    main = found.main
    if main is None:
        return f"{about.name} on {about.data} is {state}."
    name = main.name.replace("_", " ")
    return f"{about.name} reaches {main.text} {name} on {about.data}."


def _charts(about: facts.Subject, found: facts.Figures, log: History) -> list[list[Chart]]:
    """The main figure of the validation part, and the losses of all turns; each in both widths."""
    ink = next(iter(inks([(about.name, about.families[0])]).values()))
    main = found.main
    name = main.name if main else next(iter(log.figures), "")
    made = []
    if len(log.figures.get(name, ((), ()))[0]) > 1:
        x, y = thinned(log.figures[name])
        unit = main.unit if main else ""
        made.append(([Curve(about.name, ink, x, y)], f"validation {name.replace('_', ' ')}", unit))
    names = inks((turn, turn) for turn in log.losses) if len(log.losses) > 1 else {}
    colours: dict[str, Ink] = {turn: names.get(turn, ink) for turn in log.losses}
    losses = [
        Curve(turn, colours[turn], *thinned(path))
        for turn, path in log.losses.items()
        if len(path[0]) > 1
    ]
    if losses:
        made.append((losses, "training loss", ""))
    charts = [
        [curves(c, figure=f, unit=u, x_title="seconds of training", form=form) for form in FORMATS]
        for c, f, u in made
    ]
    return charts + sayings(log, colours)
