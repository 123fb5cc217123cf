"""Weights in eight bits."""

import pytest
import torch
from torch import nn

from netwright.errors import InputError
from netwright.models import rnn, transformer
from netwright.models.base import Network
from netwright.specs import Signature, Tokens
from netwright.train.quantise import in_columns, quantise

CPU = torch.device("cpu")


def _net(structure) -> Network:
    torch.manual_seed(0)
    form = Tokens(11, 16)
    net = structure.build(Signature(form, form, positions="causal"), structure.presets["small"])
    return net.eval()


@pytest.mark.parametrize("structure", [rnn.structure, transformer.structure])
def test_answers_in_eight_bits_are_close_to_those_of_the_whole(structure) -> None:
    net, x = _net(structure), torch.randint(0, 11, (2, 16))
    with torch.inference_mode():
        whole = net(x)
        quantise(net, "int8", CPU)
        short = net(x)
        assert not torch.equal(short, whole)
        assert (short - whole).abs().mean() < 0.1 * whole.std()


@pytest.mark.parametrize("structure", [rnn.structure, transformer.structure])
def test_steps_work_in_eight_bits_too(structure) -> None:
    net, x = _net(structure), torch.randint(0, 11, (2, 6))
    quantise(net, "int8", CPU)
    with torch.inference_mode():
        whole, state, steps = net(x), net.state(2), []
        for at in range(6):
            y, state = net.step(x[:, at : at + 1], state)
            steps.append(y)
    # activations are quantised by each call's own range
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=0.1, rtol=0.1)


def test_fp32_leaves_a_network_as_it_is_and_int8_is_for_cpus() -> None:
    net = _net(rnn.structure)
    before = [m.__class__ for m in net.modules()]
    quantise(net, "fp32", CPU)
    assert [m.__class__ for m in net.modules()] == before
    with pytest.raises(InputError, match="int8 runs on a CPU"):
        quantise(net, "int8", torch.device("cuda"))


@pytest.mark.parametrize("tied", [False, True])
def test_a_network_in_columns_says_the_same(tied: bool) -> None:
    torch.manual_seed(0)
    form = Tokens(11, 16)
    config = transformer.structure.presets["small"]
    config = config.model_copy(update={"head": config.head.model_copy(update={"tied": tied})})
    signature = Signature(form, form, positions="causal")
    net = transformer.structure.build(signature, config).eval()
    net.requires_grad_(requires_grad=False)
    x = torch.randint(0, 11, (2, 16))
    before = net(x)
    in_columns(net)
    torch.testing.assert_close(net(x), before)
    dense = [m.weight for m in net.modules() if isinstance(m, nn.Linear)]
    assert all(w.stride()[0] == 1 for w in dense)
    assert net.stem.embed.weight.is_contiguous()
