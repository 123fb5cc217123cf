import hashlib

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from netwright.datasets import _splits
from netwright.datasets.base import Tensors
from netwright.errors import InputError


class _Shared(BaseModel):
    share: _splits.Share


def _pictures(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 4, 4), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("given_", "kept"), [(5000, 5000), (1, 1), (0.1, 0.1)])
def test_a_share_is_a_number_or_a_fraction(given_: float, kept: float) -> None:
    share = _Shared.model_validate({"share": given_}).share
    assert share == kept
    assert type(share) is type(kept)


@pytest.mark.parametrize("given_", [0, -1, 0.0, 1.0, 1.5, True, float("nan")])
def test_a_share_that_is_neither_is_refused(given_: float) -> None:
    with pytest.raises(ValidationError):
        _Shared.model_validate({"share": given_})


def test_a_share_never_takes_everything() -> None:
    assert _splits.size_of(0.001, 10) == 1
    assert _splits.size_of(0.25, 10) == 2
    with pytest.raises(InputError) as caught:
        _splits.size_of(6000, 5000)
    assert caught.value.code == 2
    assert str(caught.value) == (
        "validation of 6000 takes all of the 5,000 training images"
        "\ntry: validation=0.1, a tenth of them"
    )
    with pytest.raises(InputError):
        _splits.size_of(0.99, 1)


def test_equal_samples_share_a_digest_and_others_do_not() -> None:
    pixels = _pictures(4)
    pixels[3] = pixels[1]
    marks = _splits.digests(pixels)
    assert marks[3] == marks[1]
    assert len(set(marks)) == 3
    assert _splits.digests(pixels.flip(0)) == marks[::-1]
    assert _splits.digests(pixels.permute(0, 1, 3, 2)) != marks


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=80),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
@example(labels=[0] * 5 + [1] * 5, fraction=0.5, seed=0)
def test_a_stratified_part_has_its_size_and_its_classes(
    labels: list[int], fraction: float, seed: int
) -> None:
    size = min(max(1, round(fraction * len(labels))), len(labels) - 1)
    marks = [number.to_bytes(4, "big") for number in range(len(labels))]
    held = _splits.stratified(torch.tensor(labels), marks, size, seed)
    assert int(held.sum()) == size
    for label in set(labels):
        exact = size * labels.count(label) / len(labels)
        assert abs(int(held[torch.tensor(labels) == label].sum()) - exact) < 1


