"""Figures of a text: how surprising it was by character, by byte, by symbol and by word.

Dimensions: n symbols that were predicted, u units (documents, blocks of a stream).
"""

import math
from typing import Any

import torch
from torch import Tensor

from netwright.metrics.base import Figure

MEANS = {
    "nats_per_character": "how surprised it is by each character, in nats; 0: never",
    "bits_per_character": "the same in bits: what a character would take, packed by it",
    "bits_per_byte": "the same by byte",
    "perplexity": "among how many equally likely symbols it is in doubt",
    "word_perplexity": "among how many equally likely words it is in doubt, whatever the symbols",
}
"""What each figure says."""
MEANS |= {
    f"{name}_mixture": f"{said}; mixed with an n-gram of the training text"
    for name, said in MEANS.items()
}
MAIN = {"words": "word_perplexity", "characters": "nats_per_character"}
"""What the verdict is about, by kind of codec."""


def main_figure(codec: Any) -> str:
    """Perplexity by word, nats by character, or else bits by byte, which all codecs share."""
    return MAIN.get(codec.kind, "bits_per_byte")


def figures(nats: Tensor, documents: Tensor, lengths: Tensor) -> dict[str, Figure]:
    """A row a unit: sums of nats (or bits) and of what they are divided by.

    `nats` and `documents` (n,), `lengths` (n, 3) characters, bytes and words of each symbol; on the
    CPU. Word perplexity is exp(nats / words), whatever the symbols are, so that codecs can be
    compared. Left out: figures by what these symbols do not stand for.
    """
    names, unit = documents.unique(return_inverse=True)
    columns = [
        nats.double()[:, None],
        lengths.double(),
        torch.ones(len(nats), 1, dtype=torch.float64),
    ]
    sums = torch.zeros(len(names), 5, dtype=torch.float64)
    total, characters, size, words, many = sums.index_add_(0, unit, torch.cat(columns, 1)).unbind(1)
    made = {
        "nats_per_character": (total, characters, "ratio", "nats"),
        "bits_per_character": (total / math.log(2), characters, "ratio", "bits"),
        "bits_per_byte": (total / math.log(2), size, "ratio", "bits"),
        "perplexity": (total, many, "exp_ratio", ""),
        "word_perplexity": (total, words, "exp_ratio", ""),
    }
    return {
        name: Figure(torch.stack([above, below], 1), reduce, higher=False, unit=unit_name)
        for name, (above, below, reduce, unit_name) in made.items()
        if below.sum() > 0
    }
