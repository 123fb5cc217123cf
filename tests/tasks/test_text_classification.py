from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.codecs import AnyCodec, Bytes, Words
from netwright.datasets.base import Tensors, ragged
from netwright.errors import InputError
from netwright.nn.masks import valid
from netwright.specs import Batch, Classes, Labels, Part, Schema, Text, Tokens
from netwright.tasks.base import Draw, Exhibit
from netwright.tasks.text_classification import TextClassification, cuts, even_cuts

WORDS = Words.of(["good bad film plot a the of"])
GOOD, BAD = WORDS.encode("good bad")


@dataclass(frozen=True)
class Held:
    schema: Schema
    parts: Mapping[str, Part]


def held(part: Part, *, length: int = 40, codec: AnyCodec = WORDS, classes: int = 2) -> Held:
    labels = Labels(names=tuple(f"class {i}" for i in range(classes)))
    columns = {"said": Text(codec=codec, length=length), "mood": labels}
    return Held(Schema(columns=columns), {"test": part})


def texts(n: int = 60, *, longest: int = 40, classes: int = 2, seed: int = 0) -> Held:
    """Lengths from 0 to beyond the schema's, some of them often."""
    g = Generator().manual_seed(seed)
    sizes = (torch.rand(n, generator=g) ** 2 * (longest + 6)).long().tolist()
    rows = [torch.randint(2, WORDS.size, (s,), generator=g).tolist() for s in sizes]
    labels = {"mood": torch.randint(classes, (n,), generator=g)}
    return held(ragged("said", rows, labels), length=longest, classes=classes)