@settings(derandomize=True, deadline=None, max_examples=40)
@given(kinds=st.lists(st.integers(0, 12), min_size=30, max_size=80), seed=st.integers(0, 99))
def test_equal_samples_lie_in_one_part(kinds: list[int], seed: int) -> None:
    marks = [bytes([kind]) for kind in kinds]
    labels = torch.arange(len(kinds)) % 3
    try:
        held = _splits.stratified(labels, marks, len(kinds) // 3, seed)
    except InputError:
        assert max(kinds.count(kind) for kind in kinds) > 1
        return
    assert 0 < int(held.sum()) <= len(kinds) // 3
    for kind in set(kinds):
        assert len({bool(held[i]) for i, k in enumerate(kinds) if k == kind}) == 1


def test_a_split_depends_on_samples_and_seed_alone() -> None:
    labels = torch.arange(60) % 3
    marks = _splits.digests(_pictures(60))
    held = _splits.stratified(labels, marks, 20, 7)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    moved = _splits.stratified(labels[order], [marks[i] for i in order.tolist()], 20, 7)
    assert torch.equal(moved, held[order])
    assert not torch.equal(held, _splits.stratified(labels, marks, 20, 8))


def test_a_split_is_the_same_on_every_machine() -> None:
    marks = [bytes([number]) for number in range(20)]
    held = _splits.stratified(torch.arange(20) % 2, marks, 6, 0)
    # Fixed by blake2b; another number means that every stored split has changed.
    assert held.nonzero().flatten().tolist() == [1, 4, 11, 16, 17, 18]


def test_samples_that_are_all_equal_cannot_be_split() -> None:
    for cut in (
        lambda: _splits.stratified(torch.zeros(9, dtype=torch.long), [b"a"] * 9, 3, 0),
        lambda: _splits.together([b"a"] * 9, torch.arange(9) > 5),
    ):
        with pytest.raises(InputError) as caught:
            cut()
        assert caught.value.code == 2
        assert str(caught.value) == (
            "no part can be cut from these 9 images: "
            "equal images stay in one part, and too few of these differ"
        )


def test_a_sample_follows_the_first_of_its_equals() -> None:
    marks = [b"a", b"b", b"a", b"c", b"b"]
    held = torch.tensor([False, True, True, True, False])
    assert _splits.together(marks, held).tolist() == [False, True, False, True, True]


def test_doubles_are_told_and_counted_in_the_test_part() -> None:
    assert _splits.doubles([b"a", b"b"], [b"c"]) == ()
    assert _splits.doubles([b"a", b"b", b"a"], [b"a", b"c"]) == (
        "1 of the 2 test images equals a training image; the official split is kept",
    )
    assert _splits.doubles([b"a", b"b"], [b"a", b"a"] + [b"c"] * 1998) == (
        "2 of the 2,000 test images equal a training image; the official split is kept",
    )


@pytest.mark.parametrize("top", [16, 255])
def test_statistics_equal_numpys(top: int) -> None:
    pixels = _pictures(2500).clamp(max=top)
    mean, deviation = _splits.statistics(pixels, top)
    scaled = pixels.numpy().astype(np.float64) / top
    np.testing.assert_allclose(mean, scaled.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(deviation, scaled.std((0, 2, 3)), rtol=1e-12)


def test_statistics_do_not_overflow_and_never_give_a_zero_to_divide_by() -> None:
    pixels = torch.full((2, 1, 300, 300), 255, dtype=torch.uint8)
    assert _splits.statistics(pixels, 255) == ((1.0,), (1.0,))


def test_a_fingerprint_changes_with_any_sample_order_part_or_shape() -> None:
    pixels, labels = _pictures(6), torch.arange(6)

    def taken(order: list[int], cut: int, *, flat: bool = False) -> str:
        images, names = pixels[order], labels[order]
        images = images.flatten(1) if flat else images
        return _splits.fingerprint(
            {
                "train": Tensors({"image": images[:cut], "label": names[:cut]}),
                "test": Tensors({"image": images[cut:], "label": names[cut:]}),
            }
        )

    base = taken([0, 1, 2, 3, 4, 5], 3)
    assert base == taken([0, 1, 2, 3, 4, 5], 3)
    others = [
        taken([1, 0, 2, 3, 4, 5], 3),
        taken([0, 1, 2, 3, 4, 5], 4),
        taken([0, 1, 2, 3, 4, 5], 3, flat=True),
    ]
    pixels[5, 2, 3, 3] ^= 1
    others.append(taken([0, 1, 2, 3, 4, 5], 3))
    assert len({base, *others}) == 5


def test_a_fingerprint_is_sha256_of_names_and_bytes() -> None:
    part = Tensors({"image": torch.tensor([[1, 2]], dtype=torch.uint8)})
    expected = hashlib.sha256(b"train/image/torch.uint8/(1, 2)\n\x01\x02").hexdigest()
    assert _splits.fingerprint({"train": part}) == expected


def test_statistics_come_from_the_training_part() -> None:
    dark = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    dark[0] = 10
    parts = {
        "train": (dark, torch.tensor([0, 1, 0, 1], dtype=torch.uint8)),
        "test": (dark + 200, torch.tensor([0, 1, 0, 1], dtype=torch.uint8)),
    }
    data = _splits.labelled(parts, ("no", "yes"), top=255, fit="crop", notes=("said",))
    image = data.schema.columns["image"]
    assert image.kind == "pictures"
    assert image.mean == (2.5 / 255,)
    assert data.notes == ("said",)
    batch = data.parts["test"].gather(torch.tensor([3, 0]))
    assert batch["label"].tolist() == [1, 0]
    assert batch["label"].dtype == torch.int64
    assert batch["image"].dtype == torch.uint8
    assert data.schema == type(data.schema).model_validate_json(data.schema.model_dump_json())
