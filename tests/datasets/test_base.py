"""Parts in memory, and toy batches that look like real ones."""

import torch
from torch import Tensor

from netwright import registry
from netwright.datasets.base import PARTS, Data, Tensors, example
from netwright.specs import Image, Labels, Pictures, Schema

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
