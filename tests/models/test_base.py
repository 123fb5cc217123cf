"""A network is stem, trunk, head: how they are put together, with trunks made up for it."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from cells import meta_input
from netwright import registry
from netwright.errors import InputError
from netwright.models.base import (
    Network,
    Structure,
    StructureConfig,
    Trunk,
)
from netwright.nn.toys import meta_inputs
from netwright.specs import (
    Classes,
    Form,
    Frames,
    Image,
    Layout,
    Plan,
    Refusal,
    Signature,
    Tokens,
    Vector,
)

PICTURES = Signature(Image(1, 8, 8), Classes(4))


class Passing(Trunk):
    """One dense map of every place; a grid grows by `scale`."""

    def __init__(self, plan: Plan, scale: int = 1) -> None:
        super().__init__()
        self.plan, self.width, self.scale = plan, plan.width, scale
        self.mix = nn.Linear(plan.width, plan.width)
        self.seen = 0

    def forward(
        self,
        h: Tensor,
        lengths: Tensor | None = None,
        memory: Tensor | None = None,
        memory_lengths: Tensor | None = None,
    ) -> Tensor:
        if h.dim() == 4:
            grown = h.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
            return self.mix(grown.movedim(1, -1)).movedim(-1, 1)
        y: Tensor = self.mix(h)
        return y if memory is None else y + memory.mean(1, keepdim=True)

    def prepare(self, h: Tensor) -> None:
        self.seen = len(h)


class Made(Structure):
    """A structure of passing trunks that remembers its plans."""

    Config = StructureConfig
    presets: ClassVar[Mapping[str, StructureConfig]] = {"tiny": StructureConfig()}

    def __init__(self, *layouts: Layout, scale: int = 1) -> None:
        self.given, self.scale, self.plans = layouts, scale, list[Plan]()

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        return self.given or Refusal("it reads nothing")

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        self.plans.append(plan)
        if plan.layout == "grid" and plan.scale == "shrink" and plan.size == (4, 4):
            return Refusal("a grid of 4 x 4 is too small")
        return Passing(plan, self.scale)


def config(**fields: object) -> StructureConfig:
    return StructureConfig.model_validate({"stem": {"width": 6}} | fields)


FAMILIES = registry.names("models")


@pytest.mark.parametrize("family", FAMILIES)
def test_refusing_draws_nothing_and_building_draws_the_same_after_it(family: str) -> None:
    structure = registry.load("models", family)
    tiny = structure.presets["tiny"]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert structure.refuses(PICTURES, tiny) is None
    assert torch.equal(state, torch.get_rng_state())
    one = structure.build(PICTURES, tiny)
    torch.manual_seed(5)
    two = structure.build(PICTURES, tiny)
    assert not any(p.is_meta for p in one.parameters())
    torch.testing.assert_close(one.state_dict(), two.state_dict(), rtol=0, atol=0)


def test_what_is_refused_is_built_as_an_error_with_the_same_sentence() -> None:
    structure, signature = Made(), PICTURES
    assert structure.refuses(signature, config()) == Refusal("it reads nothing")
    with pytest.raises(InputError, match="does not fit this task: it reads nothing"):
        structure.build(signature, config())


@pytest.mark.parametrize(
    ("signature", "layout", "fields", "words"),
    [
        (
            Signature(Image(1, 8, 8), Tokens(4, 8), positions="causal"),
            "sequence",
            {},
            "a causal output needs tokens or frames",
        ),
        (PICTURES, "grid", {"head": {"pooling": "class_token"}}, "needs a sequence to stand in"),
        (PICTURES, "grid", {"head": {"pooling": "last"}}, "no last place"),
        (Signature(Classes(3), Classes(4)), "vector", {}, "no stem reads classes as a vector"),
        (Signature(Vector(3), Classes(4)), "grid", {}, "numbers have no places to read as a grid"),
        (
            Signature(Frames(2, 8), Frames(2, 8), context=Classes(3)),
            "sequence",
            {},
            "no stem reads classes as a sequence",
        ),
        (Signature(Image(1, 4, 4), Classes(4)), "grid", {}, "a grid of 4 x 4 is too small"),
    ],
)
def test_a_misfit_says_why(
    signature: Signature, layout: Layout, fields: dict[str, object], words: str
) -> None:
    refusal = Made(layout).refuses(signature, config(**fields))
    assert refusal is not None
    assert words in refusal.reason


def test_the_next_layout_is_taken_where_the_first_is_refused() -> None:
    small = Signature(Image(1, 4, 4), Classes(4))
    assert Made("grid", "vector").build(small, config()).stem.size == ()
    assert Made("grid", "vector").build(PICTURES, config()).stem.size == (8, 8)


@pytest.mark.parametrize(
    ("scale", "growth", "start"), [(4, 2, (1, 2)), (4, 1, (2, 4)), (1, 1, (8, 16))]
)
def test_a_generator_starts_from_what_growth_leaves_over(
    scale: int, growth: int, start: tuple[int, int]
) -> None:
    signature = Signature(Vector(5), Image(3, 8, 16), condition=Classes(4))
    wanted = config(head={"growth": growth})
    structure = Made("grid", scale=scale)
    assert structure.refuses(signature, wanted) is None
    assert structure.plans[-1].scale == "grow"
    net = structure.build(signature, wanted)
    assert net.stem.size == start
    y = net(torch.randn(2, 5), condition=torch.tensor([0, 3]))
    assert y.shape == (2, 3, 8, 16)


def test_a_class_is_told_to_each_first_place_of_a_generator_and_once_to_its_adversary() -> None:
    pictures = Image(1, 8, 8)
    makes = Signature(Vector(5), pictures, condition=Classes(4))
    reads = Signature(pictures, Vector(1), condition=Classes(4))
    generator = Made("grid", scale=2).build(makes, config())
    z = torch.randn(1, 5)
    places = generator.condition(generator.stem(z), torch.tensor([3])) - generator.stem(z)
    assert places.shape == (1, generator.stem.width, 4, 4)
    assert not torch.allclose(places, places[:, :, :1, :1].expand_as(places))
    discriminator = Made("grid").build(reads, config())
    assert discriminator.condition is None
    x, classes = torch.randn(1, 1, 8, 8).expand(4, -1, -1, -1), torch.arange(4)
    assert len(set(discriminator(x, condition=classes).flatten().tolist())) == 4


def test_a_picture_that_does_not_grow_from_whole_places_is_refused() -> None:
    refusal = Made("grid", scale=4).refuses(
        Signature(Vector(5), Image(1, 12, 8)), config(head={"growth": 2})
    )
    assert refusal is not None
    assert "12 x 8 does not grow by 8" in refusal.reason


def test_numbers_grow_into_a_sequence_of_the_outputs_length() -> None:
    for output, shape in ((Frames(3, 7), (7, 3)), (Image(2, 5, 4), (2, 5, 4))):
        signature = Signature(Vector(5), output, positions="aligned")
        net = Made("sequence").build(signature, config())
        assert net(torch.randn(2, 5)).shape == (2, *shape)


@pytest.mark.parametrize(
    ("signature", "layout", "scale"),
    [
        (PICTURES, "grid", "shrink"),
        (PICTURES, "sequence", "keep"),
        (Signature(Image(1, 8, 8), Image(1, 8, 8), positions="aligned"), "grid", "keep"),
        (Signature(Tokens(5, 6), Tokens(5, 6), positions="causal"), "sequence", "keep"),
    ],
)
def test_a_plan_says_all_that_a_trunk_may_know(
    signature: Signature, layout: Layout, scale: str
) -> None:
    structure = Made(layout)
    net = structure.build(signature, config())
    plan = structure.plans[0]
    assert (plan.layout, plan.scale, plan.memory) == (layout, scale, None)
    assert (plan.width, plan.size, plan.positions) == (
        net.stem.width,
        net.stem.size,
        signature.positions,
    )


def test_a_context_is_read_once_and_attended_to() -> None:
    signature = Signature(Frames(2, 8), Frames(2, 8), context=Tokens(9, 3), positions="aligned")
    structure = Made("sequence")
    net = structure.build(signature, config()).eval()
    assert [p.memory for p in structure.plans[:2]] == [None, 6]
    x, context = torch.randn(2, 8, 2), torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert not torch.equal(net(x, context=context), net(x, context=context.flip(0)))


def test_a_class_token_stands_before_a_sequence_that_becomes_one_thing() -> None:
    token = config(head={"pooling": "class_token"})
    net = Made("sequence").build(PICTURES, token)
    assert net.stem.size == (9,)
    assert net(torch.randn(2, 1, 8, 8)).shape == (2, 4)
    aligned = Signature(Frames(2, 8), Tokens(5, 8), positions="aligned")
    assert Made("sequence").build(aligned, token).stem.size == (8,)


def test_preparing_shows_the_trunk_what_the_stem_gives() -> None:
    net = Made("vector").build(PICTURES, config())
    net.prepare(torch.randn(3, 1, 8, 8))
    assert isinstance(net.trunk, Passing)
    assert net.trunk.seen == 3


@pytest.mark.parametrize(
    "form", [Image(1, 2, 3), Tokens(5, 4), Frames(2, 3), Vector(4), Classes(6)], ids=str
)
def test_a_form_has_inputs_without_memory(form: Form) -> None:
    made = meta_input(form, 7)
    assert made.is_meta
    assert len(made) == 7
    assert made.is_floating_point() is not isinstance(form, Tokens | Classes)


def test_inputs_of_a_signature_are_those_that_a_network_is_called_with() -> None:
    signature = Signature(Frames(2, 8), Vector(3), context=Tokens(9, 3), condition=Vector(2))
    with torch.device("meta"):
        net = Made("sequence").build(signature, config())
    inputs = meta_inputs(signature, 5)
    assert set(inputs) == {"x", "context", "condition"}
    assert isinstance(net, Network)
    assert net(**inputs).shape == (5, 3)


def test_a_head_that_is_asked_at_some_places_says_there_what_it_says_everywhere() -> None:
    torch.manual_seed(0)
    form = Tokens(7, 6)
    structure = registry.load("models", "transformer")
    signature = Signature(form, form, positions="causal")
    net = structure.build(signature, structure.presets["tiny"]).eval()
    x, places = torch.randint(0, 7, (3, 6)), torch.tensor([17, 0, 8])
    some = net(x, places=places)
    assert some.shape == (3, 7)
    torch.testing.assert_close(some, net(x).flatten(0, 1)[places])


def test_packed_documents_are_refused_where_they_would_see_each_other() -> None:
    torch.manual_seed(0)
    form = Tokens(7, 6)
    structure = registry.load("models", "rnn")
    signature = Signature(form, form, positions="causal")
    net = structure.build(signature, structure.presets["tiny"])
    assert not net.packs
    with pytest.raises(InputError, match="cannot keep packed documents apart"):
        net(torch.zeros(1, 6, dtype=torch.long), documents=torch.zeros(1, 6, dtype=torch.long))
