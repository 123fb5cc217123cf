"""What a finished run holds: its recipe, its task and its networks; no data is needed.

A role that is *given* in one run is the network of another finished run (a judge). It is frozen,
checked against the data, and known by the hash of its weights, which the run that uses it keeps.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from netwright.errors import DamagedError, InputError, shown
from netwright.models.base import Network
from netwright.specs import Schema
from netwright.tasks.base import Task
from netwright.train import manifest
from netwright.train.checkpoint import Loaded
from netwright.train.live import build_networks, load_weights
from netwright.train.machine import Options
from netwright.train.recipe import Recipe, validated
from netwright.train.run import RunView
from netwright.train.setting import Setting, bind_task, lay
from netwright.train.view import well_formed


@dataclass(frozen=True)
class Given:
    """A frozen network, and what it is known by."""

    net: Network
    mark: dict[str, str]
    """Plain JSON: `run`, the run's id, and `weights`, the sha256 of its weights."""


def recipe_of(view: RunView) -> Recipe:
    """The recipe that a run was made by."""
    with well_formed("run.json"):
        fields = dict(view.spec["recipe"])
    return validated(Recipe, fields, f"{view.folder}/run.json")


def task_of(view: RunView) -> Task:
    """The task of a run, bound to the schema that it keeps."""
    schema = validated(Schema, view.data()["schema"], f"{view.folder}/data.json")
    return bind_task(recipe_of(view).task, schema)


def trained(view: RunView) -> Loaded:
    """The last checkpoint of a run that has ended; an older one is never taken for it.

    Raises: InputError unless the training has ended; DamagedError.
    """
    view.need_finished()
    loaded = view.load()
    if loaded.step != view.status()["step"]:
        raise DamagedError(
            "the last checkpoint is damaged",
            why="; ".join(loaded.damaged),
            do=f"netwright resume {view.folder}, which trains what is lost again",
            file=shown(view.folder),
        )
    return loaded


def networks_of(view: RunView, task: Task, saved: Loaded, device: torch.device) -> dict[str, Any]:
    """The networks that are needed to use a run, in evaluation mode, without gradient."""
    nets = build_networks(task, recipe_of(view))
    for name, net in nets.items():
        prefix = f"{name}/"
        mine = {k[len(prefix) :]: v for k, v in saved.weights.items() if k.startswith(prefix)}
        load_weights(net, mine, name)
        lay(net.eval().requires_grad_(requires_grad=False).to(device), Options())
    return nets


def given_roles(setting: Setting) -> dict[str, Given]:
    """The frozen networks of a task, out of their own runs.

    Raises: InputError for a run that has not ended, was trained on other data, or whose network has
        another form; DamagedError.
    """
    found: dict[str, Given] = {}
    for name, role in setting.task.roles().items():
        if role.given is None:
            continue
        view = RunView.open(Path(role.given))
        saved, theirs = trained(view), task_of(view)
        if view.data()["fingerprint"] != setting.data.fingerprint:
            raise InputError(
                f"the {name} was trained on other data",
                why="its fingerprint is another, so its opinion would not count here",
                file=shown(view.folder),
                do=f"leave the option `{name}` out, and one is trained",
            )
        nets = networks_of(view, theirs, saved, setting.device)
        net = nets.get("net")
        if net is None or net.signature != role.signature:
            raise InputError(
                f"this run cannot be the {name}",
                why="what its network reads and answers is not what is judged here",
                file=shown(view.folder),
            )
        weights = hashlib.sha256(manifest.encode(saved.weights).data).hexdigest()
        found[name] = Given(net, {"run": view.id, "weights": weights})
    return found


def frozen(setting: Setting) -> dict[str, Network]:
    """`given_roles` as networks alone."""
    return {name: role.net for name, role in given_roles(setting).items()}
