"""What a user names: a task or a data set, a structure for each role, own files."""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from netwright import registry
from netwright.datasets.base import Dataset
from netwright.errors import InputError, nearest, shown
from netwright.train.recipe import Named, split_candidate

MANY = 1000
"""Folders, and files of each, that are looked at to say what is there."""


def find_target(
    target: str, data: str | Path | None = None, columns: str | None = None
) -> tuple[str, Named]:
    """The task and the data set that `TARGET` and `--data` mean.

    A data set brings its task; a task takes the data set that is named, the one whose form the
    files have, or its own offline default. `columns` says which column of a table is what; an
    InputError where the data set has none. InputError names what there is.
    """
    task, named = _found(target, data)
    if columns is None:
        return task, named
    if "columns" not in registry.load("datasets", named.name).Config.model_fields:
        raise InputError(f"the data set '{named.name}' has no columns", do="leave --columns out")
    return task, Named(name=named.name, config={**named.config, "columns": columns})


def _found(target: str, data: str | Path | None) -> tuple[str, Named]:
    tasks, datasets = registry.names("tasks"), registry.names("datasets")
    dataset = registry.spelled("datasets", target)
    if dataset in datasets:
        task: str = registry.load("datasets", dataset).task
        return task, Named(name=dataset, config=_path_config(dataset, data))
    name = registry.spelled("tasks", target)
    if name not in tasks:
        names = (*tasks, *datasets)
        files = Path(target).exists()
        raise InputError(
            f"no task or data set '{shown(target)}'",
            why=f"tasks are {', '.join(tasks)}; data sets are {', '.join(datasets)}",
            near=nearest(target, names),
            do=f"a task and --data {shown(target)}" if files else "netwright list",
        )
    if data is None:
        return name, Named(name=registry.load("tasks", name).data)
    spelled = registry.spelled("datasets", str(data))
    if spelled in datasets:
        return name, Named(name=spelled)
    return name, _own_files(name, Path(data), datasets)


def _path_config(dataset: str, data: str | Path | None) -> dict[str, str]:
    if data is None:
        return {}
    config = registry.load("datasets", dataset).Config
    if "path" not in config.model_fields:
        raise InputError(f"the data set '{dataset}' takes no files", do=f"leave --data {data} out")
    _must_exist(Path(data), ())
    return {"path": str(data)}


def _own_files(task: str, path: Path, datasets: tuple[str, ...]) -> Named:
    """The data set of this task whose form the files have."""
    serving = [d for d in datasets if task in _served(registry.load("datasets", d))]
    _must_exist(path, serving)
    for name in serving:
        if registry.load("datasets", name).fits(path):
            return Named(name=name, config={"path": str(path)})
    forms = [registry.load("datasets", name).files for name in serving]
    raise InputError(
        "no data set reads these files",
        why=f"{_held(path)}; {task} takes {', '.join(serving)}",
        file=shown(path),
        do=" or ".join(filter(None, forms)) or "netwright list",
    )


def _held(path: Path) -> str:
    """What a user would see there."""
    if not path.is_dir():
        return f"it is one file, of the kind {_kind(path.name)}"
    kinds: Counter[str] = Counter()
    for _, _, names in islice(os.walk(path), MANY):  # what may not be read is passed over
        kinds.update(map(_kind, names[:MANY]))
    seen = ", ".join(kind for kind, _ in kinds.most_common(4))
    return f"it holds files of the kind {seen}" if seen else "it holds no files"


def _kind(name: str) -> str:
    return shown(Path(name).suffix.lower()) or "without a suffix"


def _served(dataset: Dataset) -> tuple[str, ...]:
    return (dataset.task, *dataset.also)


def _must_exist(path: Path, names: list[str] | tuple[()]) -> None:
    if not path.exists():
        raise InputError(
            "there is no such file, folder or data set",
            near=nearest(str(path), names),
            file=shown(path),
        )


def usage(task: str, run: str) -> str:
    """The command that uses a trained run of this task."""
    found = registry.installed("tasks", task)
    asked = found.asked if found is not None else ""
    return f"netwright generate {run} {asked}" if asked else f"netwright predict {run} FILE"


def role_candidates(text: str, players: Sequence[str] = ("net",)) -> dict[str, str]:
    """`a=cnn/small+b=mlp/tiny` as two roles; `cnn/small` in every role of `players`."""
    roles: dict[str, str] = {}
    for piece in text.split("+"):
        role, _, candidate = piece.rpartition("=")
        family, preset = split_candidate(candidate.strip())
        name = role.strip() or "net"
        if name in roles:
            raise InputError(
                f"the role '{shown(name)}' is given twice",
                why=f"by {roles[name]} and {family}/{preset}",
                do="role=family/preset for each, joined by +",
            )
        roles[name] = f"{family}/{preset}"
    return dict.fromkeys(players, roles["net"]) if set(roles) == {"net"} else roles
