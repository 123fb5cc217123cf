"""Templates to a page that may be opened anywhere: escaped, without scripts, without requests.

Two guards on every word: jinja's autoescape, on for every template, and `escaped` before it, which
writes control and bidirectional characters as their codes. No filter switches either off. The style
stands in the page, and the policy in front of it allows that style alone, by its hash.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import netwright
from netwright import files
from netwright.errors import MachineError, escaped
from netwright.report import numbers

LIMIT = 1_000_000
"""Bytes of a page."""


def render(name: str, **values: Any) -> bytes:
    """The page that a template makes of values; MachineError if it would be over the limit."""
    made = environment()
    style = made.get_template("style.css").render()
    page = made.get_template(name).render(
        policy=policy(style), version=netwright.__version__, **values
    )
    data = page.encode("utf-8", "backslashreplace")
    if len(data) > LIMIT:
        raise MachineError(
            f"the page would have {len(data):,} bytes", why=f"a page has at most {LIMIT:,}"
        )
    return data


def write(folder: Path, name: str, **values: Any) -> Path:
    """Render into `report.html` of a folder, replacing it whole."""
    path = folder / "report.html"
    files.replace(path, render(name, **values))
    return path


def policy(style: str) -> str:
    """The Content Security Policy of a page with this style and nothing else that acts."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def environment() -> Environment:
    """Where the templates are found and how they are filled in."""
    made = Environment(
        loader=PackageLoader("netwright.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    made.globals["numbers"] = numbers
    return made


def _visible(value: Any) -> Any:
    """Foreign words with their invisible characters written out; what a macro made stays."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    # a picture is a long word, and has nothing to be looked for letter by letter
    return value if value.isascii() and value.isprintable() else escaped(value)
