"""What the package offers in Python; the command line calls the same functions.

Every function takes names and paths and gives a result with `document()` for machines, `text()` for
a terminal, `to_pandas()` and `_repr_html_()` for notebooks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netwright import made as artefacts
from netwright import registry
from netwright.errors import InputError, shown
from netwright.files import loads, read
from netwright.results import Matrix, Prediction, RunResult
from netwright.tasks.base import Answer
from netwright.train import work
from netwright.train.budget import Budget
from netwright.train.helpers import helped
from netwright.train.machine import DeviceName, Options, pick_device
from netwright.train.progress import Progress
from netwright.train.quantise import Precision
from netwright.train.recipe import resolve
from netwright.train.run import RunView, free_name
from netwright.train.setting import bind_task, open_data
from netwright.train.target import find_target, role_candidates

if TYPE_CHECKING:
    from netwright.compare.contest import ContestResult

RUNS = Path("runs")
"""Where runs go that are not told where."""


def train(
    target: str,
    *,
    structure: str | None = None,
    data: str | Path | None = None,
    columns: str | None = None,
    recipe: Path | None = None,
    budget: str = "30s",
    seed: int = 0,
    out: Path | None = None,
    save_every: float = 300.0,
    device: DeviceName = "auto",
    threads: int | None = None,
    compile: bool = False,  # noqa: A002 - torch's own word
    quiet: bool = False,
) -> RunResult:
    """Train one structure on one data set, and judge it on the validation part.

    Args:
        target: a task (`image-classification`) or a data set (`digits`), which brings its task.
        structure: `family/preset`; `role=family/preset` joined by `+` where there are several;
            None: the task's usual one.
        data: a data set by name, or a path to own files.
        columns: which column of a table is what, `text=sentence,label=label`.
        recipe: a YAML file whose fields replace the default recipe's.
        budget: `30s`, `5m`, `1000steps`, `10epochs`, `1e12flop`, or several joined by commas.
        seed: of everything random.
        out: the run folder; by default a new one under `runs/`.
        save_every: seconds between two checkpoints.
        device, threads, compile: how it is executed.
        quiet: no progress.

    Raises:
        NetwrightError: see `netwright.errors` for the kinds.
    """
    task, named = find_target(target, data, columns)
    granted = Budget.parse(budget)
    used = registry.load("tasks", task)
    structure = structure or used.structure
    roles = role_candidates(structure, used.players)
    made = resolve(task, named, roles, budget=granted, seed=seed, file=recipe)
    brings = registry.load("datasets", named.name).task
    use = "" if brings == task else f"-{task}"  # the same data may serve several tasks
    name = f"{named.name}{use}-{structure.replace('/', '-').replace('=', '-').replace('+', '-')}"
    folder = out or RUNS / free_name(RUNS, name)
    options = Options(device=device, threads=threads, compile=compile, save_every=save_every)
    progress = Progress(structure, quiet=quiet)
    opened = open_data(made.data)
    made = helped(made, bind_task(made.task, opened.schema), opened, options, progress)
    return _finished(work.begin(made, folder, options, progress, data=opened))


def resume(
    folder: str | Path,
    *,
    save_every: float = 300.0,
    device: DeviceName = "auto",
    threads: int | None = None,
    compile: bool = False,  # noqa: A002
    quiet: bool = False,
) -> RunResult:
    """Go on with a stopped run, bit for bit; a finished one is left as it is."""
    options = Options(device=device, threads=threads, compile=compile, save_every=save_every)
    progress = Progress(Path(folder).name, quiet=quiet)
    return _finished(work.resume(Path(folder), options, progress))


def evaluate(
    folder: str | Path,
    *,
    device: DeviceName = "auto",
    threads: int | None = None,
    compile: bool = False,  # noqa: A002
    quiet: bool = False,  # noqa: ARG001 - the same options for every verb
) -> RunResult:
    """Judge a finished run on the test part, once; a second call gives what was found then."""
    options = Options(device=device, threads=threads, compile=compile)
    view, _ = work.evaluate(Path(folder), options)
    return _finished(view)


def _finished(view: RunView) -> RunResult:
    from netwright.report.card import write_card

    write_card(view)
    return RunResult.of(view)


def load(
    folder: str | Path, *, device: DeviceName = "auto", precision: Precision = "fp32"
) -> work.Applied:
    """A trained run, ready to be used, or the chosen one of a contest; needs no data."""
    return work.load(applied_run(Path(folder)), pick_device(device), precision)


def applied_run(folder: Path) -> Path:
    """A run as it is; of a contest's folder a run of the chosen network, else of the best one."""
    path = folder / "verdict.json"
    if not path.exists():
        return folder
    verdict = loads(read(path), shown(path))
    rows = verdict.get("candidates", [])
    rows.sort(key=lambda row: not row.get("chosen"))  # as the verdict lists them, the best first
    done = [c for row in rows for c in row.get("cells", ()) if c.get("status") == "done"]
    cells = [c["folder"] for c in done]
    if not cells:
        raise InputError("no network was trained in this contest", file=shown(folder))
    applied = verdict.get("applied")  # of an older contest: its first seed
    return folder / str(applied if applied in cells else cells[0])


