"""`netwright predict`."""

from pathlib import Path

from commands import TINY, Say, digit, pictures


def test_a_drawn_digit_gets_a_class_and_a_probability(say: Say, run: Path) -> None:
    said = say.well("predict", run, digit(Path("one.png")))
    name, label, share, sign = said.out.splitlines()[0].split()
    assert (name, sign) == ("one.png", "%")
    assert label in "0123456789"
    assert 0 < float(share) <= 100
    assert said.last == "next: netwright report run"


def test_a_folder_is_walked_and_answers_keep_their_names(say: Say, run: Path) -> None:
    Path("mine/deep").mkdir(parents=True)
    digit(Path("mine/a.png"))
    digit(Path("mine/deep/b.png"))
    said = say.well("predict", run, "mine", "mine/a.png", "--json")
    answers = said.document["answers"]
    assert [a["name"] for a in answers] == ["mine/a.png", "mine/deep/b.png", "mine/a.png"]
    assert answers[0]["probability"] == answers[2]["probability"]
    assert [answers[0]["class"], answers[0]["probability"]] == answers[0]["top"][0]
    assert len(answers[0]["top"]) == 5


def test_a_trained_run_needs_no_data_to_be_used(say: Say, tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    Path("r.yaml").write_text("batch: 4\ndata: {size: 8}", "utf-8")
    words = ("train", "image-classification", "--data", "photos", *TINY, "--recipe", "r.yaml")
    say.well(*words, "--out", "run", "-q")
    Path("photos").rename("elsewhere")
    found = say.well("predict", "run", "elsewhere", "--json").document["answers"]
    right = [Path(a["name"]).parent.name == a["class"] for a in found]
    assert len(right) == 24
    assert sum(right) > 18


def test_what_is_no_picture_is_named(say: Say, run: Path) -> None:
    Path("notes.txt").write_text("words", "utf-8")
    Path("empty").mkdir()
    path = digit(Path("one.png"))
    Path("cut.png").write_bytes(path.read_bytes()[:60])
    for name, sentence in (
        ("nowhere.png", "nowhere.png: there is no such file"),
        ("notes.txt", "notes.txt: this is no picture"),
        ("empty", "empty: the folder holds no picture"),
        ("cut.png", "cut.png: the picture is damaged or truncated"),
    ):
        said = say.refused(sentence, "predict", run, path, name)
        assert said.out == ""  # not half of the answers
    say.refused("there is no such run", "predict", "nowhere", path)
    say.refused("the following arguments are required: FILE", "predict", run)
