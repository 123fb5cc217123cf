"""Games the whole way: trained, judged by a run of our own, compared, resumed, asked to make."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Say, measured, stopped_after, trail
from netwright import face, registry
from netwright.compare import contest
from netwright.errors import InputError
from netwright.specs import Image as Pictures
from netwright.specs import Signature, Vector
from netwright.tasks import image_generation
from netwright.tasks.base import Helper
from netwright.train import helpers
from netwright.train.run import RunView

QUIET = {"threads": 1, "quiet": True}
SMALL = "batch: 8\ntask: {samples: 20, noise: 8}\n"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contest, "measure_runs", measured)
    monkeypatch.setattr(helpers, "STRUCTURE", "cnn/tiny")
    judge = Helper("image-classification", "3steps")
    monkeypatch.setattr(image_generation.ImageGeneration, "judged_by", judge)
    Path("small.yaml").write_text(SMALL, "utf-8")


def train(out: str, structure: str = "cnn/tiny", recipe: str = "small.yaml", **words) -> Path:
    face.train(
        "image-generation",
        structure=structure,
        budget=words.pop("budget", "5steps"),
        recipe=Path(recipe),
        out=Path(out),
        **QUIET,
        **words,
    )
    return Path(out)


def test_a_game_that_is_cut_at_every_step_ends_as_one_that_was_not() -> None:
    Path("lazy.yaml").write_text(
        SMALL.replace("noise: 8", "noise: 8, every: 2, augment: [translation], penalty: r1"),
        "utf-8",
    )
    whole = trail(train("whole", recipe="lazy.yaml"))
    for cut in range(1, 5):
        with stopped_after(cut):
            train(f"cut-{cut}", recipe="lazy.yaml")
        face.resume(f"cut-{cut}", **QUIET)
        assert trail(Path(f"cut-{cut}")) == whole


def test_the_judge_is_trained_once_and_known_by_its_hash() -> None:
    one, two = train("one", budget="2steps"), train("two", "transformer/tiny", budget="2steps")
    (judge,) = Path("runs/judges").iterdir()
    marks = [RunView.open(folder).spec["given"]["judge"] for folder in (one, two)]
    assert marks[0] == marks[1]
    assert marks[0]["run"] == RunView.open(judge).id
    assert len(marks[0]["weights"]) == 64
    figures = face.evaluate(one, **QUIET).figures
    assert {"frechet", "classes", "sure", "agreed", "train_on_made"} <= set(figures)
    assert figures["frechet"]["n"] == 5
    assert set(figures) <= set(image_generation.ImageGeneration.means)
    page = face.report(one).read_text("utf-8")
    assert "netwright train image-generation --data digits --structure cnn/tiny" in page
    assert "how the game stands" in page
    assert "made samples of which the judge is at least 90 % sure" in page
    again = face.compare(  # the judge of a contest is the same run
        "image-generation",
        candidates="cnn/tiny",
        recipe=Path("small.yaml"),
        budget="1steps",
        seeds=1,
        out=Path("contest"),
        **QUIET,
    )
    assert again.code == 0
    assert len(list(Path("runs/judges").iterdir())) == 1


def test_the_training_of_a_judge_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    said = Say(capsys)
    words = ("--recipe", "small.yaml", "--budget", "1steps", "--threads", "1", "--out", "one")
    lines = said.well("train", "image-generation", "--structure", "cnn/tiny", *words).err
    first, *after = lines.splitlines()
    assert first.startswith("judge: cnn/tiny is trained once, into digits-")
    assert any(line.startswith("judge ") and "3 of 3 steps" in line for line in after)


def test_what_cannot_be_played_is_told_before_a_judge_is_trained() -> None:
    with pytest.raises(InputError, match="convolution needs neighbours"):
        face.train("tabular-generation", structure="cnn/tiny", budget="1steps", **QUIET)
    with pytest.raises(InputError, match="no structure is named for the role"):
        train("one", "generator=cnn/tiny")
    with pytest.raises(InputError, match="a generator answers to nothing"):
        list(face.predict(train("run", budget="1steps"), ["small.yaml"]))
    shutil.rmtree("runs")
    with pytest.raises(InputError, match="no candidate fits"):
        face.compare("image-generation", candidates="cnn/classic", budget="1steps", **QUIET)
    assert not Path("runs").exists()


def test_a_judge_of_other_data_or_a_changed_one_is_refused() -> None:
    train("one", budget="2steps")
    (judge,) = Path("runs/judges").iterdir()
    Path("other.yaml").write_text(f"{SMALL}data: {{seed: 1}}\n", "utf-8")
    text = Path("other.yaml").read_text("utf-8").replace("noise: 8", f"noise: 8, judge: {judge}")
    Path("other.yaml").write_text(text, "utf-8")
    with pytest.raises(InputError, match="the judge was trained on other data"):
        train("two", recipe="other.yaml")
    shutil.rmtree(judge)
    face.train("digits", structure="cnn/tiny", budget="4steps", seed=1, out=judge, **QUIET)
    with pytest.raises(InputError, match="the judge is not the one"):
        face.evaluate("one", **QUIET)


def test_pairs_of_structures_are_compared_beside_floors() -> None:
    found = face.compare(
        "image-generation",
        candidates="cnn/tiny,generator=cnn/tiny+discriminator=self_attention/tiny,rnn/tiny",
        recipe=Path("small.yaml"),
        budget="3steps",
        seeds=2,
        out=Path("contest"),
        **QUIET,
    )
    rows = found.verdict.candidates
    assert [r.status for r in rows] == ["done"] * 3
    assert found.verdict.figure == "frechet"
    floors = {f.title: f for f in found.verdict.floors}
    assert all(f.status == "done" for f in floors.values())
    assert min(f.estimate.value for f in floors.values()) < min(r.estimate.value for r in rows)
    page = Path("contest/report.html").read_text("utf-8")
    assert "How it came about" in page
    assert "--out" in found.use


def test_pictures_are_made_of_the_class_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say = Say(capsys)
    train("run", budget="2steps")
    asked = ("generate", "run", "--count", "4", "--class", "3", "--seed", "1", "--out")
    say.well(*asked, "made")
    files = sorted(p.name for p in Path("made").glob("0*.png"))
    assert len(files) == 4
    assert np.asarray(Image.open(Path("made", files[0]))).shape == (8, 8)
    say.well(*asked, "again")
    for name in files:
        assert Path("made", name).read_bytes() == Path("again", name).read_bytes()
    say.refused("there is no class 'ten'", "generate", "run", "--class", "ten", "--out", "other")
    assert "--out FOLDER" in say.refused("kept in files", "generate", "run").err
    sentence = "no key 'prompt' in what this run can be asked for: there are classes, count, "
    say.refused(sentence, "generate", "run", "--prompt", "a", "--out", "b")


def test_the_textbook_pair_has_the_textbook_shapes() -> None:
    cnn, picture = registry.load("models", "cnn"), Pictures(3, 32, 32)
    maker = cnn.build(Signature(Vector(100), picture), cnn.presets["dcgan-generator"])
    critic = cnn.build(Signature(picture, Vector(1)), cnn.presets["dcgan-discriminator"])
    dense = 100 * 4 * 4 * 256
    grown = 256 * 128 * 16 + 128 * 64 * 16 + (64 * 3 * 16 + 3)
    norms = 2 * (256 + 128 + 64)
    assert sum(p.numel() for p in maker.parameters()) == dense + grown + norms
    read = (3 * 64 * 16 + 64) + (64 * 128 * 16 + 128) + (128 * 256 * 16 + 256)
    assert sum(p.numel() for p in critic.parameters()) == read + 4 * 4 * 256 + 1
