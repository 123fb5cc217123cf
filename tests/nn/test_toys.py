"""Toy inputs."""

import pytest
import torch

from netwright.nn.toys import meta_inputs, zeros
from netwright.specs import Classes, Form, Frames, Image, Signature, Tokens, Vector


@pytest.mark.parametrize(
    ("form", "shape", "whole"),
    [
        (Image(3, 4, 5), (2, 3, 4, 5), False),
        (Tokens(9, 7), (2, 7), True),
        (Frames(3, 6), (2, 6, 3), False),
        (Vector(4), (2, 4), False),
        (Classes(8), (2,), True),
    ],
)
def test_zeros_have_the_shape_and_kind_of_their_form(
    form: Form, shape: tuple[int, ...], whole: bool
) -> None:
    made = zeros(form, 2)
    assert tuple(made.shape) == shape
    assert made.is_floating_point() != whole
    assert not made.any()


def test_inputs_on_the_meta_device_are_those_that_are_declared() -> None:
    whole = Signature(Tokens(9, 7), Tokens(9, 7), context=Frames(2, 5), condition=Classes(3))
    made = meta_inputs(whole, 4)
    assert {k: tuple(v.shape) for k, v in made.items()} == {
        "x": (4, 7),
        "context": (4, 5, 2),
        "condition": (4,),
    }
    assert {v.device for v in made.values()} == {torch.device("meta")}
    assert list(meta_inputs(Signature(Image(1, 2, 2), Classes(2)), 1)) == ["x"]
