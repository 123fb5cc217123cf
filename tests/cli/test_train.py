"""`netwright train`: what it leaves and says, and what it refuses before anything is lost."""

import itertools
from pathlib import Path

import pytest

from commands import TINY, Say, pictures, reseal, snapshot, trail, weights
from netwright.train.run import RunView

NUMBERS = itertools.count()


def recipe(text: str) -> tuple[str, str]:
    """A recipe of its own for each call."""
    path = Path(f"recipe-{next(NUMBERS)}.yaml")
    path.write_text(text, "utf-8")
    return "--recipe", str(path)


SMALL = "batch: 4\ndata: {size: 8}\n"


# ---------------------------------------------------------------- what it does


def test_a_training_leaves_a_run_and_says_what_is_next(say: Say) -> None:
    said = say.well("train", "digits", *TINY)
    assert said.out.startswith("validation (180 samples): accuracy ")
    assert "2,410 parameters, 8 steps, " in said.out
    assert said.last == "next: netwright evaluate runs/digits-mlp-tiny"
    assert "100%  8 of 8 steps  loss " in said.err
    view = RunView.open(Path("runs/digits-mlp-tiny"))
    assert view.status()["state"] == "finished"
    assert [line["round"] for line in view.metrics() if "turns" in line] == list(range(1, 9))
    assert view.checkpoints().steps() == [0, 8]
    assert (view.folder / "README.md").read_text("utf-8").startswith("---\n")
    assert view.exhibit_steps() == [8]


def test_where_no_structure_is_named_the_tasks_own_is_trained(say: Say) -> None:
    small = ("--budget", "2steps", "-q", "--out")
    said = say.well("train", "tabular-generation", "--data", "table", *small, "rows")
    assert said.last == "next: netwright evaluate rows"
    roles = RunView.open(Path("rows")).spec["recipe"]["roles"]
    assert [roles[name]["structure"] for name in ("generator", "discriminator")] == ["mlp"] * 2


def test_a_second_training_gets_a_name_of_its_own(say: Say) -> None:
    for name in ("digits-mlp-tiny", "digits-mlp-tiny-2"):
        assert say.well("train", "digits", *TINY, "-q").last.endswith(name)


def test_the_document_holds_figures_and_costs(say: Say) -> None:
    said = say.well("train", "digits", *TINY, "-q", "--json", "--out", "here")
    document = said.document
    assert said.err == ""
    assert (document["run"], document["state"], document["part"]) == (
        "here",
        "finished",
        "validation",
    )
    assert document["figures"]["accuracy"]["n"] == 180
    assert document["cost"]["steps"] == 8
    assert document["cost"]["horizons"] == [[0, 8]]


def test_looking_does_not_disturb(say: Say, run: Path) -> None:
    say.well("train", "digits", *TINY, "--out", "loud", "--save-every", "0")
    say.well("train", "digits", *TINY, "--out", "quiet", "-q")
    assert trail(Path("loud")) == trail(Path("quiet")) == trail(run)
    saves = [e["step"] for e in RunView.open(Path("loud")).events() if e["event"] == "save"]
    assert saves == [0, *range(1, 9), 8]


def test_the_seed_decides_the_training(say: Say, run: Path) -> None:
    say.well("train", "digits", *TINY, "--out", "other", "-q", "--seed", "1")
    assert weights(Path("other")) != weights(run)


def test_the_same_command_on_a_finished_run_leaves_it_as_it_is(say: Say) -> None:
    words = ("train", "digits", *TINY, "--out", "here", "-q")
    first = say.well(*words)
    before = snapshot(Path("here"))
    assert say.well(*words).out == first.out
    after = snapshot(Path("here"))
    assert before.pop("README.md")[2] == after.pop("README.md")[2]
    assert before == after


