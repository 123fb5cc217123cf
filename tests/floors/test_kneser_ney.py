import torch
from torch import Generator, Tensor

from netwright import registry
from netwright.codecs import Characters
from netwright.floors.kneser_ney import Counted, floor
from netwright.specs import Labels, Schema, Text

LINE = "she sells sea shells by the sea shore and the shells that she sells are sea shells "


def schema(start: int | None = None) -> Schema:
    codec = Characters.of(LINE + "xyz")
    return Schema(columns={"text": Text(codec=codec, length=8, start=start)})


def encoded(text: str) -> Tensor:
    return torch.tensor(Characters.of(LINE + "xyz").encode(text), dtype=torch.int32)


def fitted(start: int | None = None) -> Counted:
    net = floor.fit({"x": encoded(LINE * 4)}, schema(start), Generator())["net"]
    assert isinstance(net, Counted)
    return net


def test_asked_as_a_network_and_asked_for_nats_it_says_the_same() -> None:
    net, text = fitted(), encoded("the sea shells are by the shore xz")
    logits = net(text[None])
    assert logits.shape == (1, len(text), len(Characters.of(LINE + "xyz").symbols))
    torch.testing.assert_close(logits.exp().sum(2), torch.ones(1, len(text)))
    asked = -logits[0, :-1].gather(1, text[1:, None].long())[:, 0]
    torch.testing.assert_close(net.nats(text)[1:].float(), asked)


def test_rows_of_a_batch_do_not_mix() -> None:
    net = fitted()
    one, two = encoded("sea shell"), encoded("by the se")
    both = net(torch.stack([one, two]))
    torch.testing.assert_close(both, torch.cat([net(one[None]), net(two[None])]))


def test_it_knows_what_it_was_fitted_on() -> None:
    net = fitted()
    known, foreign = net.nats(encoded("she sells sea shells")), net.nats(encoded("xyz zyx xyx"))
    assert float(known[4:].mean()) < 0.3
    assert float(foreign.mean()) > 2
    assert foreign.isfinite().all(), "`z` never occurred"


def test_the_first_symbol_follows_the_start() -> None:
    space = int(encoded(" "))
    text, net = encoded("sea"), fitted(space)
    assert float(net.nats(text, space)[0]) < float(net.nats(text)[0])
    whole = torch.cat([encoded("shells "), text])
    torch.testing.assert_close(net.nats(text, space)[0], net.nats(whole[-4:])[1])


def test_the_start_is_counted_before_the_training_text() -> None:
    start = int(encoded("z"))  # which stands nowhere else
    net = fitted(start)
    assert float(net.nats(encoded("s"), start)) < float(net.nats(encoded("s"))) - 0.5


def test_data_without_text_are_refused_with_a_sentence() -> None:
    pictures = Schema(columns={"label": Labels(names=("a", "b"))})
    reason = floor.refuses(pictures)
    assert reason is not None
    assert "text" in reason
    assert floor.refuses(schema()) is None


def test_the_registry_finds_it() -> None:
    assert registry.load("floors", "kneser-ney") is floor
    assert floor.title == "Kneser-Ney n-gram"
    assert floor.limit == 20_000_000
