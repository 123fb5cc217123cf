"""Rows of adversarial networks: quality beside floors and real samples, and speed."""

from typing import Any

from rows import Row, in_threads, ladder, percent, read

GAMES = (
    ("plain", "the textbook pair at 32 px, ours / a plain PyTorch loop", "2.0"),
    ("tuned", "the same, ours / Keras tuned fp32", "2.0; 2.1"),
    ("tuned-bf16", "the same, ours / Keras tuned mixed_bfloat16", "1.25; 1.45"),
)


def trained(found: dict[str, Any]) -> str:
    """How the runs of a game were trained."""
    first, many = found["runs"][0], len(found["runs"])
    steps = sum(r["steps"] for r in found["runs"]) / many
    seeds = f"{many} seed{'s' if many > 1 else ''}"
    typical = first.get("rules", {}).get("truncation", 1.0)
    told = "" if typical == 1.0 else f", truncation {typical:g}"
    spent = f"{first['seconds']:.0f} s, {in_threads(found['threads'])}"
    return f"{seeds}, {steps:,.0f} rounds, {spent}{told}"


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
        between = found["floors"]["interpolation between neighbours"]
        learned = (
            f"{percent(m['train_on_made'])}; floor {percent(floor['train_on_made'])}; between real "
            f"neighbours {percent(between['train_on_made'])}; real {percent(m['train_on_real'])}"
            f"{grown}"
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
        share = f"{m['f1_on_made'] / m['f1_on_real']:.2f} ({percent(m['f1_on_made'])})"
        floors = "; floors of the first" if len(found["runs"]) > 1 else ""
        said = f"{share}; {beside} ({trained(found)}{floors})"
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
                rows.append((f"{title}, {in_threads(threads)}", *row[1:]))
    return rows
