from itertools import pairwise

import pytest
import torch

from netwright.errors import DamagedError
from netwright.report.timeline import BYTES, FRAMES, spaced, strips
from netwright.tasks.base import Exhibit
from netwright.train.run import Run
from netwright.train.view import RunView
from reports import SWIFT, write_game, write_run


def showing(folder, frames):
    """A run that showed these exhibits at these steps."""
    write_run(folder, shown=[])
    with Run.own(folder, layer=SWIFT) as run:
        for step, shown in frames.items():
            run.exhibits(step, shown)
    return RunView.open(folder)


def picture(title, value=0.5, **strings):
    return Exhibit("picture", title, {"pictures": torch.full((9, 1, 4, 4), value)}, strings)


def test_what_is_shown_again_and_again_is_a_strip_of_sheets(tmp_path):
    (strip,) = strips(RunView.open(write_game(tmp_path / "game")))
    assert strip.title == "mistakes"
    assert [f.step for f in strip.frames] == [20, 40, 60]
    assert all(f.piece.kind == "sheet" for f in strip.frames)
    assert len({f.piece.shots[0].uri for f in strip.frames}) == 3


def test_what_is_shown_once_is_no_timeline(run_folder):
    assert strips(RunView.open(run_folder)) == []


def test_there_are_at_most_eight_frames_with_the_first_and_the_last(tmp_path):
    steps = list(range(10, 310, 10))
    view = showing(tmp_path / "r", {s: [picture("p", s / 400)] for s in steps})
    (strip,) = strips(view)
    shown = [f.step for f in strip.frames]
    assert len(shown) == FRAMES
    assert (shown[0], shown[-1]) == (10, 300)
    gaps = [b - a for a, b in pairwise(shown)]
    assert max(gaps) - min(gaps) <= 10


def test_steps_that_lack_a_title_do_not_push_its_first_and_last_frames_out(tmp_path):
    frames = {s: [picture("all")] for s in range(10, 200, 10)}
    for s in range(50, 150, 10):
        frames[s].append(picture("some"))
    strip = {s.title: s for s in strips(showing(tmp_path / "r", frames))}
    some = [f.step for f in strip["some"].frames]
    assert (len(some), some[0], some[-1]) == (FRAMES, 50, 140)


def test_captions_are_left_out_and_columns_kept(tmp_path):
    named = picture("p", captions=("a",) * 9, columns=("9",))
    (strip,) = strips(showing(tmp_path / "r", {10: [named], 20: [named]}))
    shot = strip.frames[0].piece.shots[0]
    assert (strip.frames[0].piece.kind, shot.width, shot.height) == ("sheet", 36, 4)


def test_of_two_exhibits_of_one_title_the_first_is_taken(tmp_path):
    frames = {s: [picture("p", 0.0), picture("p", s / 100)] for s in (10, 20)}
    (strip,) = strips(showing(tmp_path / "r", frames))
    assert len({f.piece.shots[0].uri for f in strip.frames}) == 1


def test_texts_are_shown_too_and_large_kinds_are_not(tmp_path):
    shown = [
        Exhibit("text", "said", strings={"lines": ("so",)}),
        Exhibit("map", "m", {"map": torch.eye(3)}),
    ]
    (strip,) = strips(showing(tmp_path / "r", {10: shown, 20: shown}))
    assert (strip.title, strip.frames[1].piece.lines) == ("said", ["so"])


def test_frames_of_noise_stay_small(tmp_path):
    g = torch.Generator().manual_seed(0)
    noisy = Exhibit("picture", "p", {"pictures": torch.rand(36, 3, 32, 32, generator=g)})
    (strip,) = strips(showing(tmp_path / "r", {s: [noisy] for s in range(10, 100, 10)}))
    assert sum(len(f.piece.shots[0].uri) * 3 / 4 for f in strip.frames) <= BYTES + 1000


def test_a_damaged_frame_is_damaged(tmp_path):
    wrong = Exhibit("picture", "p", {"pictures": torch.rand(3, 3)})
    with pytest.raises(DamagedError, match="the exhibit 'p'"):
        strips(showing(tmp_path / "r", {10: [wrong], 20: [wrong]}))


@pytest.mark.parametrize("count", range(30))
def test_spaced_steps_ascend_and_keep_both_ends(count):
    steps = list(range(count))
    kept = spaced(steps, 8)
    assert kept == sorted(set(kept))
    assert len(kept) == min(count, 8)
    assert kept[:1] + kept[-1:] == steps[:1] + steps[-1:]


def test_twice_at_one_step_is_no_timeline(tmp_path):
    assert strips(showing(tmp_path / "r", {10: [picture("p"), picture("p")]})) == []
