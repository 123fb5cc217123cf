"""Parts in memory, and toy batches that look like real ones."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright import registry
from netwright.codecs import Characters
from netwright.datasets.base import PARTS, Data, Tensors, example, ragged
from netwright.specs import (
    Frames,
    Image,
    Labels,
    Numbers,
    Pictures,
    Schema,
    Series,
    Symbols,
    Text,
    Tokens,
    Vector,
)

SCHEMA = Schema(
    columns={
        "image": Pictures(form=Image(3, 4, 5), mean=(0.5,) * 3, deviation=(0.2,) * 3),
        "label": Labels(names=("a", "b")),
    }
)


def part() -> Tensors:
    return Tensors({"image": torch.arange(24).view(6, 4), "label": torch.arange(6)})


def test_gathering_takes_the_samples_in_the_order_asked_for_and_doubles_too() -> None:
    batch = part().gather(torch.tensor([4, 0, 4]))
    assert batch["label"].tolist() == [4, 0, 4]
    assert batch["image"].tolist() == [[16, 17, 18, 19], [0, 1, 2, 3], [16, 17, 18, 19]]
    assert len(part().gather(torch.tensor([], dtype=torch.long))["label"]) == 0


def test_a_gathered_batch_is_a_copy() -> None:
    mine = part()
    mine.gather(torch.arange(6))["label"].zero_()
    assert mine.columns["label"].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_part_is_as_long_as_its_columns_and_moves_whole() -> None:
    there = part().to(torch.device("meta"))
    assert len(there) == len(part()) == 6
    assert all(column.is_meta for column in there.columns.values())
    assert not any(column.is_meta for column in part().columns.values())


def test_an_example_has_the_shapes_and_types_of_a_gathered_batch() -> None:
    batch = example(SCHEMA, 3)
    assert {name: (tuple(v.shape), v.dtype) for name, v in batch.items()} == {
        "image": ((3, 3, 4, 5), torch.uint8),
        "label": ((3,), torch.long),
    }
    assert example(Schema(columns={}), 3) == {}


def test_an_example_of_a_real_data_set_is_what_its_parts_give() -> None:
    dataset = registry.load("datasets", "digits")
    data: Data = dataset.open(dataset.Config())
    assert set(data.parts) == set(PARTS)

    def looks(batch: dict[str, Tensor]) -> dict[str, object]:
        return {name: (v.shape, v.dtype) for name, v in batch.items()}

    for part_of in data.parts.values():
        assert looks(part_of.gather(torch.arange(2))) == looks(example(data.schema, 2))


def test_every_data_set_names_a_task_that_there_is() -> None:
    for name in registry.names("datasets"):
        assert registry.load("datasets", name).task in registry.names("tasks")


TEXTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 1, 2, 3, 4], []]


def test_ragged_texts_are_padded_to_the_longest_rounded_up() -> None:
    part = ragged("text", TEXTS, {"label": torch.tensor([0, 1, 2, 3])})
    assert len(part) == 4
    got = part.gather(torch.tensor([1, 2]))
    assert got["text"].shape == (2, 16)
    assert got["text"][0].tolist() == [4] + [0] * 15
    assert got["text"][1, :9].tolist() == TEXTS[2]
    assert (got["lengths"].tolist(), got["label"].tolist()) == ([1, 9], [1, 2])
    assert part.gather(torch.tensor([3]))["lengths"].tolist() == [0]
    assert part.gather(torch.tensor([3]))["text"].tolist() == [[0] * 8]


@given(st.lists(st.lists(st.integers(0, 9), max_size=20), min_size=1, max_size=8), st.data())
@settings(derandomize=True, deadline=None, max_examples=40)
def test_each_text_comes_back_whole(texts: list[list[int]], data: st.DataObject) -> None:
    part = ragged("text", texts, {})
    index = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=6))
    got = part.to(torch.device("cpu")).gather(torch.tensor(index))
    for row, at in enumerate(index):
        assert got["text"][row, : got["lengths"][row]].tolist() == texts[at]
        assert not got["text"][row, got["lengths"][row] :].any()


def test_an_example_has_every_kind_of_column() -> None:
    columns = {
        "text": Text(codec=Characters.of("abc"), length=5),
        "asked": Symbols(vocabulary=4, length=6),
        "series": Series(features=2, length=7),
        "sum": Numbers(names=("a", "b")),
    }
    shapes = {k: tuple(v.shape) for k, v in example(Schema(columns=columns), 3).items()}
    assert shapes == {"text": (3, 5), "asked": (3, 6), "series": (3, 7, 2), "sum": (3, 2)}
    forms = [c.form for c in columns.values()]
    assert forms == [Tokens(3, 5), Tokens(4, 6), Frames(2, 7), Vector(2)]
    assert Schema.model_validate_json(Schema(columns=columns).model_dump_json()).columns == columns
