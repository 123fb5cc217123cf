"""Write the README's tables from benchmarks/results: `python benchmarks/tables.py [--check]`."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rows import RESULTS, Row, in_threads, ladder, percent, read
from rows_games import games
from rows_language import LANGUAGE, language, parity, speed, text_floors

README = Path(__file__).parent.parent / "README.md"
LADDER = (
    ("installed", "training, classic CNN, ours / Keras as installed", ("1.6", "1.8")),
    ("tuned", "training, ours / Keras tuned fp32", ("1.4", "1.55")),
    ("tuned-bf16", "training, ours / Keras tuned mixed_bfloat16", ("0.75", "1.0")),
    ("same-order", "training, ReLU before pool, ours / Keras tuned fp32", ("0.9", "0.9")),
    ("inference", "inference, batch 256, ours / Keras tuned fp32", ("2.0", "2.0")),
    ("predict", "one answer, ours / Keras `predict`", ("20", "20")),
    ("traced", "one answer, ours / a traced `tf.function`", ("1.0", "1.0")),
)


def accuracy(name: str, title: str, wanted: str) -> Row | None:
    found = read(name)
    if found is None:
        return None
    runs = found["runs"]
    seeds = f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"
    flip = [r["test"]["accuracy_flip"] for r in runs if "accuracy_flip" in r["test"]]
    extra = f"; with test-time flip {percent(sum(flip) / len(flip))}" if flip else ""
    seconds = max(r["seconds"] for r in runs)
    inside = f"{seeds}, {seconds:.0f} s, {in_threads(found['threads'])}{extra}"
    said = f"{percent(found['accuracy'])} ({inside})"
    return title, said, wanted


def digits(name: str, title: str, wanted: str) -> Row | None:
    found = read(name)
    if found is None:
        return None
    spread = found["deviation"]
    said = f"{100 * found['accuracy']:.2f} %"
    said += " (1 seed)" if spread is None else f" ± {100 * spread:.2f} over seeds"
    return title, f"{said}; SVM-RBF {100 * found['floor']:.2f} %", wanted


def floors(name: str) -> list[Row]:
    found = read(name)
    if found is None:
        return []
    return [
        (
            f"floor: {f['title']}",
            f"{percent(f['accuracy'])} ({f['seconds']:.0f} s to fit)",
            f["note"],
        )
        for f in found["floors"]
    ]


def step(name: str, net: str, title: str, wanted: str) -> Row | None:
    found = read(name)
    if found is None:
        return None
    r = found["nets"][net]["ours_over_lean"]
    return title, f"{r['median']:.2f} [{r['low']:.2f}-{r['high']:.2f}]", wanted


def prediction(_: str) -> list[Row]:
    found = read("cost-prediction")
    if found is None:
        return []
    return [
        (f"predicted / actual seconds, {r['candidate']}", f"{r['ratio']:.2f}", "0.8 to 1.2")
        for r in found["runs"]
    ]


def verdicts() -> list[Row]:
    rows: list[Row] = []
    found = read("contests")
    if found is not None:
        said = f"{found['ties']} of {found['pairs']} pairs tie in {found['contests']} contests"
        rows.append(("real A/A contests on digits", said, "reported"))
    return rows


def startup() -> list[Row]:
    found = read("startup")
    if found is None:
        return []
    return [(f"`{r['command']}`", f"{r['seconds']:.2f} s", "< 0.3 s") for r in found["commands"]]


def all_rows() -> list[Row]:
    """Every figure that was measured, in the README's order."""
    single: list[Callable[[], Row | None]] = [
        lambda: digits(
            "digits-folds", "digits, 5-fold shuffled (leaks writers), `cnn/small`", "99.2 %"
        ),
        lambda: digits("digits-folds-unshuffled", "digits, 5-fold unshuffled", "reported"),
        lambda: accuracy("fashion-cnn", "Fashion-MNIST, `cnn/base`", "93.0 %"),
        lambda: accuracy("fashion-transformer", "Fashion-MNIST, transformer", "91 %"),
        lambda: accuracy("fashion-rnn", "Fashion-MNIST, rnn", "90 %"),
        lambda: accuracy("fashion-self-attention", "Fashion-MNIST, self-attention", "89 %"),
    ]
    rows = [row for make in single if (row := make()) is not None]
    rows += floors("fashion-floors")
    more: list[Callable[[], Row | None]] = [
        lambda: accuracy(
            "cifar10-cnn", "CIFAR-10, trained on data_batch_1 to 4, `cnn/base`", "84 %"
        ),
        lambda: step("step-1", "cnn/classic", "step / lean loop, classic CNN, 1 thread", "1.05"),
        lambda: step("step-1", "mlp/classic", "step / lean loop, MLP, 1 thread", "1.15"),
        lambda: step("step-2", "cnn/classic", "step / lean loop, classic CNN, 2 threads", "1.05"),
        lambda: step("step-2", "mlp/classic", "step / lean loop, MLP, 2 threads", "1.15"),
    ]
    for t in (1, 2):
        more += [
            partial(
                ladder,
                f"keras-{t}",
                key,
                f"{title}, {in_threads(t)}",
                wanted[t - 1],
            )
            for key, title, wanted in LADDER
        ]
    rows += [row for make in more if (row := make()) is not None]
    rows += [row for args in LANGUAGE if (row := language(*args)) is not None]
    rows += text_floors() + speed() + parity() + games()
    return rows + prediction("") + startup() + verdicts()


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| figure | measured | wanted |", "| --- | --- | --- |"]
    return "\n".join(lines + [f"| {a} | {b} | {c} |" for a, b, c in rows])


def simulated() -> str:
    """Coverage of intervals and share of ties by simulation."""
    found = read("verdicts")
    if found is None:
        return "not measured"
    lines = [
        "| units | seed effect | nets | interval | difference | A/A ties | naive ties |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {s['units']:,} | {s['seed_effect']} | {s['seeds_agree']} | "
        f"{percent(s['components']['interval'])} | {percent(s['components']['difference'])} | "
        f"{percent(s['components']['ties'])} | {percent(s['naive']['ties'])} |"
        for s in found["settings"]
    ]
    return "\n".join(lines)


def demo() -> str:
    """The demo's own output."""
    path = RESULTS / "demo.txt"
    return "```\n" + path.read_text("utf-8").rstrip() + "\n```" if path.exists() else "not measured"


def filled(text: str) -> str:
    """The README with everything between its markers made anew."""
    for name, content in (
        ("figures", table(all_rows())),
        ("simulated", simulated()),
        ("demo", demo()),
    ):
        start, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = before + start + content + "\n" + end + after
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the README is out of date")
    given = parser.parse_args()
    old = README.read_text("utf-8")
    new = filled(old)
    if given.check:
        return int(new != old)
    README.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
