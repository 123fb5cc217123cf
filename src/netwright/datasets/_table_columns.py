"""Which columns of a table hold the text and the label: asked for, or found where that is clear."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netwright.datasets._table_rows import Table
from netwright.errors import InputError, nearest, shown, unknown

TEXT = (
    *("text", "sentence", "review", "content", "description", "body", "abstract", "comment"),
    *("message", "document", "tweet", "question", "utterance", "phrase", "headline", "title"),
)
LABEL = (
    *("label", "class", "category", "target", "sentiment", "topic", "intent", "polarity"),
    *("labels", "class index", "class_index", "label-coarse", "coarse_label"),
)
KNOWN = (*TEXT, *LABEL)
"""Names, in lower case, by which columns and headers are found."""
SHORT = 50
"""Characters of a label at most, where it is found by its looks."""
ENOUGH = 20
"""Rows from which on looks say something."""
NUMBER = re.compile(r"\s*[-+]?\d*\.?\d+\s*")
EXAMPLE = "--columns text=sentence,label=label"

Asked = Mapping[str, tuple[str, ...]]
"""`text` and `label` to names or numbers of columns; empty where nothing was asked for."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the text and the label stand."""

    texts: tuple[int, ...]
    label: int | None
    note: str = ""
    """What was taken, where the reader of a report could not know."""


def asked(columns: str) -> Asked:
    """`text=title+description,label=class` taken apart; InputError if it is written otherwise."""
    found: dict[str, tuple[str, ...]] = {}
    for piece in filter(str.strip, columns.split(",")):
        key, sign, names = (p.strip() for p in piece.partition("="))
        if sign and key not in {"text", "label"}:
            raise unknown("role of a column", key, ("text", "label"), do=EXAMPLE)
        wanted = tuple(name.strip() for name in names.split("+"))
        if not sign or not all(wanted) or key in found or (key == "label" and len(wanted) > 1):
            raise InputError(
                f"'{shown(columns)}' does not say which columns to read",
                why="`text` takes columns joined by +, `label` takes one, each once",
                do=EXAMPLE,
            )
        found[key] = wanted
    return found


def by_name(wanted: Asked) -> bool:
    """Whether a column is asked for by its name, so that there must be a header."""
    return any(not name.isdecimal() for names in wanted.values() for name in names)


def pick(table: Table, wanted: Asked, *, labelled: bool = True) -> Columns:
    """The columns of the text and, if `labelled`, of the label.

    What is not asked for is found by a name of `KNOWN`, or as the only column that is left; a title
    is joined with the text that it belongs to. Without a header the label is the only column whose
    short values come again and again, and the text all others that are no numbers.

    Raises:
        InputError: a column is not there, or several could be meant.
    """
    texts = tuple(_place(table, name) for name in wanted.get("text", ()))
    label = next((_place(table, name) for name in wanted.get("label", ())), None)
    if label is None:
        label = _found_label(table, texts, labelled)
    if not texts:
        texts = _found_texts(table, label, labelled)
    if label in texts:
        raise InputError(
            f"the column '{shown(table.names[label])}' cannot be text and label at once",
            do=EXAMPLE,
            file=table.file,
        )
    return Columns(texts, label, _note(table, texts, label) if labelled else "")


def again(table: Table, columns: Columns) -> Asked:
    """What to ask of a further part, so that it is read like the first one, `table`."""
    chosen = {"text": columns.texts, "label": () if columns.label is None else (columns.label,)}
    return {role: tuple(table.names[i] for i in places) for role, places in chosen.items()}


def _place(table: Table, name: str) -> int:
    """The number of a column by its name, or by the number itself."""
    if name in table.names:
        return table.names.index(name)
    if name.isdecimal() and len(name) < 9 and int(name) < len(table.names):
        return int(name)
    raise InputError(
        f"no column '{shown(name)}'",
        why=_there(table),
        near=nearest(name, table.names),
        do=EXAMPLE,
        file=table.file,
        line=1 if table.unit == "line" else None,
    )


def _found_label(table: Table, texts: Sequence[int], labelled: bool) -> int | None:
    free = [i for i in range(len(table.names)) if i not in texts]
    hits = [i for i in free if table.named and table.names[i].lower() in LABEL]
    if not hits and not table.named:
        hits = _repeating(table, free)
    if not hits and labelled and table.named and len(table.names) == 2:
        known = [i for i in free if table.names[i].lower() in TEXT]
        hits = [i for i in free if i not in known] if texts or len(known) == 1 else []
    if len(hits) == 1:
        return hits[0]
    if not labelled:
        return None
    raise _unclear("label", table, hits)


def _found_texts(table: Table, label: int | None, labelled: bool) -> tuple[int, ...]:
    free = [i for i in range(len(table.names)) if i != label]
    if table.named:
        hits = [i for i in free if table.names[i].lower() in TEXT]
        titles = [i for i in hits if table.names[i].lower() == "title"]
        if len(hits) == 2 and len(titles) == 1:
            return (*titles, *(i for i in hits if i not in titles))
    elif labelled or len(table.rows) >= ENOUGH:
        hits = [i for i in free if not _numbers(table, i)]
        if label is not None and hits:
            return tuple(hits)
    else:
        hits = []
    if not hits and len(free) == 1:
        hits = free
    if len(hits) != 1:
        raise _unclear("text", table, hits)
    return tuple(hits)


def _repeating(table: Table, places: Iterable[int]) -> list[int]:
    """Columns whose values are short and come twice or more on average."""
    if len(table.rows) < ENOUGH:
        return []
    found = []
    for i in places:
        values = {values[i] or "" for _, values in table.rows}
        if 2 * len(values) <= len(table.rows) and max(map(len, values)) <= SHORT:
            found.append(i)
    return found


def _numbers(table: Table, place: int) -> bool:
    return all(NUMBER.fullmatch(values[place] or "0") for _, values in table.rows)


def _unclear(role: str, table: Table, hits: Sequence[int]) -> InputError:
    several = " or ".join(f"'{shown(table.names[i])}'" for i in hits)
    return InputError(
        f"the {role} may be column {several}" if hits else f"no column is known to be the {role}",
        why=_there(table),
        do=EXAMPLE if table.named else "--columns label=0,text=1",
        file=table.file,
    )


def _there(table: Table) -> str:
    if not table.named:
        return f"there is no header, and the columns are numbered 0 to {len(table.names) - 1}"
    return f"there are {', '.join(map(shown, table.names))}"


def _note(table: Table, texts: Sequence[int], label: int | None) -> str:
    """Told where there were other columns, or names of none."""
    if label is None or (table.named and len(table.names) == 2):
        return ""
    read = " and ".join(shown(table.names[i]) for i in texts)
    many = "columns" if len(texts) > 1 else "column"
    return f"the text is {many} {read}, the label column {shown(table.names[label])}"
