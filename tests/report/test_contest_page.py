import re
import shutil
import subprocess

import pytest
import torch

from netwright.errors import DamagedError, escaped
from netwright.report.contest_page import write_contest_page
from netwright.report.numbers import MINUS
from netwright.tasks.base import Exhibit
from netwright.train.run import Run
from reports import Words, read_page, write_contest

HOSTILE = (
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</svg><script>alert(1)</script>",
    "</pre></code><iframe src=https://example.org></iframe>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<svg/onload=alert(1)>",
    "<!-- --!><script>alert(1)</script>",
    "<base href=//example.org>",
    "<meta http-equiv=refresh content=0;url=//example.org>",
    "<link rel=stylesheet href=//example.org/x.css>",
    "{{ 7 * 7 }}{% raw %}{# x #}",
    "&lt;script&gt;&#60;b&#62;",
    "]]><script>alert(1)</script>",
    "<style>*{background:url(//example.org)}</style>",
    "\u202egnp.exe\u2066\u2069\u200f",
    "a\x00b\x1b[31mc\u0085d",
    "\u2028\u2029<x\u00ad>",
    "\ud800 lone",
)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "footer", "header", "section"),
    *("h1", "h2", "h3", "p", "ul", "ol", "li", "dl", "dt", "dd", "div", "pre", "code", "details"),
    *("summary", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img"),
    *("audio", "svg", "path", "polygon", "polyline", "text", "span", "bdi", "small", "sup", "a"),
}
"""What our templates are made of."""


@pytest.mark.parametrize("word", HOSTILE)
def test_foreign_words_are_words_wherever_they_stand(tmp_path, word):
    folder = write_contest(tmp_path / "c", Words.all(word), seeds=1)
    page = read_page(write_contest_page(folder))
    assert {tag for tag, _ in page.tags} <= ALLOWED
    for _, attributes in page.tags:
        assert not [a for a in attributes if a.startswith("on") or a in ("style", "srcdoc")]
    assert all(re.fullmatch(r"#method-\d", h) for h in page.having("href"))
    assert all(s.startswith("data:image/png;base64,") for s in page.having("src"))
    assert len([t for t, _ in page.tags if t == "style"]) == 1
    assert page.policy_hash in page.having("content")[0]
    assert not [c for c in page.source if c != "\n" and escaped(c) != c]
    assert page.words.count(" ".join(escaped(word).split())) > 30


def test_the_page_tells_everything_in_its_order(contest_folder):
    page = read_page(write_contest_page(contest_folder))
    assert [i for i in page.having("id") if not i.startswith("method-")] == [
        "verdict",
        "frontier",
        "table",
        "curves",
        "exhibits",
        "costs",
        "again",
        "method",
    ]
    at = 0
    for words in (
        "Choose cnn. It beats every floor. A second one.",
        "pets: 100 train, 20 validation, 40 test · 3 s of training each · 2 seeds · x86_64 AVX2",
        "Quality against cost",
        "The nets and the floors",
        "cnn/small chosen",
        "95.0 ± 2.0 %",
        "rnn/small",
        "gan/small failed training diverged",
        "mlp/base refused training diverged",
        "floor: SVM-RBF the split is shuffled",
        "floor: HOG refused training diverged",
        "All differences, pair by pair",
        "+10.0 (+4.0 to +16.0) points < 0.001 told apart",
        f"+1.0 ({MINUS}4.0 to +6.0) points 0.50 cannot be told apart 9",
        "How they learned",
        "What the nets do",
        "Seed 0, on the validation part.",
        "once upon a time",
        "What they cost",
        "150 µs",
        "330 MB",
        "Energy is not measurable: no counter.",
        "predicted against actual",
        "57 60 3.0 s 3.0 s +0.3 %",
        "Make it again",
        "netwright compare pets --budget 3s",
        "netwright predict contest/cells/0000000000000000 FILE",
        "2.13.0",
        "Method",
        "(Holm 1979)",
    ):
        assert words in page.words[at:], words
        at = page.words.index(words, at)


def test_the_chosen_row_is_marked_and_no_other(contest_folder):
    page = read_page(write_contest_page(contest_folder))
    rows = [a.get("class") for t, a in page.tags if t == "tr"]
    assert rows.count("missing") == 3
    assert page.words.count("cnn/small chosen") == 1
    assert "rnn/small chosen" not in page.words


def test_a_family_keeps_its_colour_over_the_whole_page(contest_folder):
    page = read_page(write_contest_page(contest_folder))
    drawn = [c for c in page.having("class") if c.startswith("mark t")]
    assert {c.split()[1] for c in drawn} == {"t0", "t1", "t4", "t5"}  # cnn, rnn, mlp, gan
    assert sum("t0" in c for c in drawn) > 6


def test_every_chart_comes_in_two_widths_and_is_told_in_words(contest_folder):
    page = read_page(write_contest_page(contest_folder))
    charts = [a for t, a in page.tags if t == "svg" and a["class"].startswith("chart")]
    wide = [a["aria-label"] for a in charts if a["class"] == "chart wide"]
    narrow = [a["aria-label"] for a in charts if a["class"] == "chart narrow"]
    assert wide == narrow
    assert "accuracy against forward FLOPs of one example: cnn 95.0 ± 2.0 % at 2.00M" in wide[0]


def test_nothing_comes_from_elsewhere_and_no_path_of_this_machine_is_told(contest_folder):
    source = write_contest_page(contest_folder).read_text("utf-8")
    assert not re.search(r"https?://|//[a-z]+\.", source)
    assert str(contest_folder.parent) not in source