def opinions(n: int = 200) -> Held:
    """Class 1 says "good" once among other words, class 0 "bad"."""
    g = Generator().manual_seed(1)
    rows, mood = [], torch.randint(2, (n,), generator=g)
    for y in mood.tolist():
        row = torch.randint(4, WORDS.size, (int(torch.randint(1, 20, (), generator=g)),)).tolist()
        row[len(row) // 2] = GOOD if y else BAD
        rows.append(row)
    return held(ragged("said", rows, {"mood": mood}))


def bound(data: Held, **options: Any) -> TextClassification:
    return TextClassification(data.schema, TextClassification.Config(**options))


def gen(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def whole(task: TextClassification, data: Held, *, train: bool = False) -> Batch:
    part = data.parts["test"]
    return task.batch(part, Draw(torch.arange(len(part))), gen(), train=train)


class Bag(nn.Module):
    """The mean of embeddings, a score for each class; notes the shape of every batch."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS.size, 8)
        self.last = nn.Linear(8, classes)
        self.shapes: list[tuple[int, int]] = []

    def forward(self, x: Tensor, *, lengths: Tensor) -> Tensor:
        self.shapes.append((x.shape[0], x.shape[1]))
        mask = valid(lengths, x.shape[1])
        assert mask is not None
        h = (self.embed(x) * mask[..., None]).sum(1) / lengths[:, None]
        scores: Tensor = self.last(h)
        return scores


class Looking(Bag):
    """Attends evenly, behind a class token where asked to."""

    extra = 0

    def look(self, x: Tensor, *, lengths: Tensor) -> Mapping[str, Tensor]:
        assert lengths.tolist() == [x.shape[1]]
        side = x.shape[1] + self.extra
        return {"attention.0": torch.full((1, 2, side, side), 1 / side)}


def drawn(classes: int = 2, kind: type[Bag] = Bag) -> Bag:
    torch.manual_seed(0)
    return kind(classes).eval()


def test_the_registry_finds_it_and_its_signature_is_that_of_the_columns() -> None:
    data = texts(classes=3)
    found = registry.load("tasks", "text-classification")
    signature = found(data.schema, found.Config()).roles()["net"].signature
    assert (signature.input, signature.output) == (Tokens(WORDS.size, 40), Classes(3))
    assert (signature.positions, signature.context) == ("free", None)
    assert (found.figure, found.data) == ("accuracy", "docstrings")


def test_a_batch_holds_symbols_their_lengths_and_labels() -> None:
    data = held(ragged("said", [[2, 3], [], [4] * 11], {"mood": torch.tensor([1, 0, 1])}), length=9)
    batch = whole(bound(data), data, train=True)
    assert set(batch) == {"x", "lengths", "y"}
    assert batch["x"].tolist() == [[2, 3] + [0] * 7, [0] * 9, [4] * 9]
    assert batch["lengths"].tolist() == [2, 1, 9], "an empty text is one symbol, a long one is cut"
    assert batch["y"].tolist() == [1, 0, 1]
    assert {t.dtype for t in batch.values()} == {torch.int64}


def test_texts_of_one_length_need_no_column_of_lengths() -> None:
    columns = {"said": torch.full((5, 7), 3, dtype=torch.int32), "mood": torch.zeros(5).long()}
    data = held(Tensors(columns), length=7)
    task = bound(data)
    assert whole(task, data)["lengths"].tolist() == [7] * 5
    assert [len(b) for b in task.order(data.parts["test"], 2, gen())] == [2, 2]
    assert len(task.evaluate({"net": drawn()}, data, "test")["accuracy"].rows) == 5


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=300),
    size=st.integers(1, 40),
    buckets=st.integers(1, 8),
)
def test_an_epoch_holds_every_text_once_in_batches_within_the_budget(
    lengths: list[int], size: int, buckets: int
) -> None:
    part = ragged("said", [[2] * n for n in lengths], {"mood": torch.zeros(len(lengths)).long()})
    data = held(part)
    task = bound(data, buckets=buckets)
    order = task.order(part, size, gen())
    if len(lengths) < size:
        assert not order, "the loop then says that the batch is larger than the part"
        return
    assert sorted(torch.cat(list(order)).tolist()) == list(range(len(lengths)))
    places = [min(40, -(-max(1, n) // 8) * 8) for n in lengths]
    budget = size * sum(places) / len(lengths)
    for index in order:
        x = task.batch(part, Draw(index), gen(), train=True)["x"]
        assert len(index) <= 4 * size
        assert len(index) == 1 or x.numel() <= budget


def test_batches_hold_texts_of_a_length_and_the_size_on_average() -> None:
    data = texts(3000)
    part, task = data.parts["test"], bound(data)
    order = task.order(part, 20, gen())
    shapes = [task.batch(part, Draw(i), gen(), train=False)["x"].shape for i in order]
    read = int(whole(task, data)["lengths"].sum())
    assert sum(b * t for b, t in shapes) < 1.6 * read
    plain = torch.randperm(3000, generator=gen()).split(20)
    wasted = sum(task.batch(part, Draw(i), gen(), train=False)["x"].numel() for i in plain)
    assert wasted > 2.2 * read
    assert 0.9 * 150 <= len(order) <= 1.15 * 150
    assert {t for _, t in shapes} == {8, 16, 24, 32, 40}
    assert min(b for b, t in shapes if t == 8) > max(b for b, t in shapes if t == 40)
    largest = max(b * t for b, t in shapes)
    assert sum(2 * b * t < largest for b, t in shapes) <= 3, "at most one small rest a pool"


def test_the_order_is_mixed_and_a_function_of_its_generator() -> None:
    data = texts(1000)
    part, task = data.parts["test"], bound(data)
    first, again, other = (task.order(part, 10, gen(s)) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(torch.cat(list(first)), torch.cat(list(other)))
    alone = bound(data, buckets=100).order(part, 10, gen())  # one pool
    places = [task.batch(part, Draw(i), gen(), train=False)["x"].shape[1] for i in alone]
    assert places != sorted(places), "short texts do not come first"
    neighbours = {frozenset(i.tolist()) for i in first} & {frozenset(i.tolist()) for i in other}
    assert len(neighbours) < 3, "other epochs put other texts together"


def test_a_batch_of_short_texts_holds_four_times_the_size_at_most() -> None:
    rows = [[2] * (3 if i % 3 else 400) for i in range(300)]
    data = held(ragged("said", rows, {"mood": torch.zeros(300).long()}), length=400)
    order = bound(data).order(data.parts["test"], 10, gen())
    assert max(len(index) for index in order) == 40
    assert min(len(index) for index in order) < 5


def test_cuts_are_as_large_as_allowed_and_even_ones_leave_no_rest() -> None:
    assert cuts([8] * 10, 32, 100) == [4, 4, 2]
    assert even_cuts([8] * 9, 32, 100) == [3, 3, 3]
    assert cuts([8, 8, 16, 16, 40], 32, 100) == [2, 2, 1]
    assert cuts([8] * 5, 1000, 2) == [2, 2, 1]
    assert cuts([50, 60], 32, 100) == even_cuts([50, 60], 32, 100) == [1, 1]
    assert cuts([], 32, 100) == even_cuts([], 32, 100) == []


def test_word_dropout_hides_its_share_of_words_in_training_alone() -> None:
    rows = [[3] * 40] * 250
    data = held(ragged("said", rows, {"mood": torch.zeros(250).long()}))
    task = bound(data, word_dropout=0.3)
    judged, trained = whole(task, data), whole(task, data, train=True)
    assert (judged["x"] == 3).all()
    assert set(trained["x"].unique().tolist()) == {0, 3}
    assert float((trained["x"] == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(trained["x"], whole(task, data, train=True)["x"])
    assert torch.equal(trained["lengths"], judged["lengths"])


def test_word_dropout_needs_a_word_for_the_unknown() -> None:
    data = held(ragged("said", [[3]], {"mood": torch.zeros(1).long()}), codec=Bytes())
    bound(data)
    with pytest.raises(InputError, match="codec 'bytes' are no words"):
        bound(data, word_dropout=0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_a_sum_over_a_count(smoothing: float) -> None:
    data = texts(classes=3)
    task, net = bound(data, label_smoothing=smoothing), drawn(3)
    batch = whole(task, data, train=True)
    (turn,) = task.turns()
    loss = task.objective(turn, {"net": net}, batch, {}, gen())
    hot = nn.functional.one_hot(batch["y"], 3)
    target = (1 - smoothing) * hot + smoothing / 3
    by_hand = -(target * net(batch["x"], lengths=batch["lengths"]).log_softmax(1)).sum()
    torch.testing.assert_close(loss.total, by_hand)
    assert float(loss.weight) == 60
    assert turn.roles == ("net",)


def test_the_loss_runs_on_the_meta_device() -> None:
    data = texts()
    task = bound(data, label_smoothing=0.1, word_dropout=0.1)
    batch = {k: v.to("meta") for k, v in whole(task, data, train=True).items()}
    loss = task.objective(task.turns()[0], {"net": drawn().to("meta")}, batch, {}, gen())
    assert loss.total.is_meta
    assert loss.weight.is_meta
    loss.total.backward()


def test_nothing_is_read_before_the_first_step() -> None:
    class Unread:
        def __len__(self) -> int:
            return 3

        def gather(self, index: Tensor) -> Batch:
            raise AssertionError

    bound(texts()).prepare({"net": drawn()}, Unread(), gen())


def test_every_text_is_judged_once_and_rows_stay_in_the_order_of_the_part() -> None:
    data = texts(700, classes=3)
    task, net = bound(data), drawn(3)
    figures = task.evaluate({"net": net}, data, "test")
    assert set(figures) <= set(task.means)
    assert sum(b for b, _ in net.shapes) == 700
    assert max(b * t for b, t in net.shapes) <= 16_384
    assert max(b for b, _ in net.shapes) <= 512
    assert [t for _, t in net.shapes] == sorted(t for _, t in net.shapes)
    batch = whole(task, data)
    guess = net(batch["x"], lengths=batch["lengths"]).argmax(1)
    assert torch.equal(figures["accuracy"].rows[:, 0], (guess == batch["y"]).float())
    assert set(figures) == {"accuracy", "f1_macro", "log_loss", "ece"}
    assert task.figure in figures
    assert "top2" in bound(data, top=2).evaluate({"net": net}, data, "test")


def test_an_empty_part_is_an_error_with_a_sentence() -> None:
    with pytest.raises(InputError, match="no texts"):
        bound(texts(0)).evaluate({"net": drawn()}, texts(0), "test")


def test_the_surest_mistakes_are_shown_as_text() -> None:
    codec = Words.of(["fine\x07 film"])
    fine, film = codec.encode("fine\x07 film")
    rows, mood = [[fine, film], [film, 1, fine, film], [film]], torch.tensor([0, 1, 1])
    data = held(ragged("said", rows, {"mood": mood}), codec=codec)
    logits = torch.tensor([[0.0, 3.0], [9.0, 0.0], [0.0, 9.0]])

    def net(x: Tensor, **inputs: Tensor) -> Tensor:
        return logits[[[2, 4, 1].index(n) for n in inputs["lengths"].tolist()]]

    table, matrix, mistakes = bound(data).exhibits({"net": net}, data, "test", gen())
    assert (table.kind, matrix.kind, mistakes.kind) == ("table", "map", "text")
    assert matrix.tensors["map"].tolist() == [[0, 1], [1, 1]]
    assert mistakes.strings["lines"] == (
        "said class 0, is class 1 (100 %): film fine\\x07 film",
        "said class 1, is class 0 (95 %): fine\\x07 film",
    )


def attention(rows: list[list[int]], kind: type[Bag]) -> Exhibit:
    data = held(ragged("said", rows, {"mood": torch.zeros(len(rows)).long()}))
    return list(bound(data).exhibits({"net": drawn(2, kind)}, data, "test", gen()))[-1]


def test_a_net_that_looks_shows_its_attention_between_words() -> None:
    sentence = WORDS.encode("the plot of the film")
    shown = attention([[2], [3] * 30, sentence, [4] * 7], Looking)
    words = ("the", "plot", "of", "the", "film")
    assert shown.strings == {"rows": words, "columns": words}
    torch.testing.assert_close(shown.tensors["map"], torch.full((5, 5), 0.2))
    shortest = attention([[GOOD, BAD], [3] * 30], Looking)
    assert shortest.strings["rows"] == ("good", "bad")


@pytest.mark.parametrize(("places", "named"), [(1, True), (3, False)])
def test_places_that_are_no_words_have_no_false_names(places: int, named: bool) -> None:
    class Other(Looking):
        extra = places

    shown = attention([WORDS.encode("a good film of the plot")], Other)
    assert shown.tensors["map"].shape == (6 + places, 6 + places)
    assert (shown.strings.get("rows", ())[:2] == ("(class)", "a")) == named
    assert bool(shown.strings) == named


def test_answers_keep_their_names_and_do_not_depend_on_their_neighbours() -> None:
    data = texts(150, classes=3)
    part, task, net = data.parts["test"], bound(data, top=2), drawn(3)

    def inputs() -> Iterator[tuple[str, Batch]]:
        for i in range(150):
            stored = part.gather(torch.tensor([i]))
            yield f"{i}.txt", {"said": stored["said"], "lengths": stored["lengths"]}

    found = list(task.apply({"net": net}, inputs(), gen()))
    assert len(net.shapes) == 3
    batch = whole(task, data)
    shares = net(batch["x"], lengths=batch["lengths"]).softmax(1)
    assert [a.name for a in found] == [f"{i}.txt" for i in range(150)]
    for answer, share in zip(found, shares, strict=True):
        best = int(share.argmax())
        assert answer.value["class"] == f"class {best}"
        assert answer.value["probability"] == pytest.approx(float(share[best].detach()), rel=1e-4)
        assert answer.words.startswith(f"class {best}  ")
        assert len(answer.value["top"]) == 2  # type: ignore[arg-type]


def test_every_floor_that_it_names_stands_and_is_judged_by_the_same_scorer() -> None:
    data = opinions()
    task = bound(data)
    titles = []
    for name in task.floors():
        floor = registry.load("floors", name)
        assert floor.refuses(data.schema) is None
        batch, note = task.sample(data.parts["test"], floor.limit, gen())
        assert not note
        figures = task.evaluate(floor.fit(batch, data.schema, gen()), data, "test")
        assert figures["accuracy"].value > 0.95
        titles.append(floor.title)
    assert titles == [
        "TF-IDF + logistic regression",
        "TF-IDF + linear SVM",
        "naive Bayes, uni- and bigrams",
    ]


@pytest.mark.parametrize("name", ["cnn", "rnn", "transformer", "self-attention"])
def test_a_structure_reads_texts_and_looks_at_them(name: str) -> None:
    structure = registry.load("models", name)
    data = opinions(30)
    task = bound(data)
    signature = task.roles()["net"].signature
    config = structure.presets.get("tiny") or next(iter(structure.presets.values()))
    if structure.refuses(signature, config) is not None:
        pytest.skip("this structure reads no texts yet")
    torch.manual_seed(0)
    net = structure.build(signature, config).eval()
    assert len(task.evaluate({"net": net}, data, "test")["accuracy"].rows) == 30
    assert task.exhibits({"net": net}, data, "test", gen())


def test_a_net_learns_which_word_matters() -> None:
    data = opinions()
    part, task, net = data.parts["test"], bound(data, word_dropout=0.05), drawn()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.05)
    for epoch in range(12):
        for index in task.order(part, 40, gen(epoch)):
            batch = task.batch(part, Draw(index), gen(epoch), train=True)
            loss = task.objective(task.turns()[0], {"net": net}, batch, {}, gen())
            optimizer.zero_grad()
            (loss.total / loss.weight).backward()
            optimizer.step()
    assert task.evaluate({"net": net}, data, "test")["accuracy"].value > 0.95


@pytest.mark.parametrize("kept", ["said", "mood"])
def test_data_without_a_needed_column_are_refused(kept: str) -> None:
    schema = Schema(columns={kept: texts().schema.columns[kept]})
    with pytest.raises(InputError, match=r"no column of \w+: text-classification reads"):
        TextClassification(schema, TextClassification.Config())


@pytest.mark.parametrize("options", [{"word_dropout": 1.0}, {"buckets": 0}, {"bucket": 3}])
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TextClassification.Config(**options)
