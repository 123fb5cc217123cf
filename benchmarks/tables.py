"""Write the README's tables from benchmarks/results: `python benchmarks/tables.py [--check]`."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
Row = tuple[str, str, str]
LADDER = (
    ("installed", "training, classic CNN, ours / Keras as installed", ("1.6", "1.8")),
    ("tuned", "training, ours / Keras tuned fp32", ("1.4", "1.55")),
    ("tuned-bf16", "training, ours / Keras tuned mixed_bfloat16", ("0.75", "1.0")),
    ("same-order", "training, ReLU before pool, ours / Keras tuned fp32", ("0.9", "0.9")),
    ("inference", "inference, batch 256, ours / Keras tuned fp32", ("2.0", "2.0")),
    ("predict", "one answer, ours / Keras `predict`", ("20", "20")),
    ("traced", "one answer, ours / a traced `tf.function`", ("1.0", "1.0")),
)


def read(name: str) -> dict[str, Any] | None:
    """A result, or None where it was not measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def accuracy(name: str, title: str, wanted: str) -> Row | None:
    found = read(name)
    if found is None:
        return None
    runs = found["runs"]
    seeds = f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"
    flip = [r["test"]["accuracy_flip"] for r in runs if "accuracy_flip" in r["test"]]
    extra = f"; with test-time flip {percent(sum(flip) / len(flip))}" if flip else ""
    seconds = max(r["seconds"] for r in runs)
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    said = f"{percent(found['accuracy'])} ({seeds}, {seconds:.0f} s, {threads}{extra})"
    return title, said, wanted


LANGUAGE = (
    ("shakespeare-rnn", "tiny-shakespeare, last 10 %, rnn", "1.49"),
    ("shakespeare-transformer", "tiny-shakespeare, transformer", "1.49"),
    ("shakespeare-self_attention", "tiny-shakespeare, self-attention", "reported"),
    ("shakespeare-cnn", "tiny-shakespeare, cnn", "reported"),
    ("ptb-rnn", "Penn Treebank, test, rnn", "140"),
    ("ptb-transformer", "Penn Treebank, test, transformer", "160"),
    ("sst2-cnn", "SST-2, test, cnn", "79 % on dev"),
    ("sst2-rnn", "SST-2, test, rnn", "79 % on dev"),
    ("sst2-transformer", "SST-2, test, transformer", "79 % on dev"),
    ("sst2-self_attention", "SST-2, test, self-attention", "79 % on dev"),
    ("agnews-cnn", "AG News, 10k training rows, cnn", "the floor"),
    ("agnews-rnn", "AG News, 10k training rows, rnn", "the floor"),
    ("agnews-transformer", "AG News, 10k training rows, transformer", "the floor"),
    ("agnews-self_attention", "AG News, 10k training rows, self-attention", "the floor"),
    ("mqar-transformer", "MQAR, 64 symbols, 4 pairs, transformer", "99.9 %"),
    ("mqar-rnn", "MQAR, 64 symbols, 4 pairs, rnn", "reported"),
    ("adding-rnn", "adding problem, length 200, rnn", "0.005"),
    ("adding-transformer", "adding problem, length 200, transformer", "0.005"),
)
UNITS = {
    "nats_per_character": "nats a character",
    "word_perplexity": "word perplexity",
    "mse": "MSE",
}


def language(name: str, title: str, wanted: str) -> Row | None:
    """A figure of language, of the test part; of SST-2 of its dev set as well."""
    found = read(name)
    if found is None:
        return None
    kind, runs = found["figure"], found["runs"]

    def said(values: list[float]) -> str:
        mean = sum(values) / len(values)
        if kind == "recall":
            return f"{100 * mean:.2f} %"
        return percent(mean) if kind == "accuracy" else f"{mean:.4g} {UNITS[kind]}"

    parts = [said([r["test"][kind] for r in runs])]
    if name.startswith("sst2"):
        parts.append(f"dev {said([r['validation'][kind] for r in runs])}")
    mixed = [r["test"][f"{kind}_mixture"] for r in runs if f"{kind}_mixture" in r["test"]]
    if mixed:
        parts.append(f"mixed with the n-gram {said(mixed)}")
    seconds, threads = max(r["seconds"] for r in runs), found["threads"]
    seeds = f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"
    size = f"{runs[0]['parameters'] / 1e6:.2f}M weights"
    inside = f"{seeds}, {seconds:.0f} s, {threads} thread{'s' if threads > 1 else ''}, {size}"
    return title, f"{'; '.join(parts)} ({inside})", wanted


SPEED = (
    ("language", "lstm-training-tuned", "LSTM training, ours / Keras tuned fp32", "3.4; 3.0"),
    ("language", "lstm-training-tuned-bf16", "LSTM training, ours / Keras tuned bf16", "3.8; 3.4"),
    ("language", "transformer-training-tuned", "Transformer training, the same", "2.3; 2.4"),
    ("language", "transformer-training-tuned-bf16", "Transformer training, bf16", "1.6; 1.7"),
    ("language", "lstm-inference-tuned", "LSTM inference, ours / Keras tuned fp32", "3.4"),
    ("language", "transformer-inference-tuned", "Transformer inference, the same", "1.3"),
    ("trainer", "trainer", "training, 4 x 256, ours / Trainer of transformers", "1.3"),
    ("trainer", "trainer-fused", "the same, Trainer with fused AdamW", "1.3"),
    ("decoding", "ours", "decoding, 13.9M weights, batch 1, ours / `generate`", "1.45"),
    ("decoding", "ours-int8", "decoding in int8, the same", "2.4"),
)


