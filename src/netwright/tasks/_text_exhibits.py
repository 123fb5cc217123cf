"""What a text generator shows: a text of its own, its loss by place, and where it looks.

Dimensions: b windows, t places of a window.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Generator

from netwright.codecs import Codec
from netwright.errors import escaped
from netwright.nn.decoding import Decoding, decode
from netwright.specs import Scorer, Text
from netwright.tasks._labelled import last_attention
from netwright.tasks._streams import JUDGED_LOGITS, JUDGED_TOKENS, Stepping, Stream, nats_of
from netwright.tasks.base import Exhibit, Looks

SAMPLE = Decoding(length=200, temperature=0.8)
"""The text that is shown."""
SENTENCE = 20
"""Symbols whose attention is shown, so that a page can name them all."""


@torch.inference_mode()
def shown_of(net: Scorer, text: Text, stream: Stream, generator: Generator) -> Sequence[Exhibit]:
    """All that this net can show of a stream, on the net's device."""
    return (
        *_sample(net, text, stream, generator),
        *_by_place(net, text, stream),
        *_attention(net, text.codec, stream),
    )


def _sample(net: Scorer, text: Text, stream: Stream, generator: Generator) -> Iterator[Exhibit]:
    if not isinstance(net, Stepping) or not len(stream.x):
        return
    prompt = [int(stream.x[0])]
    made = [symbol for _, symbol in decode(net, [prompt], SAMPLE, generator)]
    spoken = text.codec.decode(made if text.start is not None else prompt + made)
    lines = tuple(escaped(line) for line in spoken.split("\n"))
    yield Exhibit("text", f"a text at temperature {SAMPLE.temperature}", strings={"lines": lines})


def _by_place(net: Scorer, text: Text, stream: Stream) -> Iterator[Exhibit]:
    """The mean over windows that do not overlap, of the beginning of the part."""
    x, y, t = stream.x, stream.y, min(text.length, len(stream.x))
    if not t:
        return
    windows = min(len(x) // t, max(1, min(JUDGED_TOKENS, JUDGED_LOGITS // text.codec.size) // t))
    read, truth = (s[: windows * t].view(windows, t).long() for s in (x, y))
    curve = {"x": torch.arange(t), "y": nats_of(net(read), truth).mean(0).cpu()}
    yield Exhibit("curve", "loss in nats by place in the window", curve)


def _attention(net: Scorer, codec: Codec, stream: Stream) -> Iterator[Exhibit]:
    if not isinstance(net, Looks) or not len(stream.x):
        return
    some = stream.x[:SENTENCE].long()
    weights = last_attention(net.look(some[None]))
    if weights is None or tuple(weights.shape) != (len(some), len(some)):
        return
    names = tuple(_name(codec, int(s)) for s in some)
    title = "attention of the last layer, mean of its heads: from symbol (down) to symbol"
    yield Exhibit("map", title, {"map": weights}, {"rows": names, "columns": names})


def _name(codec: Codec, symbol: int) -> str:
    """One symbol as a label: white space is seen."""
    said = codec.decode([symbol])
    return (
        escaped(said)
        .replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}")
        .replace(" ", "\N{OPEN BOX}")
    )
