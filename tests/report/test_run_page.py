import torch

from netwright.report.run_page import using, write_run_page
from netwright.tasks.base import Exhibit
from reports import Words, read_page, write_game, write_run


def test_the_page_of_a_run_says_all_in_order(run_folder):
    page = read_page(write_run_page(run_folder))
    assert page.having("id") == ["verdict", "figures", "curves", "exhibits", "costs", "again"]
    for words in (
        "cnn/small reaches 90.0 % accuracy on pets.",
        "100 train, 20 validation, 40 test · 3 s of training · seed 0",
        "log loss",
        "0.3 nats",
        "The split is shuffled.",
        "2 samples could not be read",
        "validation accuracy",
        "training loss",
        "said cat, is dog",
        "once upon a time",
        "150 µs",
        "60, 57 were predicted",
        "Energy is not measurable: no counter.",
        "netwright predict pets-cnn FILE",
        "netwright train pets --structure cnn/small --budget 3s --seed 0",
        "f" * 64,
        "2.13.0",
    ):
        assert words in page.words, words


def test_a_run_that_has_hardly_begun_has_a_page(tmp_path):
    folder = write_run(tmp_path / "r", evaluated=False, shown=[])
    for name in ("metrics.jsonl", "timing.jsonl", "cost.json", "status.json"):
        (folder / name).unlink()
    page = read_page(write_run_page(folder))
    for words in (
        "cnn/small on pets is new.",
        "netwright evaluate r",
        "It wrote no log yet.",
        "Nothing was shown.",
        "Nothing was measured yet.",
    ):
        assert words in page.words, words


def test_no_path_of_this_machine_is_told(run_folder):
    page = read_page(write_run_page(run_folder))
    assert str(run_folder.parent) not in page.source


def test_the_newest_exhibits_are_shown(tmp_path):
    from netwright.train.run import Run
    from reports import SWIFT

    folder = write_run(tmp_path / "r")
    with Run.own(folder, layer=SWIFT) as run:
        run.exhibits(70, [Exhibit("text", "newest", strings={"lines": ("hello",)})])
    page = read_page(write_run_page(folder))
    assert "newest" in page.words
    assert "once upon a time" not in page.words


def test_a_page_with_many_large_pictures_stays_small(tmp_path):
    g = torch.Generator().manual_seed(0)
    shown = [Exhibit("picture", "p", {"pictures": torch.rand(24, 3, 128, 128, generator=g)})] * 2
    path = write_run_page(write_run(tmp_path / "r", shown=shown))
    assert path.stat().st_size < 1_000_000


def test_energy_is_a_number_where_it_was_measured():
    assert dict(using({"energy": 0.002}))["energy of one answer"] == "2.00 mJ"


def test_hostile_words_stay_words(tmp_path):
    word = '"><script>alert(1)</script>'
    page = read_page(write_run_page(write_run(tmp_path / "r", Words.all(word))))
    assert {t for t, _ in page.tags}.isdisjoint({"script"})
    assert page.words.count(word) > 10


def test_a_game_is_seen_as_it_came_about_heard_and_told(tmp_path):
    page = read_page(write_run_page(write_game(tmp_path / "game")))
    ids = page.having("id")
    assert ids == ["verdict", "figures", "curves", "came", "exhibits", "costs", "again"]
    for words in (
        "How it came about mistakes step 20 40 60",
        "what the turns say: score",
        "what the turns say: gradient",
        "said cat, is dog",
    ):
        assert words in page.words, words
    shown = [a for a in page.having("alt") if a.startswith("mistakes")]
    assert shown == [*(f"mistakes, step {s}" for s in (20, 40, 60)), "mistakes"]
    sounds = [a for t, a in page.tags if t == "audio"]
    assert [a["aria-label"] for a in sounds] == ["mistakes: said cat, is dog"] * 3
    assert all(a["src"].startswith("data:audio/wav;base64,UklGR") for a in sounds)
    assert all("controls" in a and "autoplay" not in a for a in sounds)


def test_a_run_that_showed_nothing_twice_has_no_timeline(run_folder):
    assert "came" not in read_page(write_run_page(run_folder)).having("id")


def test_a_game_of_hostile_words_stays_words(tmp_path):
    word = '"><script>alert(1)</script>'
    page = read_page(write_run_page(write_game(tmp_path / "r", Words.all(word))))
    assert {t for t, _ in page.tags}.isdisjoint({"script"})
    assert {s[:11] for s in page.having("src")} == {"data:image/", "data:audio/"}


def test_a_game_of_many_large_pictures_and_long_sounds_stays_under_a_megabyte(tmp_path):
    steps = tuple(range(10, 130, 10))
    path = write_run_page(
        write_game(tmp_path / "r", steps=steps, size=(36, 3, 40, 40), length=200_000)
    )
    assert 300_000 < path.stat().st_size < 1_000_000
