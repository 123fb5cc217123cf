"""What a text is asked for, and the text that comes back in pieces."""

from collections.abc import Iterator, Sequence

from pydantic import Field
from torch import Generator

from netwright.codecs import Codec
from netwright.errors import InputError, escaped
from netwright.nn.decoding import Decoding, Steps, Temperature, decode
from netwright.specs import Text
from netwright.tasks.base import Answer

BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What an unfinished character decodes to."""


class TextRequest(Decoding):
    """Texts to be made."""

    prompt: tuple[str, ...] = Field(("",), min_length=1)
    """What to go on from, one text each; an empty one goes on from the start of a line."""
    temperature: Temperature = 0.8
    stop: tuple[str, ...] = ()
    """A text ends in front of the first of these that appears in it."""


class _Growing:
    """A text as its symbols come."""

    def __init__(self, codec: Codec, before: Sequence[int], stops: Sequence[str]) -> None:
        self.codec, self.stops = codec, [s for s in stops if s]
        self.before, self.skipped = list(before), len(codec.decode(before))
        self.symbols: list[int] = []
        self.shown = 0

    @property
    def text(self) -> str:
        """All of it, up to a stop string."""
        # behind the prompt: words have a space before them there, which they lack by themselves
        text = self.codec.decode([*self.before, *self.symbols])[self.skipped :]
        ends = [at for s in self.stops if (at := text.find(s)) >= 0]
        return text[: min(ends)] if ends else text

    def piece(self, *, last: bool = False) -> str:
        """What can be shown of it that was not shown yet.

        Held back until the last: an unfinished character, and what may begin a stop string.
        """
        text = self.text
        if not last:
            text = text.rstrip(BROKEN)
            held = [n for s in self.stops for n in range(1, len(s)) if text.endswith(s[:n])]
            text = text[: len(text) - max(held, default=0)]
        new, self.shown = text[self.shown :], max(self.shown, len(text))
        return new


def made_texts(
    net: Steps, column: Text, request: TextRequest, generator: Generator
) -> Iterator[Answer]:
    """Where there is one prompt its text in pieces (`piece`); each whole text at the end.

    A whole text is `prompt`, `text`, `symbols` made and, where the prompt was longer than the
    network can look back, `unread`, how many of its first symbols were left out.
    Raises: InputError for a prompt that the codec cannot read, or an empty one without a start.
    """
    codec = column.codec
    prompts = [_symbols(column, p) for p in request.prompt]
    texts = [_Growing(codec, p, request.stop) for p in prompts]
    names = [str(i) for i in range(1, len(prompts) + 1)]
    alone = len(prompts) == 1

    def stop(_: int, made: Sequence[int]) -> bool:
        return any(s in codec.decode(made) for s in texts[0].stops)

    if alone and request.prompt[0]:
        yield Answer(names[0], {"piece": request.prompt[0]})
    for row, symbol in decode(net, prompts, request, generator, stop):
        texts[row].symbols.append(symbol)
        if alone and (piece := texts[row].piece()):
            yield Answer(names[row], {"piece": piece})
    if alone and (piece := texts[0].piece(last=True)):
        yield Answer(names[0], {"piece": piece})
    for name, prompt, symbols, text in zip(names, request.prompt, prompts, texts, strict=True):
        value: dict[str, object] = {
            "prompt": prompt,
            "text": text.text,
            "symbols": len(text.symbols),
        }
        if net.capacity is not None and len(symbols) >= net.capacity:
            value["unread"] = len(symbols) - max(1, net.capacity // 2)
        yield Answer(name, value, words=escaped(prompt + text.text))


def _symbols(column: Text, prompt: str) -> list[int]:
    found = [int(s) for s in column.codec.encode(prompt)]
    if found:
        return found
    if column.start is None:
        raise InputError(
            "an empty prompt has nothing to go on from",
            why="this codec knows no start of a line",
            do='--prompt "..."',
        )
    return [column.start]
