"""Who shows gives to whoever watches, and to nobody else."""

import threading

import pytest
import torch

from netwright.nn.look import looked_at, show, watching


def test_nobody_sees_what_is_shown_unwatched() -> None:
    show("early", torch.zeros(1))
    assert not looked_at()
    with watching() as seen:
        assert looked_at()
    assert seen == {}
    show("late", torch.zeros(1))
    assert seen == {}


def test_results_of_one_name_are_counted_in_the_order_of_showing() -> None:
    with watching() as seen:
        for value, label in enumerate(["block", "attention", "block", "blocks", "block"]):
            show(label, torch.tensor(value))
    assert {name: int(value) for name, value in seen.items()} == {
        "block.0": 0,
        "attention.0": 1,
        "block.1": 2,
        "blocks.0": 3,
        "block.2": 4,
    }


def test_a_gradient_flows_through_what_is_shown() -> None:
    x = torch.ones(2, requires_grad=True)
    with watching() as seen:
        show("doubled", 2 * x)
    seen["doubled.0"].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2]


def test_an_inner_watcher_takes_over_and_gives_back_even_on_an_error() -> None:
    with watching() as outer:
        with pytest.raises(ValueError, match="stop"), watching() as inner:  # noqa: PT012
            show("a", torch.zeros(1))
            raise ValueError("stop")
        show("b", torch.zeros(1))
    assert (list(inner), list(outer)) == (["a.0"], ["b.0"])
    assert not looked_at()


def test_another_thread_is_not_watched() -> None:
    with watching() as seen:
        thread = threading.Thread(target=show, args=("there", torch.zeros(1)))
        thread.start()
        thread.join()
    assert seen == {}