def predict(
    folder: str | Path, inputs: Sequence[str | Path], *, device: DeviceName = "auto"
) -> Iterator[Answer]:
    """An answer for every file; folders are walked."""
    paths = [Path(p) for p in inputs]
    for path in paths:
        if not path.exists():
            raise InputError("there is no such file", file=shown(path))
    yield from load(folder, device=device).predict(paths)


def generate(
    folder: str | Path,
    asked: Mapping[str, object],
    *,
    seed: int = 0,
    precision: Precision = "fp32",
    device: DeviceName = "auto",
) -> Iterator[Answer]:
    """What a trained run makes when it is asked; texts may come in pieces.

    Args:
        folder: a run, or a contest, whose chosen network is then taken.
        asked: fields of the task's `Request`; an unknown one is an InputError that names them.
        seed: of what is drawn.
        precision: of the weights; `int8` quantises dense and recurrent layers on a CPU.
        device: where it runs.
    """
    yield from load(folder, device=device, precision=precision).generate(asked, seed)


def write_made(
    answers: Iterable[Answer], folder: str | Path, form: str | None = None
) -> list[Path]:
    """Write what `generate` gives into a new folder, PNG, WAV and `form`: see `netwright.made`."""
    return artefacts.write(answers, Path(folder), form)


def cost(
    target: str,
    *,
    structure: str | None = None,
    data: str | Path | None = None,
    columns: str | None = None,
    recipe: Path | None = None,
    budget: str = "30s",
    device: DeviceName = "auto",
    threads: int | None = None,
    compile: bool = False,  # noqa: A002
    quiet: bool = False,  # noqa: ARG001
) -> Prediction:
    """What a training would take, by a few real steps; arguments as `train`."""
    from netwright.cost.predict import predict_cost

    task, named = find_target(target, data, columns)
    used = registry.load("tasks", task)
    made = resolve(
        task,
        named,
        role_candidates(structure or used.structure, used.players),
        budget=Budget.parse(budget),
        file=recipe,
    )
    return predict_cost(made, Options(device=device, threads=threads, compile=compile))


def matrix(target: str | None = None, *, data: str | Path | None = None) -> Matrix:
    """Which structure serves which task, preset by preset, and why the others do not."""
    tasks = [target] if target else list(registry.names("tasks"))
    return Matrix.of([find_target(t, data) for t in tasks])


def compare(
    target: str,
    *,
    candidates: str | None = None,
    data: str | Path | None = None,
    columns: str | None = None,
    recipe: Path | None = None,
    budget: str = "30s",
    seeds: int = 3,
    cost: str = "forward_flops",
    out: Path | None = None,
    save_every: float = 300.0,
    device: DeviceName = "auto",
    threads: int | None = None,
    compile: bool = False,  # noqa: A002
    quiet: bool = False,
) -> "ContestResult":
    """The contest: candidates x seeds at one budget, beside the floors; the verdict and a report.

    Args:
        target: as `train`.
        candidates: `family/preset[@recipe.yaml]` joined by commas; by default each family's
            `small`, or the next preset that fits the data.
        data, columns: as `train`.
        recipe: fields that replace the default recipe's, of every candidate.
        budget: of each training.
        seeds: trainings of each candidate, at least 2 for an interval over seeds.
        cost: the frontier's axis: forward_flops, training_flops, seconds, parameters, latency,
            memory or energy.
        out: the contest's folder; by default named by its plan, so that the same command goes on.
        save_every, device, threads, compile, quiet: as `train`.
    """
    from netwright.compare.contest import hold
    from netwright.report.page import write_page

    options = Options(device=device, threads=threads, compile=compile, save_every=save_every)
    contest = hold(
        target,
        candidates=candidates,
        data=data,
        columns=columns,
        recipe=recipe,
        budget=budget,
        seeds=seeds,
        axis=cost,
        out=out,
        options=options,
        progress=Progress(quiet=quiet),
    )
    write_page(contest.folder)
    return contest


def report(folder: str | Path) -> Path:
    """Make the HTML page of a run or a comparison, from its files alone."""
    from netwright.report.page import write_page

    return write_page(Path(folder))


def in_words(answer: Answer) -> str:
    """An answer of `predict` in one line."""
    return answer.words or ", ".join(f"{k} {shown(v)}" for k, v in answer.value.items())
