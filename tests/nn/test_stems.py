"""Stems: shapes and lengths that they announce are those that they give; hand-made references."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from cells import meta_input
from netwright.nn.stems import Condition, Prefixed, Stem, StemConfig, make_stem
from netwright.specs import Classes, Form, Frames, Image, Layout, Refusal, Tokens, Vector


def stem_for(form: Form, layout: Layout, *, size: tuple[int, ...] = (), **fields: object) -> Stem:
    torch.manual_seed(0)
    made = make_stem(form, layout, StemConfig.model_validate(fields), size=size)
    assert not isinstance(made, Refusal)
    return made


ODD = [(5, 7), (7, 9), (8, 8), (1, 3), (28, 31)]
CASES: list[tuple[Form, Layout, dict[str, object]]] = [
    (Image(3, 6, 4), "grid", {}),
    (Image(3, 6, 4), "sequence", {"read": "rows", "width": 8}),
    (Image(3, 6, 4), "sequence", {"read": "columns", "width": 8}),
    (Image(3, 6, 4), "sequence", {"read": "patches", "patch": 2, "width": 8}),
    (Image(3, 6, 4), "vector", {}),
    (Tokens(9, 5), "sequence", {"width": 8}),
    (Tokens(9, 5), "vector", {"width": 8}),
    (Frames(3, 7), "sequence", {"width": 8, "stride": 3}),
    (Frames(3, 7), "vector", {}),
    (Vector(6), "vector", {}),
    (Vector(6), "grid", {"width": 8, "size": (2, 3)}),
    (Vector(6), "sequence", {"width": 8, "size": (5,)}),
    *(
        (Image(2, *side), "sequence", {"read": "convolution", "convolutions": n, "width": 8})
        for side in ODD
        for n in (1, 2, 3)
    ),
]


@pytest.mark.parametrize(("form", "layout", "fields"), CASES, ids=str)
def test_a_stem_gives_the_width_and_the_places_that_it_announces(
    form: Form, layout: Layout, fields: dict[str, object]
) -> None:
    with torch.device("meta"):
        stem = stem_for(form, layout, **fields)  # type: ignore[arg-type]
    places = (stem.width, *stem.size) if layout == "grid" else (*stem.size, stem.width)
    assert stem(meta_input(form, 2)).shape == (2, *places)


@pytest.mark.parametrize("read", ["rows", "columns"])
def test_a_line_holds_all_channels_of_its_pixels(read: str) -> None:
    x = torch.randn(2, 3, 4, 5)
    stem = stem_for(Image(3, 4, 5), "sequence", read=read, width=6)
    lines = [x[:, :, i] for i in range(4)] if read == "rows" else [x[..., i] for i in range(5)]
    (linear,) = (m for m in stem.modules() if isinstance(m, nn.Linear))
    expected = torch.stack([linear(line.flatten(1)) for line in lines], 1)
    torch.testing.assert_close(stem(x), expected)


def test_patches_are_those_of_an_unfold_by_hand() -> None:
    x = torch.randn(2, 3, 6, 8)
    stem = stem_for(Image(3, 6, 8), "sequence", read="patches", patch=2, width=5)
    (kernel,) = (m for m in stem.modules() if isinstance(m, nn.Conv2d))
    places = [x[:, :, r : r + 2, c : c + 2] for r in range(0, 6, 2) for c in range(0, 8, 2)]
    assert kernel.bias is not None
    expected = [p.flatten(1) @ kernel.weight.flatten(1).T + kernel.bias for p in places]
    torch.testing.assert_close(stem(x), torch.stack(expected, 1), rtol=1e-4, atol=1e-5)


def test_the_tokeniser_convolves_rectifies_and_pools_as_its_source_says() -> None:
    x = torch.randn(2, 1, 9, 7)
    stem = stem_for(Image(1, 9, 7), "sequence", read="convolution", convolutions=2, width=8)
    h = x
    for kernel in (m for m in stem.modules() if isinstance(m, nn.Conv2d)):
        h = F.max_pool2d(F.relu(kernel(h)), 3, stride=2, padding=1)
    torch.testing.assert_close(stem(x), h.flatten(2).transpose(1, 2))


def test_flat_symbols_read_no_padding() -> None:
    stem = stem_for(Tokens(9, 5), "vector", width=4)
    x, lengths = torch.randint(9, (3, 5)), torch.tensor([5, 2, 0])
    h = stem(stem.clean(x, lengths)).view(3, 5, 4)
    assert torch.equal(h[0], stem(x).view(3, 5, 4)[0])
    assert not h[1, 2:].any()
    assert not h[2].any()
    assert h[1, :2].abs().min() > 0
    h.sum().backward()
    (embed,) = (m for m in stem.modules() if isinstance(m, nn.Embedding))
    assert embed.weight.grad is not None
    assert not embed.weight.grad[9].any(), "the padding symbol is not trained"


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_frames_read_together_count_as_one_place_rounded_up(stride: int) -> None:
    stem = stem_for(Frames(2, 7), "sequence", width=4, stride=stride)
    lengths = torch.tensor([7, 4, 3, 1, 0])
    found = stem.lengths(lengths)
    assert isinstance(found, Tensor)
    assert found.tolist() == [-(-n // stride) for n in lengths.tolist()]
    for n in range(1, 8):
        assert stem(torch.randn(1, n, 2)).shape[1] == -(-n // stride)


def test_padding_of_frames_is_zeroed_before_a_stride_mixes_it() -> None:
    stem = stem_for(Frames(2, 4), "sequence", width=3, stride=2)
    x = torch.randn(1, 4, 2)
    other = torch.cat([x[:, :3], torch.full((1, 1, 2), 9.0)], 1)
    lengths = torch.tensor([3])
    one, two = (stem(stem.clean(v, lengths)) for v in (x, other))
    assert torch.equal(one, two)


def test_a_prefix_stands_before_every_sample_and_lengthens_it_by_one() -> None:
    inner = stem_for(Frames(2, 4), "sequence", width=3)
    stem = Prefixed(inner)
    x = torch.randn(2, 4, 2)
    h = stem(x)
    assert stem.size == (5,)
    torch.testing.assert_close(h[:, 1:], inner(x))
    assert torch.equal(h[0, 0], h[1, 0])
    lengths = stem.lengths(torch.tensor([4, 1]))
    assert lengths is not None
    assert lengths.tolist() == [5, 2]
    assert stem.lengths(None) is None


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 5, 3), (2, 3)], ids=str)
def test_a_condition_is_added_at_every_place(shape: tuple[int, ...]) -> None:
    h = torch.randn(shape)
    for form, value in (
        (Classes(4), torch.tensor([1, 3])),
        (Vector(2), torch.randn(2, 2)),
    ):
        added = Condition(form, 3)(h, value) - h
        per_sample = added.movedim(1, -1) if len(shape) == 4 else added
        flat = per_sample.reshape(2, -1, 3)
        torch.testing.assert_close(flat, flat[:, :1].expand_as(flat))
        assert not torch.allclose(flat[0], flat[1])


@pytest.mark.parametrize(
    ("form", "layout", "fields", "words"),
    [
        (Image(1, 8, 9), "sequence", {"read": "patches", "patch": 4}, "do not divide"),
        (Image(1, 8, 8), "sequence", {"read": "convolution", "convolutions": 9}, "too small"),
        (Classes(3), "vector", {}, "no stem reads classes"),
        (Tokens(5, 4), "grid", {}, "no stem reads tokens as a grid"),
        (Vector(4), "grid", {}, "no stem reads vector as a grid"),
    ],
)
def test_what_no_stem_reads_is_refused_in_a_sentence(
    form: Form, layout: Layout, fields: dict[str, object], words: str
) -> None:
    made = make_stem(form, layout, StemConfig.model_validate(fields))
    assert isinstance(made, Refusal)
    assert words in made.reason


@pytest.mark.parametrize("name", ["width", "patch", "convolutions", "stride"])
def test_a_size_of_nothing_is_no_configuration(name: str) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        StemConfig.model_validate({name: 0})


def test_dropped_symbols_are_zero_for_a_whole_batch_and_the_rest_is_scaled() -> None:
    stem = stem_for(Tokens(50, 40), "sequence", width=4, dropout=0.5)
    x = torch.arange(50).repeat(3, 1)
    torch.manual_seed(1)
    h = stem(x)
    lost = (h == 0).all(2)
    assert torch.equal(lost[0], lost[1])
    assert 10 < int(lost[0].sum()) < 40
    kept = ~lost[0]
    torch.testing.assert_close(h[0, kept], 2 * stem.embed.weight[kept])
    assert torch.equal(stem.eval()(x)[0], stem.embed.weight)
