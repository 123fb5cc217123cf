import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from netwright.errors import MachineError
from netwright.report import render
from reports import Page

TEMPLATES = sorted((Path(render.__file__).parent / "templates").iterdir())


def test_autoescape_is_on_and_no_template_goes_around_it():
    assert render.environment().autoescape is True
    sources = {p.name: p.read_text("utf-8") for p in TEMPLATES}
    assert {"base.html", "contest.html", "run.html", "style.css"} <= set(sources)
    for name, text in sources.items():
        assert not re.search(r"\|\s*safe|autoescape|Markup|<script|javascript:|xlink", text), name
    style = sources["style.css"]
    assert not re.search(r"url\(|@import|expression|</|{{|{%|{#", style)


def test_templates_load_nothing_from_elsewhere_and_set_no_style_attribute():
    for path in TEMPLATES:
        text = path.read_text("utf-8")
        assert not re.search(r"https?:|//[a-z]|\sstyle=|\son[a-z]+=|<link|<iframe", text), path.name


def test_words_are_escaped_and_what_is_invisible_is_written_out():
    made = render.environment().from_string("<p title='{{ x }}'>{{ x }}</p>")
    text = made.render(x="<b>&'\u202e\x00\u200bend")
    assert text == (
        "<p title='&lt;b&gt;&amp;&#39;\\u202e\\x00\\u200bend'>"
        "&lt;b&gt;&amp;&#39;\\u202e\\x00\\u200bend</p>"
    )


def test_a_word_that_is_missing_is_a_mistake_of_ours():
    with pytest.raises(UndefinedError):
        render.environment().from_string("{{ nothing }}").render()


def test_the_policy_stands_first_and_allows_the_style_alone():
    page = Page(render.environment().get_template("base.html").render(policy=policy(), version="1"))
    names = [tag for tag, _ in page.tags]
    assert names[names.index("head") + 1] == "meta"
    first = page.tags[names.index("head") + 1][1]
    assert first["http-equiv"] == "Content-Security-Policy"
    assert first["content"].split("; ") == [
        "default-src 'none'",
        "img-src data:",
        "media-src data:",
        page.policy_hash,
        "base-uri 'none'",
        "form-action 'none'",
    ]


def policy() -> str:
    return render.policy(render.environment().get_template("style.css").render())


def test_a_page_over_the_limit_is_refused_rather_than_written(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "LIMIT", 10)
    with pytest.raises(MachineError, match="at most 10"):
        render.write(tmp_path, "base.html")
    assert not list(tmp_path.iterdir())


def test_the_page_replaces_an_older_one(tmp_path):
    (tmp_path / "report.html").write_text("old")
    path = render.write(tmp_path, "base.html")
    assert path == tmp_path / "report.html"
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
