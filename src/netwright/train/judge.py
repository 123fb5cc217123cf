"""Figures of a part as plain data, and the evaluation that reads the test part once."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from netwright.files import number
from netwright.metrics.base import Figure
from netwright.tasks.base import Exhibit
from netwright.train.live import Live
from netwright.train.setting import Setting
from netwright.train.streams import key, key_global, outer_states_kept, stream


def judge(live: Live, setting: Setting, part: str) -> Mapping[str, Figure]:
    """The task's figures of a part, of the nets as they are judged; moves no random stream."""
    with outer_states_kept(), live.judged() as nets, torch.inference_mode():
        key_global(key(setting.recipe.seed, "evaluate"))
        return setting.task.evaluate(nets, setting.data, part)


def show(live: Live, setting: Setting, part: str | None = None) -> list[Exhibit]:
    """The task's timeline as it is now, and all that it exhibits of a part, if one is named."""
    seed, task = setting.recipe.seed, setting.task
    with outer_states_kept(), live.judged() as nets, torch.no_grad():
        made = [*task.timeline(nets, stream(seed, "timeline"))]
        if part is not None:
            made += task.exhibits(nets, setting.data, part, stream(seed, "exhibits"))
    return made


def plain(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Figures as JSON, without their rows."""
    return {
        name: {
            "value": f.value,
            "unit": f.unit,
            "higher": f.higher,
            "reduce": f.reduce,
            "n": len(f.rows),
            "paired": f.paired,
        }
        for name, f in figures.items()
    }


def rows(figures: Mapping[str, Figure]) -> dict[str, Tensor]:
    """The rows and groups of figures, by names that a file may hold."""
    kept = {f"{name}/rows": f.rows.float().cpu().contiguous() for name, f in figures.items()}
    groups = {f"{n}/groups": f.groups.cpu() for n, f in figures.items() if f.groups is not None}
    return kept | groups


def figures_of(document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Figure]:
    """Figures again, out of `plain` and `rows`."""
    return {
        name: Figure(
            tensors[f"{name}/rows"],
            said["reduce"],
            higher=said["higher"],
            unit=said["unit"],
            groups=tensors.get(f"{name}/groups"),
            paired=said["paired"],
        )
        for name, said in document.items()
    }


def in_words(name: str, value: float | str, unit: str) -> str:
    """`accuracy 97.2 %`, `log loss 0.113 nats`."""
    title, value = name.replace("_", " "), number(value)
    return f"{title} {100 * value:.1f} %" if unit == "%" else f"{title} {value:.4g} {unit}".strip()
