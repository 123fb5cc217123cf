"""What a checkpoint says of itself; damage of whole checkpoints is in `test_checkpoint.py`."""

from pathlib import Path

import pytest
import torch

from netwright.errors import DamagedError
from netwright.train import manifest


def test_tensors_come_back_as_they_were_and_tied_ones_are_written_once() -> None:
    shared = torch.arange(6.0).view(2, 3)
    encoded = manifest.encode({"a": shared, "b": shared, "c": torch.zeros((), dtype=torch.int64)})
    single = manifest.encode({"a": shared, "c": torch.zeros((), dtype=torch.int64)})
    assert len(encoded.data) == len(single.data)


def test_a_number_that_is_not_finite_is_seen() -> None:
    assert manifest.finite(torch.ones(3))
    assert manifest.finite(torch.arange(3))
    assert not manifest.finite(torch.tensor([1.0, float("nan")]))
    assert not manifest.finite(torch.tensor([1.0, float("inf")]).bfloat16())


def test_a_checkpoint_without_a_manifest_is_damaged(tmp_path: Path) -> None:
    with pytest.raises((DamagedError, FileNotFoundError)):
        manifest.read(tmp_path, 3, "run")