def speed() -> list[Row]:
    """Ratios of speed in language, by threads."""
    rows = []
    for threads in (1, 2):
        for name, key, title, wanted in SPEED:
            found = ladder(f"{name}-{threads}", key, title, wanted)
            if found is not None:
                rows.append((f"{title}, {threads} thread{'s' if threads > 1 else ''}", *found[1:]))
    return rows


def parity() -> list[Row]:
    """The largest difference from the same nets of transformers."""
    found = read("parity-transformers")
    if found is None:
        return []
    names = {"gpt2": "GPT-2", "llama": "Llama"}
    return [
        (
            f"logits against transformers' {title}, same weights: largest difference",
            f"{max(found['differences'][key]['whole'], found['differences'][key]['steps']):.0e}",
            "1e-4",
        )
        for key, title in names.items()
    ]


def text_floors() -> list[Row]:
    """Floors on the same texts, judged by the same scorer."""
    found = read("text-floors")
    if found is None:
        return []
    return [
        (
            f"floor on {f['data']}: {f['title']}",
            f"{f['said']} ({f['seconds']:.0f} s to fit)",
            f["note"],
        )
        for f in found["floors"]
    ]


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


def ladder(name: str, key: str, title: str, wanted: str) -> Row | None:
    found = read(name)
    if found is None or key not in found["ratios"]:
        return None
    r = found["ratios"][key]
    return title, f"{r['median']:.2f} [{r['low']:.2f}-{r['high']:.2f}]", wanted


GAMES = (
    ("plain", "the textbook pair at 32 px, ours / a plain PyTorch loop", "2.0"),
    ("tuned", "the same, ours / Keras tuned fp32", "2.0; 2.1"),
    ("tuned-bf16", "the same, ours / Keras tuned mixed_bfloat16", "1.25; 1.45"),
)


def trained(found: dict[str, Any]) -> str:
    """How the runs of a game were trained."""
    first, many = found["runs"][0], len(found["runs"])
    seeds = f"{many} seed{'s' if many > 1 else ''}"
    threads = f"{found['threads']} thread{'s' if found['threads'] > 1 else ''}"
    return f"{seeds}, {first['steps']:,} rounds, {first['seconds']:.0f} s, {threads}"


def games() -> list[Row]:
    """Figures of adversarial networks, beside floors and real samples."""
    rows: list[Row] = []
    if found := read("game-gaussian-grid"):
        m, seeds = found["mean"], len(found["runs"])
        said = (
            f"{m['modes']:.1f} modes, {percent(m['good'])} good, KL {m['kl']:.2f} ({seeds} seeds)"
        )
        rows.append(("25 Gaussians, `mlp` against `mlp`", said, "24.5 modes, 90 % good"))
    pictures = (("digits", "digits"), ("fashion", "Fashion-MNIST"), ("cifar10", "CIFAR-10"))
    for name, title in pictures:
        if not (found := read(f"game-{name}")):
            continue
        m, floor = found["mean"], found["floors"]["Gaussian on principal components"]
        sure = (
            f"{percent(m['sure'])} confident (real {percent(m['sure_of_real'])}), "
            f"{m['classes']:.0f} classes, {percent(m['agreed'])} as asked "
            f"(real {percent(m['agreed_on_real'])}; {trained(found)})"
        )
        rows.append((f"{title}, confident samples", sure, "85 %, 10 classes"))
        apart = f"{m['frechet']:.3g}; floor {floor['frechet']:.3g}; real {m['frechet_of_real']:.3g}"
        rows.append((f"{title}, Frechet distance (own judge)", apart, "half of the floor"))
        curve = [
            c["validation"]["train_on_made"]
            for c in found["curve"]
            if "train_on_made" in c["validation"]
        ]
        grown = f"; while training {percent(curve[0])} to {percent(curve[-1])}" if curve else ""
        learned = (
            f"{percent(m['train_on_made'])}; floor {percent(floor['train_on_made'])}; "
            f"real {percent(m['train_on_real'])}{grown}"
        )
        rows.append((f"{title}, train on made, test on real", learned, "above the floor"))
    tables = (
        ("mixed-table", "made-up table, 20,000 rows"),
        ("breast-cancer", "breast cancer"),
        ("wine", "wine"),
        ("iris", "iris"),
    )
    for name, title in tables:
        if not (found := read(f"game-{name}")):
            continue
        m = found["mean"]
        beside = ", ".join(
            f"{floor} {f['f1_on_made'] / f['f1_on_real']:.2f}"
            for floor, f in found["floors"].items()
        )
        said = f"{m['f1_on_made'] / m['f1_on_real']:.2f} ({percent(m['f1_on_made'])}); {beside}"
        rows.append((f"{title}, F1 of train-on-made / train-on-real", said, "0.95"))
    if found := read("game-sound"):
        m = found["mean"]
        said = (
            f"judge agrees with {percent(m['agreed'])}, "
            f"of real ones {percent(m['agreed_on_real'])}; {m['classes']:.1f} classes "
            f"({trained(found)})"
        )
        rows.append(("spoken digits, made clips", said, "50 %, 10 classes"))
    for threads in (1, 2):
        for key, title, wanted in GAMES:
            if row := ladder(f"game-{threads}", key, title, wanted):
                rows.append((f"{title}, {threads} thread{'s' if threads > 1 else ''}", *row[1:]))
    return rows


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
                f"{title}, {t} thread{'s' if t > 1 else ''}",
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
