"""README.md of a run: a model card in the form of the Hugging Face hub.

The form: huggingface/huggingface_hub, `model_index` of `ModelCardData`. Every foreign word is
escaped, for Markdown in the text and as a JSON string, which YAML reads too, in the header.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netwright import files
from netwright.errors import escaped
from netwright.report import facts, run_page
from netwright.report.facts import Figure, Figures, Subject
from netwright.train.target import usage
from netwright.train.view import RunView

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
"""What Markdown or HTML could read as a sign of its own."""
LINE_START = re.compile(r"^(\d*)([-+=.)])(?=\s|$)")
"""What at the start of a line would make it a list or a heading."""


def write_card(view: RunView) -> Path:
    """Write the model card into a run folder. Raises: what `RunView` raises; MachineError."""
    path = view.folder / "README.md"
    files.replace(path, card(view).encode("utf-8", "backslashreplace"))
    return path


def card(view: RunView) -> str:
    """The text of the model card."""
    about = facts.subject(view)
    found = facts.figures(view, about.task)
    cost, data = facts.cost_of(view), view.data()
    sections = (
        _header(about, found),
        f"# {text(about.name)} for {text(about.task)} on {text(about.data)}",
        _intended(about, data),
        _figures(found),
        _data(about, data),
        _cost(cost),
        _use(view.folder.name, about.task),
        _limits(about, found, data),
        _made(view, about),
    )
    return "\n\n".join(sections) + "\n"


def text(value: object) -> str:
    """Foreign words as one line of Markdown that says just them."""
    plain = escaped(str(value)).replace("\n", " ").strip()
    return LINE_START.sub(r"\1\\\2", SPECIAL.sub(r"\\\1", plain))


def _header(about: Subject, found: Figures) -> str:
    """The YAML block; metric values as they are stored, shares in [0, 1]."""
    lines = [
        "---",
        "license: unknown",
        "library_name: netwright",
        f"pipeline_tag: {_yaml(about.task)}",
        "tags:",
        *(f"- {_yaml(tag)}" for tag in dict.fromkeys(("netwright", *about.families))),
        "datasets:",
        f"- {_yaml(about.data)}",
    ]
    if found.all:
        lines += ["metrics:", *(f"- {_yaml(f.name)}" for f in found.all)]
        lines += [
            "model-index:",
            f"- name: {_yaml(about.name)}",
            "  results:",
            f"  - task: {{type: {_yaml(about.task)}}}",
            f"    dataset: {{name: {_yaml(about.data)}, type: {_yaml(about.data)}, "
            f"split: {_yaml(found.part)}}}",
            "    metrics:",
            *(
                f"    - {{type: {_yaml(f.name)}, name: {_yaml(f.name)}, value: {_yaml(f.value)}}}"
                for f in found.all
            ),
        ]
    return "\n".join([*lines, "---"])


def _intended(about: Subject, data: Mapping[str, Any]) -> str:
    names = _labels(data)
    shown = ", ".join(map(text, names[:12]))
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    classes = f" It answers with one of {len(names)} labels: {shown}{more}." if names else ""
    return (
        "## Intended use\n\n"
        f"{text(about.task).capitalize()} on inputs like those of {text(about.data)}.{classes} "
        "It was made to compare structures at an equal budget; whether it is good enough for a "
        "purpose of yours is for your own test data to say."
    )


def _figures(found: Figures) -> str:
    if not found.all:
        return "## Figures\n\nThe run was not judged yet."
    rows = [
        (text(f.name.replace("_", " ")), text(f.text), _better(f), f"{f.n:,}") for f in found.all
    ]
    judged = "read once, after training" if found.part == "test" else "watched during training"
    return f"## Figures\n\nOf the {found.part} part, {judged}; one seed.\n\n" + _table(
        ("figure", "value", "better is", "n"), rows
    )


def _data(about: Subject, data: Mapping[str, Any]) -> str:
    lines = [
        f"- name: {text(about.data)}",
        f"- parts: {text(facts.parts_line(data.get('parts', {})))}",
        f"- fingerprint (sha256): `{_code(data.get('fingerprint', ''))}`",
    ]
    if data.get("quarantined"):
        lines.append(f"- left out because they could not be read: {text(data['quarantined'])}")
    lines += [f"- {text(note)}" for note in data.get("notes", ())]
    return "## Data\n\n" + "\n".join(lines)


def _cost(cost: Mapping[str, Any]) -> str:
    rows = [*run_page.using(dict(cost)), *run_page.training(dict(cost))]
    if not rows:
        return "## Cost\n\nNothing was measured."
    body = _table(("what", "how much"), [(text(a), text(b)) for a, b in rows])
    energy = cost.get("energy_note") if cost.get("energy") is None else ""
    note = f"\n\nEnergy: {text(energy)}." if energy else ""
    return f"## Cost\n\n{body}{note}\n\nFLOPs are counted; a multiply-add is two."


def _use(name: str, task: str) -> str:
    command = usage(task, _code(name))
    verb = command.split()[1]
    given = {"generate": "{}", "predict": '["FILE"]'}[verb]
    return (
        "## How to apply it\n\nThe folder holds all that is needed; the data is not.\n\n"
        f"```sh\n{command}\n```\n\n"
        "```python\nimport netwright\n\n"
        f"for answer in netwright.{verb}({_code(json.dumps(name))}, {given}):\n"
        "    print(answer.name, answer.value)\n```"
    )


def _limits(about: Subject, found: Figures, data: Mapping[str, Any]) -> str:
    lines = [
        "Inputs unlike the training data get an answer too, and a confident one at times.",
        "One seed: another one gives somewhat other figures.",
        f"The training was stopped by its budget ({text(about.budget)}), not by convergence.",
    ]
    if found.part != "test":
        lines.append("It was not judged on the test part; the figures above flatter it.")
    if data.get("notes"):
        lines.append("The notes on the data above hold for the figures as well.")
    lines.append("No licence is stated: choose one that the data allows before you share it.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _made(view: RunView, about: Subject) -> str:
    rows = [(text(k), text(v)) for k, v in facts.versions(view.determinism)]
    return (
        f"## How it was made\n\n```sh\n{_code(about.command)}\n```\n\n"
        "The same steps under the same versions, threads and device give the same weights, bit for "
        f"bit.\n\n{_table(('what', 'which'), rows)}\n\nRun `{_code(view.id)}`, seed {view.seed}."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _better(figure: Figure) -> str:
    return "higher" if figure.higher else "lower"


def _labels(data: Mapping[str, Any]) -> list[str]:
    """Names of the labels that a data set has; none where it has no such column."""
    columns = data.get("schema", {}).get("columns", {})
    found = (c.get("names", ()) for c in columns.values() if c.get("kind") == "labels")
    return [str(n) for n in next(found, ())]


def _yaml(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return json.dumps(escaped(value) if isinstance(value, str) else value)


def _code(value: object) -> str:
    """Foreign words between back ticks, which nothing inside may close."""
    return escaped(str(value)).replace("\n", " ").replace("`", "'")