def test_twelve_cells_with_24_pictures_each_stay_under_a_megabyte(tmp_path):
    g = torch.Generator().manual_seed(0)
    named = {"captions": ("said so",) * 24}
    shown = [
        Exhibit("picture", "mistakes", {"pictures": torch.rand(24, 3, 96, 96, generator=g)}, named),
        Exhibit("map", "attention", {"map": torch.rand(197, 197, generator=g)}),
    ]
    nets = [(f, 0.9 - i / 50, 1e6 * 2**i) for i, f in enumerate(("cnn", "rnn", "mlp", "gan"))]
    folder = write_contest(tmp_path / "c", Words(family="vae"), nets=nets, seeds=3, shown=shown)
    path = write_contest_page(folder)
    page = read_page(path)
    assert path.stat().st_size < 1_000_000
    assert sum(t == "img" for t, _ in page.tags) == 24 + 3 * 8 + 4


def test_a_contest_of_large_sheets_and_long_sounds_stays_under_a_megabyte(tmp_path):
    g = torch.Generator().manual_seed(0)
    sounds = torch.rand(10, 40_000, generator=g) - 0.5
    shown = [
        Exhibit("picture", "made", {"pictures": torch.rand(36, 3, 40, 40, generator=g)}),
        Exhibit("sound", "made", {"sound": sounds}, {"rate": ("16000",)}),
    ]
    nets = [(f, 0.9 - i / 50, 1e6 * 2**i) for i, f in enumerate(("cnn", "rnn", "mlp", "gan"))]
    folder = write_contest(tmp_path / "c", Words(family="vae"), nets=nets, seeds=1, shown=shown)
    with Run.own(folder / "cells" / f"{0:016x}") as run:
        for step in range(10, 60, 10):
            run.exhibits(step, shown[:1])
    path = write_contest_page(folder)
    assert 500_000 < path.stat().st_size < 1_000_000
    page = read_page(path)
    assert sum(t == "img" and "sheet" in a.get("class", "") for t, a in page.tags) == 6 + 4


def test_a_contest_without_a_single_figure_has_a_page(tmp_path):
    def nothing(document):
        document["candidates"] = document["candidates"][2:]
        document.update(pairs=[], floors=[], verdict="No verdict: no network finished.")

    page = read_page(write_contest_page(write_contest(tmp_path / "c", change=nothing)))
    for words in ("No verdict: no network finished.", "No run wrote", "nothing was measured"):
        assert words in page.words


def test_the_cost_of_one_more_symbol_is_drawn_where_nets_make_them_one_by_one(tmp_path):
    folder = write_contest(tmp_path / "c", seeds=1)
    assert 'id="growing"' not in write_contest_page(folder).read_text("utf-8")
    for cell in (folder / "cells").iterdir():
        with Run.own(cell) as run:
            run.cost({**run.view.cost(), "per_place": [[16, 1e-3], [64, 2e-3]]})
    source = write_contest_page(folder).read_text("utf-8")
    assert source.count("one more symbol in ms over symbols before it") == 0
    assert "one more symbol over symbols before it" in source
    assert "ends at 2 ms" in source


def test_a_cost_that_nobody_could_measure_leaves_no_empty_chart(tmp_path):
    folder = write_contest(tmp_path / "c", change=lambda d: d.update(cost="energy"))
    page = read_page(write_contest_page(folder))
    assert "No frontier: the energy of no net could be measured here." in page.words
    assert not [x for x in page.having("aria-label") if x.startswith("accuracy against")]


def test_a_net_that_lost_a_seed_says_so(tmp_path):
    def lose(document):
        cell = document["candidates"][0]["cells"][1]
        cell.update(status="failed", reason="the disk was full", sha256=None)

    page = read_page(write_contest_page(write_contest(tmp_path / "c", change=lose)))
    assert "seed 1 failed: the disk was full" in page.words


def test_how_the_best_net_came_about_stands_in_front_of_what_it_does(contest_folder):
    cell = contest_folder / "cells" / f"{0:016x}"
    with Run.own(cell) as run:
        for step in (20, 40, 60):
            run.exhibits(step, [Exhibit("picture", "dreams", {"pictures": torch.rand(4, 1, 8, 8)})])
    page = read_page(write_contest_page(contest_folder))
    ids = page.having("id")
    assert ids.index("curves") < ids.index("came") < ids.index("exhibits")
    assert "How it came about cnn/small Seed 0, while it was trained. dreams" in page.words
    assert [a for a in page.having("alt") if a.startswith("dreams")] == [
        *(f"dreams, step {s}" for s in (20, 40, 60)),
        "dreams",
    ]


def test_what_the_seed_does_that_is_handed_out_is_shown(tmp_path):
    second = f"cells/{1:016x}"
    page = read_page(
        write_contest_page(write_contest(tmp_path / "c", change=lambda d: d.update(applied=second)))
    )
    assert "Seed 1, on the validation part" in page.words
    assert f"c/{second}" in page.words
    assert f"c/cells/{0:016x}" not in page.words


def test_a_damaged_exhibit_is_named_by_its_cell(contest_folder):
    where = contest_folder / "cells" / f"{0:016x}" / "exhibits" / "step-000000000060"
    (where / "000.json").write_bytes(b"{}")
    with pytest.raises(DamagedError, match=f"the cell {0:016x} cannot be read") as told:
        write_contest_page(contest_folder)
    assert told.value.code == 4


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_shows_the_page_without_a_complaint(contest_folder, tmp_path):
    path = write_contest_page(contest_folder)
    words = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    words += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
    words += ["--disable-sync", f"--user-data-dir={tmp_path / 'browser'}"]
    words += ["--enable-logging=stderr", "--dump-dom", path.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert "Choose cnn." in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr
