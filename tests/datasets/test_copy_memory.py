from pathlib import Path

import numpy as np
import pytest
import torch

from netwright import registry
from netwright.datasets.copy_memory import CopyMemoryConfig, dataset, rows
from netwright.errors import InputError
from netwright.specs import Symbols


@pytest.mark.parametrize("delay", [1, 100])
def test_a_row_is_that_of_the_published_generator(delay: int) -> None:
    made = rows(np.random.default_rng(0), 200, delay)
    x, y = made["x"], made["y"]
    assert x.shape == y.shape == (200, delay + 20)
    assert set(x[:, :10].flat) == set(range(1, 9))
    assert not x[:, 10 : 10 + delay - 1].any()
    assert (x[:, 10 + delay - 1 :] == 9).all()
    assert x[:, 10 + delay - 1 :].shape[1] == 11
    assert not y[:, :-10].any()
    assert (y[:, -10:] == x[:, :10]).all()


def test_the_answer_is_due_behind_the_sign_to_begin() -> None:
    made = rows(np.random.default_rng(0), 1, 5)
    assert (made["x"][0] == 9).argmax() + 1 == (made["y"][0] > 0).argmax()


def test_the_data_are_as_the_schema_says() -> None:
    config = CopyMemoryConfig(delay=3, samples=300, held=40)
    data = dataset.open(config)
    assert dict(data.schema.columns) == dict.fromkeys("xy", Symbols(vocabulary=10, length=23))
    assert [len(p) for p in data.parts.values()] == [300, 40, 40]
    stored = [p.gather(torch.arange(len(p))) for p in data.parts.values()]
    assert {b["x"].dtype for b in stored} == {b["y"].dtype for b in stored} == {torch.int32}
    marks = {row.numpy().tobytes() for b in stored for row in b["x"]}
    assert len(marks) == 380
    assert dataset.open(config).fingerprint == data.fingerprint
    with pytest.raises(InputError, match="reads no files"):
        dataset.read(data.schema, [Path("x")])
    assert registry.load("datasets", "copy-memory") is dataset
