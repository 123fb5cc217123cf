"""Rows of language: quality, speed against peers, parity, floors."""

from rows import Row, in_threads, ladder, percent, read

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
    inside = f"{seeds}, {seconds:.0f} s, {in_threads(threads)}, {size}"
    return title, f"{'; '.join(parts)} ({inside})", wanted


SPEED = (
    ("language", "lstm-training-tuned", "LSTM training, ours / Keras tuned fp32", "3.4; 3.0"),
    ("language", "lstm-training-tuned-bf16", "LSTM training, ours / Keras tuned bf16", "3.8; 3.4"),
    ("language", "transformer-training-tuned", "Transformer training, the same", "2.3; 2.4"),
    ("language", "transformer-training-tuned-bf16", "Transformer training, bf16", "1.6; 1.7"),
    ("language", "lstm-inference-tuned", "LSTM inference, ours / Keras tuned fp32", "3.4"),
    ("language", "transformer-inference-tuned", "Transformer inference, the same", "1.3"),
    ("trainer", "trainer", "training, 4 x 256, ours / Trainer of transformers", "1.3"),
    ("trainer", "trainer-fused", "the same, Trainer with GELU in one kernel", "1.3"),
    ("trainer", "trainer-bf16", "the same, both in bf16", "1.3"),
    (
        "trainer",
        "trainer-fused-bf16",
        "the same, bf16, Trainer with GELU in one kernel",
        "1.3",
    ),
    ("trainer", "ours-bf16", "the same, ours in bf16 / Trainer in fp32", "1.8"),
    ("decoding", "ours", "decoding, 13.9M weights, batch 1, ours / `generate`", "1.45"),
    ("decoding", "ours-int8", "decoding in int8, the same", "2.4"),
)


PLACES = {
    "1": "1 thread",
    "2": "2 threads",
    "1-bf16": "1 thread of a processor with bf16 units",
    "cuda": "one {card}",
}
"""Where a ladder was climbed, by how its result's name ends; `card` is the machine's."""


def speed() -> list[Row]:
    """Ratios of speed in language, by place."""
    return [
        (f"{title}, {words.format_map(result['machine'])}", *found[1:])
        for place, words in PLACES.items()
        for name, key, title, wanted in SPEED
        if (result := read(f"{name}-{place}"))
        and (found := ladder(f"{name}-{place}", key, title, wanted))
    ]


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
