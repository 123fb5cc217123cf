import pytest

from netwright.compare import circumstances


def test_the_machine_is_said_without_its_name() -> None:
    what = {"card": "", "threads": 1, "capability": "AVX2", "torch": "2.13.0"}
    assert circumstances.machine(what).endswith("AVX2, 1 thread, torch 2.13.0")
    assert "2 threads, H100" in circumstances.machine(what | {"threads": 2, "card": "H100"})


@pytest.mark.parametrize(("taken", "said"), [((95, 365), 1), ((100, 149), 0), ((), 0), ((7,), 0)])
def test_a_busy_machine_is_said_where_seeds_took_unequal_steps(
    taken: tuple[int, ...], said: int
) -> None:
    found = list(circumstances.busy({"cnn/small": taken}))
    assert len(found) == said
    assert all("took 95 to 365 steps" in sentence for sentence in found)
