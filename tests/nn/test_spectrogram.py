import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from netwright.nn.spectrogram import FLOOR, SCALE, SHIFT, LogMel, filterbank


def by_hand(wave: NDArray[np.float64], rate: int, window: int, hop: int, mels: int) -> object:
    """Filter energies (m, s) of one wave form: sums written out, a triangle a loop."""
    edge = (window - hop) // 2
    padded = np.concatenate([np.zeros(edge), wave, np.zeros(edge)])
    bell = np.array([math.sin(math.pi * i / window) ** 2 for i in range(window)])
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = [700 * (10 ** (top * i / (mels + 1) / 2595) - 1) for i in range(mels + 2)]
    columns = []
    for start in range(0, len(wave) - hop + 1, hop):
        power = np.abs(np.fft.rfft(bell * padded[start : start + window])) ** 2
        column = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            energy = 0.0
            for k, p in enumerate(power):
                f = k * rate / window
                if low < f <= middle:
                    energy += p * (f - low) / (middle - low)
                elif middle < f < high:
                    energy += p * (high - f) / (high - middle)
            column.append(energy)
        columns.append(column)
    return np.array(columns).T


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed)) * 0.1


def sine(hertz: float, rate: int = 8_000, length: int = 4_096) -> Tensor:
    return (2 * math.pi * hertz * torch.arange(length) / rate).sin()[None, :, None]


@pytest.mark.parametrize(
    ("rate", "length", "window", "hop", "mels"),
    [(8_000, 1_024, 256, 128, 32), (8_000, 1_000, 256, 64, 20), (4_000, 700, 128, 128, 8)],
)
def test_energies_are_those_of_sums_written_out(
    rate: int, length: int, window: int, hop: int, mels: int
) -> None:
    net = LogMel(rate, length, window=window, hop=hop, mels=mels)
    assert net.size == window
    x = noise(2, length, 1)
    heard = net(x)
    assert heard.shape == (2, 1, mels, net.frames)
    for row in range(2):
        expected = by_hand(x[row, :, 0].double().numpy(), rate, window, hop, mels)
        np.testing.assert_allclose(net.energies(x)[row], expected, rtol=1e-4, atol=1e-6)
        scaled = (np.log(np.asarray(expected) + FLOOR) - SHIFT) / SCALE
        np.testing.assert_allclose(heard[row, 0], scaled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [4_096, 4_095, 4_100, 128])
def test_there_is_a_frame_for_each_whole_hop(length: int) -> None:
    net = LogMel(8_000, length)
    assert net.frames == length // 128
    assert net(torch.zeros(1, length, 1)).shape == (1, 1, 32, net.frames)


@pytest.mark.parametrize("hertz", [300, 1_000, 2_500])
def test_a_tone_is_loudest_where_its_filter_stands(hertz: float) -> None:
    net = LogMel(8_000, 4_096)
    top = 2595 * math.log10(1 + 4_000 / 700)
    nearest = round(2595 * math.log10(1 + hertz / 700) * 33 / top) - 1
    assert (net(sine(hertz))[0, 0, :, 8].argmax() - nearest).abs() <= 1


def test_silence_and_full_scale_bound_what_it_gives() -> None:
    net = LogMel(8_000, 4_096)
    silent = net(torch.zeros(1, 4_096, 1))
    torch.testing.assert_close(silent, torch.full_like(silent, (math.log(FLOOR) - SHIFT) / SCALE))
    assert -2.1 < float(silent.mean()) < -1.9
    assert 3 < float(net(sine(1_000)).max()) < 5


@pytest.mark.parametrize("rate", [4_000, 8_000, 16_000, 44_100, 192_000])
def test_no_filter_is_empty_at_any_rate(rate: int) -> None:
    net = LogMel(rate, 4_096)
    assert bool((net.filters.amax(1) > 0).all())
    assert net(noise(1, 4_096, 1)).shape == (1, 1, 32, 32)
    assert bool((net.energies(noise(1, 4_096, 1)) > 0).all())


def test_a_longer_transform_reads_the_same_window() -> None:
    """Zeros around the window change no power that both transforms have a bin for."""
    net = LogMel(44_100, 4_096)
    assert net.size > net.window
    x, plain = noise(1, 4_096, 1), LogMel(8_000, 4_096)
    net.filters, plain.filters = torch.eye(net.size // 2 + 1), torch.eye(129)
    every = net.size // net.window
    torch.testing.assert_close(net.energies(x)[:, ::every], plain.energies(x), rtol=1e-3, atol=1e-4)


def test_triangles_have_height_one_and_meet_at_the_middles() -> None:
    bank = filterbank(8_000, 1 << 16, 32)
    torch.testing.assert_close(bank.amax(1), torch.ones(32), rtol=0, atol=2e-3)
    inside = bank.sum(0)[int(bank[0].argmax()) : int(bank[-1].argmax())]
    torch.testing.assert_close(inside, torch.ones_like(inside), rtol=0, atol=1e-4)


def test_it_has_a_gradient_and_nothing_to_store() -> None:
    net = LogMel(8_000, 1_024)
    x = noise(2, 1_024, 1).requires_grad_()
    net(x).sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    assert not list(net.parameters())
    assert not net.state_dict()


def test_it_runs_on_the_meta_device() -> None:
    net = LogMel(8_000, 4_096).to("meta")
    assert net(torch.zeros(3, 4_096, 1, device="meta")).shape == (3, 1, 32, 32)
    with torch.device("meta"):
        made = LogMel(44_100, 4_096)
        assert made(torch.zeros(3, 4_096, 1)).shape == (3, 1, 32, 32)


@pytest.mark.parametrize(("length", "hop"), [(100, 128), (4_096, 257), (4_096, 127), (4_096, 0)])
def test_what_gives_no_frame_is_refused(length: int, hop: int) -> None:
    with pytest.raises(ValueError, match=r"hop|frame"):
        LogMel(8_000, length, hop=hop)
