"""The data set of sounds: splits, notes, quarantine, synthesised digits, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from netwright.datasets.base import Data, example
from netwright.datasets.sound import MADE, SPEAKERS, SoundConfig, dataset
from netwright.errors import InputError
from netwright.specs import Labels, Sound
from netwright.tasks.audio_generation import task as AudioGeneration
from netwright.tasks.sound_classification import task as SoundClassification
from sounding import hiss, put, wav

SMALL = {"length": 256, "rate": 8_000}


def fill(root: Path, counts: dict[str, int], first: int = 0) -> Path:
    seed = first
    for label, count in counts.items():
        for number in range(count):
            put(root, f"{label}/{number:03}.wav", wav(hiss(seed, 200)))
            seed += 1
    return root


def takes(root: Path, *, speakers: str = "ab", numbers: int = 8) -> Path:
    seed = 0
    for label in ("0", "1"):
        for speaker in speakers:
            for number in range(numbers):
                put(root, f"{label}_{speaker}_{number}.wav", wav(hiss(seed, 200)))
                seed += 1
    return root


def opened(root: Path | None, **options: object) -> Data:
    return dataset.open(SoundConfig.model_validate({"path": root, **SMALL, **options}))


def whole(data: Data, part: str) -> dict[str, torch.Tensor]:
    return data.parts[part].gather(torch.arange(len(data.parts[part])))


def samples(data: Data, part: str) -> set[bytes]:
    return {row.numpy().tobytes() for row in whole(data, part)["sound"]}


def sizes(data: Data) -> list[int]:
    return [len(data.parts[part]) for part in ("train", "validation", "test")]


def refused(root: Path | None, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        opened(root, **options)
    return caught.value


# ---------------------------------------------------------------- splits


def test_a_folder_of_classes_is_split_in_proportion(tmp_path: Path) -> None:
    data = opened(fill(tmp_path, {"dog": 20, "cat": 30}))
    assert sizes(data) == [36, 4, 10]
    assert data.schema.columns == {
        "sound": Sound(rate=8_000, length=256),
        "label": Labels(names=("cat", "dog")),
    }
    assert torch.bincount(whole(data, "test")["label"]).tolist() == [6, 4]
    assert (data.notes, data.quarantine, data.found) == ((), (), 50)
    assert (dataset.task, dataset.also) == ("sound-classification", ("audio-generation",))


def test_every_sound_comes_back_with_its_label(tmp_path: Path) -> None:
    data = opened(fill(tmp_path, {"a": 10, "b": 10}))
    known = {}
    for part in data.parts:
        batch = whole(data, part)
        toy = example(data.schema, len(batch["label"]))
        assert {k: (v.shape, v.dtype) for k, v in batch.items()} == {
            k: (v.shape, v.dtype) for k, v in toy.items()
        }
        for row, label in zip(batch["sound"], batch["label"].tolist(), strict=True):
            known[tuple(row[:200].tolist())] = label
    for seed in range(20):
        made = np.round(hiss(seed, 200) * 32_768).astype(int)
        assert known[tuple(made.tolist())] == seed // 10


def test_the_split_follows_the_seed_and_nothing_else(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a": 20, "b": 20})
    first, again, other = opened(root), opened(root), opened(root, seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert samples(first, "test") == samples(again, "test") != samples(other, "test")


def test_equal_sounds_lie_in_one_part(tmp_path: Path) -> None:
    for label in "ab":
        for number in range(15):
            data = wav(hiss(ord(label) * 100 + number, 200))
            for copy in range(2):
                put(tmp_path, f"{label}/{number}-{copy}.wav", data)
    data = opened(tmp_path, test=0.3, validation=0.3)
    parts = [samples(data, part) for part in data.parts]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 30


def test_the_first_recordings_of_each_speaker_are_the_test_part(tmp_path: Path) -> None:
    root = takes(tmp_path)
    data = opened(root, first=2)
    assert sizes(data) == [22, 2, 8]
    expected = {
        np.round(hiss(group * 8 + n, 200) * 32_768).astype("<i2").tobytes() + bytes(112)
        for group in range(4)
        for n in range(2)
    }
    assert samples(data, "test") == expected
    assert data.notes == (SPEAKERS,)
    assert samples(opened(root, split="first"), "test") == samples(opened(root), "test") > expected
    assert sizes(opened(root, split="share")) == [23, 3, 6]


def test_doubles_of_numbered_recordings_are_told_and_kept(tmp_path: Path) -> None:
    root = takes(tmp_path)
    (root / "0_a_0.wav").write_bytes((root / "0_a_7.wav").read_bytes())
    data = opened(root)
    assert len(data.parts["test"]) == 20
    told = "1 of the 20 test sounds equals a training sound; the official split is kept"
    assert data.notes == (SPEAKERS, told)


def test_one_name_of_another_form_makes_the_split_a_drawn_one(tmp_path: Path) -> None:
    root = takes(tmp_path)
    put(root, "1_loose.wav", wav(hiss(99, 200)))
    assert SPEAKERS not in opened(root).notes
    error = refused(root, split="first")
    assert "split=first reads names like label_speaker_number.wav" in error.sentence
    assert "1_loose.wav" in error.sentence


@pytest.mark.parametrize(("first", "word"), [(8, "all"), (9, "all")])
def test_a_test_part_of_everything_is_refused(tmp_path: Path, first: int, word: str) -> None:
    assert f"{word} of the recordings" in refused(takes(tmp_path), first=first).sentence


# ---------------------------------------------------------------- what was done, and what was bad


def test_what_was_done_to_sounds_is_noted(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a": 10, "b": 10})
    put(root, "a/stereo.wav", wav(np.stack([hiss(50, 200), hiss(51, 200)], 1)))
    put(root, "a/fast.wav", wav(hiss(52, 600), 44_100))
    for number in range(4):
        put(root, f"b/long{number}.wav", wav(hiss(53 + number, 400)))
    put(root, "b/loud.wav", wav(np.clip(hiss(60, 200) * 9, -1, 1)))
    put(root, "README", b"about")
    assert opened(root).notes == (
        "sounds of several channels, which were mixed to one: a/stereo.wav",
        "sounds of another rate, brought to 8,000 a second: a/fast.wav",
        "sounds longer than 0.032 s, of which the beginning was kept: "
        "b/long0.wav, b/long1.wav, b/long2.wav, ... (4 in all)",
        "clipped sounds, with more than 1 % of their samples at full scale: b/loud.wav",
        "files that are neither WAV nor FLAC and were left out: README",
    )


BAD = {
    "text.wav": (b"seven", "this is no sound: its first bytes are none of WAV and FLAC"),
    "empty.wav": (b"", "this is no sound: it is empty"),
    "none.wav": (wav(np.zeros(0)), "the sound is empty: it has no sample"),
    "silent.wav": (wav(np.zeros(200)), "the sound is silent: its loudest sample is 0"),
    "song.mp3": (b"ID3", "this is no sound: its first bytes are none of WAV and FLAC"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_sound_in_a_hundred_is_set_aside(tmp_path: Path, name: str) -> None:
    root = fill(tmp_path, {"a": 99, "b": 40})
    data, reason = BAD[name]
    put(root, f"a/{name}", data)
    made = opened(root)
    (bad,) = made.quarantine
    assert (bad.file, bad.reason) == (f"a/{name}", reason)
    assert made.found == 140
    assert sum(sizes(made)) == 139


def test_more_are_refused_with_the_first_of_them(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a": 300, "b": 20})
    put(root, "b/cut.wav", wav(hiss(0))[:700])
    error = refused(root)
    assert error.what == "1 of 21 sounds of class 'b' cannot be read, and 1 % may be bad"
    assert error.why.startswith("b/cut.wav (the sound is truncated: its header tells of")
    for name, (data, _) in BAD.items():
        put(root, f"a/{name}", data)
    assert refused(root).what == "6 of 326 sounds cannot be read, and 1 % may be bad"


def test_a_folder_of_bad_sounds_alone_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a/1.wav", b"one")
    put(tmp_path, "b/1.wav", b"two")
    assert refused(tmp_path).what == "2 of 2 sounds cannot be read, and 1 % may be bad"


def test_a_class_without_a_sound_to_train_on_is_refused(tmp_path: Path) -> None:
    takes(tmp_path)
    for number in range(3):
        put(tmp_path, f"2_a_{number}.wav", wav(hiss(90 + number, 200)))
    assert refused(tmp_path).what == "class '2' has no sound left to train on"


def test_one_class_is_refused_where_classes_are_asked_for(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a": 3})
    assert "there is only one class, 'a'" in refused(root, labels="folders").sentence


def test_sounds_without_classes_are_there_to_make_more_of(tmp_path: Path) -> None:
    data = opened(fill(tmp_path, {"a": 20}))
    assert set(data.schema.columns) == {"sound"}
    assert sizes(data) == [14, 2, 4]
    assert "all sounds would be of one class, 'a', so they have none" in data.notes
    AudioGeneration(data.schema, AudioGeneration.Config())
    with pytest.raises(InputError, match=r"no column of labels[^.]*PATH/CLASS"):
        SoundClassification(data.schema, SoundClassification.Config())


# ---------------------------------------------------------------- synthesised, and read


def test_digits_are_synthesised_where_no_path_is_given() -> None:
    data = opened(None, count=200, length=2_048)
    assert sizes(data) == [144, 16, 40]
    labels = data.schema.columns["label"]
    assert isinstance(labels, Labels)
    assert labels.names[:3] == ("zero", "one", "two")
    assert torch.bincount(whole(data, "test")["label"]).tolist() == [4] * 10
    assert data.notes == (MADE,)
    assert data.found == 200
    again, other = (opened(None, count=200, length=2_048, seed=s) for s in (0, 1))
    assert data.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("options", [{"split": "first"}, {"labels": "prefix"}])
def test_options_that_say_nothing_of_synthesised_digits_are_refused(
    options: dict[str, str],
) -> None:
    assert "no file names" in refused(None, **options).sentence


def test_foreign_sounds_are_read_as_in_training(tmp_path: Path) -> None:
    data = opened(fill(tmp_path / "own", {"a": 10, "b": 10}))
    foreign = put(tmp_path, "x.wav", wav(hiss(70, 200)))
    ((name, batch),) = dataset.read(data.schema, [foreign])
    assert name == str(foreign)
    assert {k: (v.shape, v.dtype) for k, v in batch.items()} == {
        "sound": (torch.Size([1, 256]), torch.int16)
    }
    with pytest.raises(InputError, match="there is no such file"):
        list(dataset.read(data.schema, [tmp_path / "y.wav"]))


def test_it_knows_its_files_by_looking(tmp_path: Path) -> None:
    put(tmp_path, "text/a.txt", b"about")
    assert not dataset.fits(tmp_path / "text")
    assert not dataset.fits(tmp_path / "nowhere")
    sound = put(tmp_path, "some/deep/a.wav", wav(hiss(0)))
    assert dataset.fits(tmp_path / "some")
    assert not dataset.fits(sound)


@pytest.mark.parametrize("options", [{"rate": 10}, {"length": 1}, {"labels": "x"}, {"paths": "x"}])
def test_a_wrong_option_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SoundConfig.model_validate(options)
