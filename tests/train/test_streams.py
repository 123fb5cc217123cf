import torch

from netwright.train.streams import key, key_global, outer_states_kept, stream


def test_a_stream_depends_on_every_part_of_its_place() -> None:
    places = [(0, "order", 1), (1, "order", 1), (0, "batch", 1), (0, "order", 2), (0, "order")]
    drawn = {tuple(torch.rand(3, generator=stream(*p)).tolist()) for p in places}
    assert len(drawn) == len(places)
    assert key(0, "order", 1) == key(0, "order", 1)


def test_the_outer_state_is_given_back() -> None:
    before = torch.get_rng_state()
    with outer_states_kept():
        key_global(5)
        torch.rand(10)
    assert torch.equal(before, torch.get_rng_state())
