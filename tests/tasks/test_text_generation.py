import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from netwright import registry
from netwright.codecs import Bytes, Characters, Words
from netwright.datasets.base import Tensors
from netwright.errors import InputError
from netwright.models.base import Network
from netwright.nn.flops import on_meta
from netwright.specs import Labels, Part, Schema, Text, Tokens
from netwright.tasks import _streams
from netwright.tasks._mixture import Judged, fitted, mixed
from netwright.tasks._streams import Stream, surprise
from netwright.tasks.base import Draw, Turn
from netwright.tasks.text_generation import TextGeneration

FEW = settings(max_examples=25)
TURN = Turn("net", ("net",))
LETTERS = Characters(symbols=" abcdef")


@dataclass(frozen=True)
class Held:
    schema: Schema
    parts: Mapping[str, Part]


def gen(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def schema(codec: Any = LETTERS, length: int = 8, start: int | None = None) -> Schema:
    return Schema(columns={"text": Text(codec=codec, length=length, start=start)})


def part(symbols: Tensor, block: int = 10) -> Tensors:
    document = torch.arange(len(symbols), dtype=torch.int32) // block
    return Tensors({"text": symbols.int(), "document": document})


def counting(n: int) -> Tensors:
    """Symbol i is i: what is gathered says from where."""
    return part(torch.arange(n))


def walk(n: int, seed: int = 0, vocabulary: int = 7) -> Tensor:
    """Symbols that mostly follow from the two before."""
    draws = torch.rand(n, generator=gen(seed)).tolist()
    made = [0, 1]
    for u in draws[2:]:
        law = (2 * made[-1] + made[-2] + 1) % vocabulary
        made.append(law if u < 0.8 else int(u * 1e4) % vocabulary)
    return torch.tensor(made)


def held(sizes: Sequence[int] = (600, 200, 300), **of: Any) -> Held:
    names = ("train", "validation", "test")
    parts = {n: part(walk(m, i)) for i, (n, m) in enumerate(zip(names, sizes, strict=True))}
    return Held(schema(**of), parts)


def bound(schema: Schema, **options: Any) -> TextGeneration:
    return TextGeneration(schema, TextGeneration.Config(**options))


def built(task: TextGeneration, family: str) -> Network:
    torch.manual_seed(0)
    structure = registry.load("models", family)
    net: Network = structure.build(task.roles()["net"].signature, structure.presets["tiny"])
    return net.eval()


class Window(nn.Module):
    """Logits that hang on the last `memory` symbols, zeros before the first; notes its calls."""

    carries = False

    def __init__(self, memory: int = 3, vocabulary: int = 7) -> None:
        super().__init__()
        self.memory, self.vocabulary = memory, vocabulary
        self.weight = nn.Parameter(torch.randn(memory, vocabulary + 1, vocabulary, generator=gen()))
        self.shapes: list[tuple[int, ...]] = []
        self.documents: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        return self.over(F.pad(x + 1, (self.memory - 1, 0)))

    def over(self, padded: Tensor) -> Tensor:
        """(b, memory - 1 + t) symbols, 0 for none, to (b, t, v)."""
        t = padded.shape[1] - self.memory + 1
        self.shapes.append((len(padded), t))
        rows = (self.weight[i][padded[:, i : i + t]] for i in range(self.memory))
        return torch.stack(list(rows)).sum(0)


class Carried(Window):
    """The same, step by step: its state are the last symbols."""

    carries, capacity = True, None

    def state(self, batch: int) -> dict[str, Tensor]:
        return {"last": torch.zeros(batch, self.memory - 1, dtype=torch.long)}

    def step(
        self, x: Tensor, state: Mapping[str, Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        padded = torch.cat([state["last"], x + 1], 1)
        return self.over(padded), {"last": padded[:, padded.shape[1] - self.memory + 1 :]}


class Packs(Window):
    """A net that keeps documents apart."""

    packs = True

    def forward(self, x: Tensor, documents: Tensor | None = None) -> Tensor:
        assert documents is not None
        self.documents.append(documents)
        return super().forward(x)


class Blind(nn.Module):
    """Logits that say how many symbols were seen: place t of V + 1 gets the mass."""

    def forward(self, x: Tensor) -> Tensor:
        place = torch.arange(x.shape[1], dtype=torch.float32).expand_as(x)
        return torch.stack([torch.zeros_like(place), place], 2)


def test_the_registry_finds_it_and_its_output_is_causal() -> None:
    found = registry.load("tasks", "text-generation")
    task = found(schema(length=12), found.Config())
    signature = task.roles()["net"].signature
    assert (signature.input, signature.output) == (Tokens(7, 12), Tokens(7, 12))
    assert signature.positions == "causal"
    assert task.floors() == ("kneser-ney",)


@pytest.mark.parametrize(
    ("codec", "figure"),
    [
        (LETTERS, "nats_per_character"),
        (Bytes(), "bits_per_byte"),
        (Words(words=("<unk>", "<eos>", "a")), "word_perplexity"),
    ],
    ids=["characters", "bytes", "words"],
)
def test_the_codec_chooses_the_figure(codec: Any, figure: str) -> None:
    assert bound(schema(codec)).figure == figure


def test_data_without_text_are_refused() -> None:
    with pytest.raises(InputError, match="no column of text"):
        bound(Schema(columns={"label": Labels(names=("a", "b"))}))


@pytest.mark.parametrize("wrong", [{"packed": True}, {"length_warmup": 0.5}])
def test_what_does_not_go_with_streams_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        bound(schema(), order="streams", **wrong)


@FEW
@given(st.integers(9, 200), st.integers(0, 5))
def test_windows_do_not_overlap_and_have_a_next_symbol(count: int, seed: int) -> None:
    task, data = bound(schema()), counting(count)
    batches = task.order(data, 1, gen(seed))
    seen = []
    for position, index in enumerate(batches):
        batch = task.batch(data, Draw(index, 0, position), gen(), train=True)
        assert set(batch) == {"x", "y"}
        assert torch.equal(batch["y"], batch["x"] + 1)
        assert batch["x"].dtype == torch.int64
        seen += batch["x"].flatten().tolist()
    assert len(seen) == len(set(seen)) >= count - 2 * 8
    assert max(seen) < count - 1


def test_windows_come_in_another_order_and_from_another_place_each_epoch() -> None:
    task, data = bound(schema()), counting(200)
    one, other = (torch.cat(list(task.order(data, 4, gen(seed)))) for seed in (0, 1))
    assert len(set((one % 8).tolist())) == 1
    assert (one[0] % 8) != (other[0] % 8)
    assert one.tolist() != sorted(one.tolist())
    assert [len(b) for b in task.order(data, 4, gen())] == [4] * 6


def test_each_stream_goes_on_where_it_stopped() -> None:
    task, data = bound(schema(), order="streams", forget=0.0), counting(200)
    draws = [Draw(i, 1, k) for k, i in enumerate(task.order(data, 3, gen()))]
    batches = [task.batch(data, d, gen(), train=True) for d in draws]
    assert len(batches) == 199 // 3 // 8
    for before, after in itertools.pairwise(batches):
        assert torch.equal(after["x"][:, 0], before["y"][:, -1])
    assert [b["fresh"].tolist() for b in batches] == [[1.0] * 3] + [[0.0] * 3] * (len(batches) - 1)
    rows = torch.cat([b["x"] for b in batches], 1)
    assert len(rows.unique()) == rows.numel(), "no symbol is read twice in an epoch"


def test_some_streams_forget_at_each_step_and_all_where_an_epoch_begins() -> None:
    task, data = bound(schema(), order="streams", forget=0.25), counting(900)
    index = torch.arange(64)
    first = task.batch(data, Draw(index, 1, 0), gen(), train=True)["fresh"]
    assert first.tolist() == [1.0] * 64
    later = [task.batch(data, Draw(index, 1, k), gen(k), train=True)["fresh"] for k in range(1, 40)]
    assert 0.2 < float(torch.stack(later).mean()) < 0.3
    again = task.batch(data, Draw(index, 1, 5), gen(5), train=True)["fresh"]
    assert torch.equal(again, later[4])


@pytest.mark.parametrize("order", ["windows", "streams"])
def test_a_batch_that_does_not_fit_is_refused_with_what_would(order: str) -> None:
    task = bound(schema(), order=order)
    with pytest.raises(InputError, match=r"50 (windows|streams)") as caught:
        task.order(counting(100), 50, gen())
    assert caught.value.do in {"batch: 2 in a recipe", "batch: 3 in a recipe"}
    assert len(task.order(counting(100), 3, gen()))
    with pytest.raises(InputError, match="more text"):
        task.order(counting(8), 1, gen())


def test_while_lengths_warm_up_windows_are_cut_and_no_symbol_is_lost() -> None:
    task, data = bound(schema(), length_warmup=0.5), counting(8 * 8 * 4 + 9)
    order = task.order(data, 4, gen())
    shapes = []
    for position, index in enumerate(order):
        batch = task.batch(data, Draw(index, 0, position), gen(), train=True)
        whole = task.batch(data, Draw(index, 1, position), gen(), train=True)
        shapes.append(tuple(batch["x"].shape))
        assert whole["x"].shape == (4, 8)
        assert torch.equal(batch["x"].flatten(), whole["x"].flatten())
        assert torch.equal(batch["y"].flatten(), whole["y"].flatten())
    assert shapes == [(16, 2)] * 2 + [(8, 4)] * 2 + [(4, 8)] * 4
    assert task.batch(data, Draw(order[0]), gen(), train=False)["x"].shape == (4, 8)


def drawn(task: TextGeneration, data: Part, size: int, position: int = 0) -> dict[str, Tensor]:
    index = task.order(data, size, gen())[position]
    return task.batch(data, Draw(index, 0, position), gen(), train=True)


def test_the_loss_is_a_sum_of_nats_over_the_number_of_places() -> None:
    task, net = bound(schema()), Window()
    batch = drawn(task, part(walk(100)), 4)
    loss = task.objective(TURN, {"net": net}, batch, {}, gen())
    by_hand = -net(batch["x"]).log_softmax(2).gather(2, batch["y"][..., None]).sum()
    torch.testing.assert_close(loss.total, by_hand)
    assert float(loss.weight) == 4 * 8
    assert not loss.carry


@pytest.mark.parametrize(
    ("family", "order", "kept"),
    [("rnn", "streams", True), ("rnn", "auto", False), ("transformer", "streams", False)],
)
def test_a_state_is_carried_by_nets_that_can_along_streams(
    family: str, order: str, kept: bool
) -> None:
    task, data = bound(schema(), order=order), part(walk(200))
    net = built(task, family)
    carry = task.carry({"net": net}, 3)
    assert bool(carry) is kept
    loss = task.objective(TURN, {"net": net}, drawn(task, data, 3), carry, gen())
    assert {k: v.shape for k, v in loss.carry.items()} == {k: v.shape for k, v in carry.items()}
    assert not any(v.requires_grad for v in loss.carry.values())
    assert loss.total.requires_grad


def test_windows_of_a_stream_through_a_carry_are_one_long_window() -> None:
    task, data = bound(schema(), order="streams"), part(walk(200))
    net = built(task, "rnn")
    batches = [drawn(task, data, 3, k) for k in range(4)]
    carry, total = task.carry({"net": net}, 3), torch.zeros(())
    for batch in batches:
        loss = task.objective(TURN, {"net": net}, batch, carry, gen())
        carry, total = loss.carry, total + loss.total
    x, y = (torch.cat([b[k] for b in batches], 1) for k in "xy")
    logits, _ = net.step(x, net.state(3))
    whole = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    torch.testing.assert_close(total, whole)
    again = task.objective(TURN, {"net": net}, batches[0], carry, gen())
    first = task.objective(TURN, {"net": net}, batches[0], task.carry({"net": net}, 3), gen())
    torch.testing.assert_close(again.total, first.total, msg="an epoch begins without a past")


@pytest.mark.parametrize("family", ["rnn", "transformer"])
@pytest.mark.parametrize("order", ["windows", "streams"])
def test_the_objective_runs_on_the_meta_device(family: str, order: str) -> None:
    task, data = bound(schema(), order=order), part(walk(200))
    net = built(task, family)
    batch = {k: v.to("meta") for k, v in drawn(task, data, 3).items()}
    carry = {k: v.to("meta") for k, v in task.carry({"net": net}, 3).items()}
    loss = task.objective(TURN, {"net": on_meta(net)}, batch, carry, gen())
    assert loss.total.is_meta
    assert loss.total.shape == loss.weight.shape == ()


def test_a_few_steps_learn() -> None:
    task, data = bound(schema()), part(walk(2000))
    net = built(task, "rnn").train()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    means = []
    for epoch in range(2):
        for position, index in enumerate(task.order(data, 8, gen(epoch))):
            batch = task.batch(data, Draw(index, epoch, position), gen(), train=True)
            loss = task.objective(TURN, {"net": net}, batch, {}, gen())
            optimizer.zero_grad()
            (loss.total / loss.weight).backward()
            optimizer.step()
            means.append(float((loss.total / loss.weight).detach()))
    assert means[0] > 1.9
    assert sum(means[-5:]) / 5 < 1.5


def test_nothing_is_shown_before_the_first_step() -> None:
    task = bound(schema())
    task.prepare({"net": None}, counting(50), gen())


def whole(net: Window, stream: Stream) -> Tensor:
    with torch.no_grad():
        logits = net(stream.x[None])[0]
    return F.cross_entropy(logits, stream.y, reduction="none")


@FEW
@given(
    st.integers(2, 150), st.sampled_from([6, 7, 8, 13]), st.sampled_from([None, 2]), st.booleans()
)
def test_every_symbol_is_judged_once_as_if_the_text_were_read_in_one(
    count: int, length: int, start: int | None, carries: bool
) -> None:
    net = Carried() if carries else Window()
    stream = Stream(walk(count), torch.zeros(count), start)
    nats = surprise(net, stream, length=length, vocabulary=7)
    assert len(nats) == count - (start is None)
    torch.testing.assert_close(nats, whole(net, stream).detach())


def test_every_place_but_the_first_has_half_a_window_before_it() -> None:
    length = 8
    stream = Stream(torch.zeros(50, dtype=torch.long), torch.zeros(50), None)
    nats = surprise(Blind(), stream, length=length, vocabulary=2)
    seen = nats.expm1().log().round().long()  # -log(1 / (1 + e^t))
    assert seen[:length].tolist() == list(range(length))
    assert set(seen[length:].tolist()) == {4, 5, 6, 7}


def test_segments_that_are_read_side_by_side_begin_with_a_past() -> None:
    net, n, length = Carried(memory=5), 400, 8
    stream = Stream(walk(n), torch.zeros(n), None)
    nats = surprise(net, stream, length=length, vocabulary=7)
    assert max(rows for rows, _ in net.shapes) == (n - 1) // (4 * length), "side by side"
    torch.testing.assert_close(nats, whole(net, stream).detach())


@pytest.mark.parametrize("net", [Window(), Carried()], ids=["windows", "segments"])
def test_a_large_vocabulary_is_judged_in_small_pieces(
    net: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streams, "JUDGED_LOGITS", 7 * 40)
    stream = Stream(walk(500), torch.zeros(500), None)
    surprise(net, stream, length=8, vocabulary=7)
    assert max(rows * t for rows, t in net.shapes) <= 40


def test_figures_have_a_row_for_each_unit_and_divide_by_what_symbols_stand_for() -> None:
    codec = Words(words=("<unk>", "<eos>", "bé", "sea"))
    symbols = torch.tensor([2, 3, 1, 3, 2, 1])
    documents = torch.tensor([4, 4, 4, 9, 9, 9])
    data = Held(
        schema(codec, start=1), {"test": Tensors({"text": symbols.int(), "document": documents})}
    )
    net = Window(vocabulary=4)
    figures = bound(data.schema).evaluate({"net": net}, data, "test")
    assert set(figures) <= set(TextGeneration.means)
    nats = whole(net, Stream(symbols, documents, 1)).double()
    rows = torch.stack([nats[:3].sum(), nats[3:].sum()])
    torch.testing.assert_close(figures["perplexity"].rows[:, 0], rows)
    assert figures["perplexity"].rows[:, 1].tolist() == [3, 3]
    counts = codec.lengths(symbols.tolist()).sum(0).tolist()
    total = float(nats.sum())
    expected = {
        "nats_per_character": total / counts[0],
        "bits_per_character": total / counts[0] / math.log(2),
        "bits_per_byte": total / counts[1] / math.log(2),
        "perplexity": math.exp(total / 6),
        "word_perplexity": math.exp(total / counts[2]),
    }
    assert {k: f.value for k, f in figures.items()} == pytest.approx(expected)
    assert counts[1] == counts[0] + 2, "bytes are no characters"
    assert counts[2] == 6
    assert not any(f.higher for f in figures.values())


def test_a_first_symbol_that_is_not_judged_is_not_counted_either() -> None:
    codec = Words(words=("<unk>", "<eos>", "b", "seashore"))
    symbols = torch.tensor([3, 2, 2, 1])
    data = Held(schema(codec), {"test": part(symbols)})
    figure = bound(data.schema).evaluate({"net": Window(vocabulary=4)}, data, "test")
    characters = float(codec.lengths(symbols.tolist())[1:, 0].sum())
    assert float(figure["nats_per_character"].rows[:, 1].sum()) == characters


def test_the_first_symbol_is_judged_only_behind_a_start() -> None:
    symbols = walk(30)
    for start, many in ((None, 29), (0, 30)):
        data = Held(schema(start=start), {"test": part(symbols)})
        figure = bound(data.schema).evaluate({"net": Window()}, data, "test")["perplexity"]
        assert float(figure.rows[:, 1].sum()) == many
        assert figure.rows[:, 1].tolist()[1:] == [10, 10]


class Knows:
    """A floor: asked for nats, never for logits."""

    def __call__(self, x: Tensor, **_: Any) -> Tensor:
        raise AssertionError("asked by logits")

    def nats(self, symbols: Tensor, start: int | None = None) -> Tensor:
        return torch.arange(len(symbols)).float() + (100 if start is None else 200)


@pytest.mark.parametrize(("start", "first"), [(None, 101.0), (3, 200.0)])
def test_what_knows_a_whole_stream_is_asked_for_it(start: int | None, first: float) -> None:
    data = Held(schema(start=start), {"test": part(walk(10))})
    task = bound(data.schema, mixture=True)
    figures = task.evaluate({"net": Knows()}, data, "test")
    n = 10 - (start is None)
    assert figures["perplexity"].rows[0].tolist() == [first * n + n * (n - 1) / 2, n]
    assert "nats_per_character_mixture" not in figures, "an n-gram is not mixed with itself"


def test_an_empty_part_is_an_error_with_a_sentence() -> None:
    data = Held(schema(), {"test": part(walk(2)[:1])})
    with pytest.raises(InputError, match="test part is empty"):
        bound(data.schema).evaluate({"net": Window()}, data, "test")


def test_documents_reach_nets_that_keep_them_apart() -> None:
    task, data = bound(schema(), packed=True), held()
    batch = drawn(task, data.parts["train"], 4)
    assert batch["documents"].shape == batch["x"].shape
    net = Packs()
    task.objective(TURN, {"net": net}, batch, {}, gen())
    assert torch.equal(net.documents[0], batch["documents"])
    document = data.parts["test"].gather(torch.arange(30))["document"]
    task.evaluate({"net": net}, data, "test")
    assert torch.equal(net.documents[1][2], document[8:16]), "windows begin every 4 symbols"
    started = Held(schema(start=0), data.parts)
    bound(started.schema, packed=True).evaluate({"net": net}, started, "test")
    assert torch.equal(net.documents[2][2], document[7:15]), "the start is of the first document"
    assert task.objective(TURN, {"net": Window()}, batch, {}, gen()).total > 0
    assert "documents" not in drawn(bound(schema()), data.parts["train"], 4)


def echo(n: int, seed: int) -> Tensor:
    """Symbols that follow from the last one or from the ninth before: an n-gram knows one half."""
    draws = torch.rand(n, generator=gen(seed)).tolist()
    made = [int(7 * u) for u in draws[:9]]
    for u in draws[9:]:
        law = (made[-1] + 1) % 7 if u < 0.5 else made[-9]
        made.append(law if u < 0.9 else int(u * 1e4) % 7)
    return torch.tensor(made)


def echoes() -> Held:
    sizes = {"train": 900, "validation": 200, "test": 300}
    parts = {name: part(echo(n, i)) for i, (name, n) in enumerate(sizes.items())}
    return Held(schema(length=24), parts)


def learned(net: Window, symbols: Tensor) -> Window:
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(net(symbols[None, :-1])[0], symbols[1:]).backward()
        optimizer.step()
    return net


def test_the_mixture_is_better_than_both_and_does_not_read_the_test_part() -> None:
    data = echoes()
    task = bound(data.schema, mixture=True)
    (variant,) = task.variants()
    assert variant.figure == "nats_per_character_mixture"
    net = learned(Window(memory=9), echo(900, 0))
    figures = task.evaluate({"net": net}, data, "test")
    batch, _ = task.sample(data.parts["train"], 10**6, gen())
    floor = registry.load("floors", "kneser-ney").fit(batch, data.schema, gen())
    alone = task.evaluate(floor, data, "test")[task.figure].value
    both = figures[variant.figure]
    assert both.value < min(alone, figures[task.figure].value)
    assert both.rows[:, 1].tolist() == figures[task.figure].rows[:, 1].tolist()
    shorter = Held(data.schema, {**data.parts, "test": part(echo(300, 2)[:150])})
    again = task.evaluate({"net": net}, shorter, "test")[variant.figure]
    torch.testing.assert_close(again.rows, both.rows[:15], msg="weights hang on the test part")
    assert not bound(data.schema).variants()


def test_the_weights_of_the_test_part_are_those_of_the_validation_part() -> None:
    data = echoes()
    task, net = bound(data.schema, mixture=True), learned(Window(memory=9), echo(900, 0))
    name = "nats_per_character_mixture"
    before = task.evaluate({"net": net}, data, "test")[name].value
    by_chance = torch.randint(7, (200,), generator=gen(9))  # which nobody knows
    other = Held(data.schema, {**data.parts, "validation": part(by_chance)})
    assert task.evaluate({"net": net}, other, "test")[name].value != before


def test_no_half_of_the_validation_part_is_judged_by_its_own_weights() -> None:
    data = echoes()
    task, net = bound(data.schema, mixture=True), learned(Window(memory=9), echo(900, 0))
    name = "nats_per_character_mixture"
    rows = task.evaluate({"net": net}, data, "validation")[name].rows
    changed = echo(200, 1)
    changed[150:] = 5
    other = Held(data.schema, {**data.parts, "validation": part(changed)})
    moved = task.evaluate({"net": net}, other, "validation")[name].rows
    assert not torch.allclose(rows[1:9], moved[1:9]), "weights of the first half, from the second"
    torch.testing.assert_close(rows[11:14], moved[11:14])


def test_the_n_gram_of_the_mixture_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from netwright.nn import ngram

    data = echoes()
    task, net = bound(data.schema, mixture=True), Window()
    first = task.evaluate({"net": net}, data, "validation")
    monkeypatch.setattr(ngram, "fit", None)
    again = task.evaluate({"net": net}, data, "validation")
    assert first[f"{task.figure}_mixture"].value == again[f"{task.figure}_mixture"].value


def test_weights_are_those_under_which_the_text_is_likeliest_in_each_bucket() -> None:
    g = gen(3)
    net, other = torch.rand(2, 4000, generator=g).double() * 4
    bucket = torch.randint(3, (4000,), generator=g)
    net[bucket == 1] += 1
    judged = Judged(other, bucket)
    weights = fitted(net, judged, 4)
    assert float(weights[1]) < float(weights[3]) < float(weights[0]), "nobody came by"
    assert float(weights[1]) < 0.4 < float(weights[0])
    here = mixed(net, judged, weights).sum()
    for b, shift in itertools.product(range(3), (-0.03, 0.03)):
        near = weights.clone()
        near[b] += shift
        assert float(mixed(net, judged, near).sum()) > float(here)


def test_a_mixture_of_two_distributions_is_one() -> None:
    p, q = torch.rand(2, 7, generator=gen()).softmax(1).double()
    judged = Judged(-q.log(), torch.zeros(7, dtype=torch.long))
    both = mixed(-p.log(), judged, torch.tensor([0.3]).double())
    torch.testing.assert_close((-both).exp(), 0.3 * p + 0.7 * q)


@pytest.mark.parametrize(("family", "kinds"), [("rnn", 2), ("transformer", 3)])
def test_it_shows_a_text_the_loss_by_place_and_attention(family: str, kinds: int) -> None:
    data = held(length=24, start=0)
    task = bound(data.schema)
    net = built(task, family)
    with torch.no_grad():
        shown = task.exhibits({"net": net}, data, "validation", gen())
        again = task.exhibits({"net": net}, data, "validation", gen())
    assert [e.kind for e in shown] == ["text", "curve", "map"][:kinds]
    text = "\n".join(shown[0].strings["lines"])
    assert len(text) == 200
    assert set(text) <= set(LETTERS.symbols)
    assert again[0].strings == shown[0].strings
    stream = Stream(data.parts["validation"].gather(torch.arange(200))["text"], torch.zeros(200), 0)
    x, y = (s[:192].view(8, 24).long() for s in (stream.x, stream.y))
    with torch.no_grad():
        nats = F.cross_entropy(net(x).transpose(1, 2), y, reduction="none").mean(0)
    torch.testing.assert_close(shown[1].tensors["y"], nats)
    if kinds == 3:
        assert shown[2].tensors["map"].shape == (20, 20)
        assert len(shown[2].strings["rows"]) == 20
        assert shown[2].strings["rows"][0] == "\N{OPEN BOX}"


def test_a_foreign_text_is_told_how_surprising_it_was() -> None:
    data = held()
    task, net = bound(data.schema), Window()
    symbols = walk(40, 5)
    inputs = iter([("a.txt", {"text": symbols[None].int()}), ("b.txt", {"text": symbols[:9]})])
    one, two = task.apply({"net": net}, inputs, gen())
    nats = whole(net, Stream(symbols, symbols, None)).mean()
    assert one.name == "a.txt"
    assert one.value["nats_per_character"] == pytest.approx(float(nats))
    assert one.value["perplexity"] == pytest.approx(math.exp(float(nats)))
    assert (one.value["symbols"], two.value["symbols"]) == (40, 9)
    assert one.words.startswith("nats per character ")
    padded = {"text": F.pad(symbols[None], (0, 8)), "lengths": torch.tensor([40])}
    (again,) = task.apply({"net": net}, iter([("a.txt", padded)]), gen())
    assert again == one
    with pytest.raises(InputError, match="no text to judge"):
        list(task.apply({"net": net}, iter([("c.txt", {"text": symbols[None, :1]})]), gen()))


def test_it_makes_texts_that_are_asked_for() -> None:
    task = bound(schema(start=0))
    assert task.Request is not None
    request = task.Request.model_validate({"prompt": ("ab", ""), "length": 5})
    answers = list(task.generate({"net": built(task, "rnn")}, request, gen()))
    assert [a.value["prompt"] for a in answers if "text" in a.value] == ["ab", ""]


def test_a_floor_is_given_the_whole_stream_or_its_beginning() -> None:
    task, data = bound(schema()), counting(50)
    batch, note = task.sample(data, 50, gen())
    assert batch["x"].tolist() == list(range(50))
    assert batch["document"].tolist() == [i // 10 for i in range(50)]
    assert not note
    batch, note = task.sample(data, 20, gen())
    assert batch["x"].tolist() == list(range(20))
    assert note == "fitted on the first 20 of 50 training symbols"