def test_own_pictures_are_trained_on(say: Say, tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    words = ("train", "image-classification", "--data", "photos", *TINY, "--out", "here", "-q")
    said = say.well(*words, *recipe(SMALL), "--json")
    assert set(said.document["figures"]) >= {"accuracy", "log_loss"}
    assert RunView.open(Path("here")).data()["parts"]["train"] == 17


def test_a_recipe_replaces_defaults_and_its_numbers_arrive_as_numbers(say: Say) -> None:
    text = "batch: 32\nroles: {net: {learning_rate: 1e-2, config: {widths: [8]}}}"
    say.well("train", "digits", *TINY, "--out", "here", "-q", *recipe(text))
    made = RunView.open(Path("here")).spec["recipe"]
    assert made["batch"] == 32
    assert made["roles"]["net"]["learning_rate"] == 0.01
    assert say.well("evaluate", "here", "--json").document["cost"]["parameters"] == 610


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("words", "sentence", "near"),
    [
        (["digist"], "no task or data set 'digist': tasks are audio-generation", "digits"),
        (["image-clasification"], "no task or data set", "image-classification"),
        (["digits", "--structure", "cn/small"], "no structure 'cn': there are cnn, mlp", "cnn"),
        (["digits", "--structure", "cnn/smal"], "no preset of cnn 'smal': there are ", "small"),
        (["digits", "--budget", "3stpes"], "no budget unit 'stpes' in '3stpes'", "steps"),
        (["digits", "--budget", "0s"], "the budget '0s' grants nothing: it must be above", ""),
        (["digits", "--budget=-3s"], "the budget '-3s' grants nothing: it must be above", ""),
        (["digits", "--budget", "0steps"], "the budget '0steps' grants nothing", ""),
        (["digits", "--budget", "soon"], "cannot read the budget 'soon'", ""),
        (["digits", "--budget", "3"], "no budget unit '' in '3'", ""),
        (["digits", "--threads", "0"], "cannot run on 0 threads", ""),
        (["digits", "--seed", "-1"], "`seed` in the recipe cannot be -1: input should be", ""),
        (["digits", "--data", "x"], "the data set 'digits' takes no files", ""),
        (["image-classification", "--data", "x"], "x: there is no such file, folder or", ""),
        (["digits", "--structure", "a=mlp/tiny"], "no role of image-classification 'a'", ""),
        (["digits", "--structure", "mlp/tiny+cnn/tiny"], "the role 'net' is given twice", ""),
        (["image-folder"], "`path` is missing in the configuration of image-folder", ""),
        (["digits", "--recipe", "no.yaml"], "no.yaml: cannot read the recipe: No such file", ""),
    ],
)
def test_a_wrong_word_is_refused_and_nothing_is_written(
    say: Say, words: list[str], sentence: str, near: str
) -> None:
    target, *rest = words
    said = say.refused(sentence, "train", target, *TINY, *rest)
    assert (f"; nearest is '{near}'" in said.err) == bool(near)
    assert said.out == ""
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batsh: 3", "no key 'batsh' in FILE: there are accumulate, batch, "),
        ("batsh: 3", "; nearest is 'batch'"),
        ("batch: 0", "`batch` in FILE cannot be 0: input should be greater than or equal to 1"),
        ("batch: [1", "FILE:1:10: cannot read this YAML: expected ',' or ']'"),
        ("- a", "FILE: a recipe is a mapping of names to values"),
        ("\0", "FILE: cannot read this YAML"),
        ("a: 1\na: 2", "FILE:2:1: cannot read this YAML: the key 'a' stands twice"),
        ("a: &x 1\nb: *x", "FILE:1:4: anchors and aliases are not read"),
        ("a: !!python/name:os.system", "the tag 'tag:yaml.org,2002:python/name:os.system' is not"),
        ("roles: 3", "`roles` in FILE cannot be 3"),
        ("roles: {nett: {}}", "no role 'nett': there are net; nearest is 'net'"),
        ("roles: {net: {learning_rat: 1}}", "no key 'roles.net.learning_rat' in FILE"),
        ("roles: {net: {learning_rate: fast}}", "`roles.net.learning_rate` in FILE cannot be"),
        ("roles: {net: {learning_rate: 0}}", "`roles.net.learning_rate` in FILE cannot be 0"),
        ("roles: {net: {learning_rate: .nan}}", "`roles.net.learning_rate` in FILE cannot be nan"),
        ("roles: {net: {config: {widht: 3}}}", "no key 'widht' in the configuration of mlp"),
        ("roles: {net: {structure: cnn}}", "`roles.net.structure` stands in FILE: --structure or"),
        ("roles: {net: {preset: base}}", "`roles.net.preset` stands in FILE: --structure or"),
        ("budget: 10s", "`budget` stands in FILE: --budget says it"),
        ("seed: 3", "`seed` stands in FILE: --seed says it"),
        ("data: digits", "`data` in FILE cannot be 'digits'"),
        ("data: {foldd: 3}", "no key 'foldd' in the configuration of digits"),
        ("task: [1]", "`task.config` in FILE cannot be [1]"),
        ("task: {label_smothing: 0.1}", "; nearest is 'label_smoothing'"),
        ("task: {shift: 8}", "shift is 8: the pictures are 8 pixels small"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_place(say: Say, text: str, sentence: str) -> None:
    option, file = recipe(text)
    say.refused(sentence.replace("FILE", file), "train", "digits", *TINY, option, file)
    assert not Path("runs").exists()


def test_a_cell_that_makes_no_sense_is_refused_with_its_reason(say: Say) -> None:
    said = say.refused(
        "cnn does not fit image-classification: a picture of 8 x 8 is too small: this net halves",
        *("train", "digits", "--structure", "cnn/classic", "--budget", "3steps"),
    )
    assert said.err.endswith("try: netwright matrix image-classification\n")
    assert not Path("runs").exists()


def test_a_batch_larger_than_the_data_is_refused(say: Say) -> None:
    for budget in ("8steps", "1s", "2epochs"):
        words = ("train", "digits", *TINY, "--budget", budget, *recipe("batch: 100000"))
        said = say.refused("a batch of 100000 is larger than the training part", *words)
        assert "try: batch: 314 in a recipe" in said.err


def test_a_card_that_is_not_there_is_the_machines_fault(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ("train", "digits", *TINY, "--device", "cuda")
    said = say.refused("there is no CUDA device here", *words, code=3)
    assert said.err.endswith("try: --device cpu\n")
    assert not Path("runs").exists()


def test_a_folder_that_holds_something_else_is_left_as_it_is(say: Say) -> None:
    Path("thesis").mkdir()
    Path("thesis/thesis.tex").write_text("all of it", "utf-8")
    before = snapshot(Path("thesis"))
    for place in ("thesis", "thesis/thesis.tex"):
        say.refused(
            f"{place}: is there already: it holds something else",
            *("train", "digits", *TINY, "--out", place),
        )
    assert snapshot(Path("thesis")) == before
    assert [p.name for p in Path("thesis").iterdir()] == ["thesis.tex"]


def test_a_folder_with_another_run_is_left_as_it_is_and_the_difference_is_named(
    say: Say, run: Path
) -> None:
    before = snapshot(run)
    said = say.refused(
        "run: holds a run of another specification: recipe.budget.steps is 8 there and 9 here",
        *("train", "digits", *TINY, "--budget", "9steps", "--out", "run"),
    )
    assert said.err.endswith("try: choose another folder with --out\n")
    assert snapshot(run) == before


def test_a_run_of_a_newer_version_is_left_as_it_is(say: Say, run: Path) -> None:
    reseal(run / "run.json", schema=99)
    before = snapshot(run)
    say.refused(
        "run/run.json: was made by a newer netwright: its schema is 99",
        *("train", "digits", *TINY, "--out", "run"),
    )
    assert snapshot(run) == before


# ---------------------------------------------------------------- own pictures that are wrong


def own(say: Say, sentence: str, folder: str) -> None:
    words = ("train", "image-classification", "--data", folder, *TINY, *recipe(SMALL))
    said = say.refused(sentence, *words)
    assert said.out == ""
    assert not Path("runs").exists()


def test_a_folder_without_pictures_is_refused(say: Say) -> None:
    Path("photos/cat").mkdir(parents=True)
    own(say, "photos: no data set reads these files: it holds no files; image-", "photos")
    say.refused("the class has no picture", "train", "image-folder", "--data", "photos", *TINY)
    Path("empty").mkdir()
    say.refused("empty: the folder is empty", "train", "image-folder", "--data", "empty", *TINY)


def test_one_class_alone_is_refused(say: Say) -> None:
    pictures(Path("photos"), ("cat",))
    own(say, "photos: there is only one class, 'cat': to tell classes apart takes two", "photos")


def test_a_picture_that_cannot_be_read_is_named(say: Say) -> None:
    path = pictures(Path("photos")) / "cat" / "03.png"
    path.write_bytes(path.read_bytes()[:60])
    own(say, "photos: 1 of 24 pictures cannot be read, and 1 % may be bad: cat/03.png (", "photos")


def test_a_label_that_is_not_in_the_training_part_is_named(say: Say) -> None:
    pictures(Path("photos/train"))
    pictures(Path("photos/test"), ("cat", "dgo"))
    own(say, "label 'dgo' of the test part is not in the training part", "photos")


def test_names_from_data_are_shown_safely(say: Say) -> None:
    pictures(Path("photos/train"))
    pictures(Path("photos/test"), ("cat", "d\u202eog\x1b[31m"))
    words = ("train", "image-classification", "--data", "photos", *TINY, *recipe(SMALL))
    said = say(*words)
    assert said.code == 2
    assert "\x1b" not in said.err
    assert "\u202e" not in said.err
