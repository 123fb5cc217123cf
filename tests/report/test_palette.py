from netwright.report.palette import FAMILIES, TONES, inks, mark


def test_a_family_has_one_colour_on_every_page():
    alone = inks([("rnn/small", "rnn")])["rnn/small"]
    among = inks([("cnn/small", "cnn"), ("rnn/tiny", "rnn")])["rnn/tiny"]
    assert alone.tone == among.tone == FAMILIES.index("rnn")


def test_nets_of_a_family_share_its_colour_and_differ_in_their_mark():
    found = inks([("cnn/small", "cnn"), ("rnn/small", "rnn"), ("cnn/tiny", "cnn")])
    assert found["cnn/small"].tone == found["cnn/tiny"].tone != found["rnn/small"].tone
    assert found["cnn/small"].mark != found["cnn/tiny"].mark
    assert found["cnn/small"].css == "t0 d0"
    assert found["cnn/tiny"].css == "t0 d1"


def test_unknown_families_take_colours_that_are_left():
    found = inks([("a/small", "a"), ("cnn/small", "cnn"), ("b/small", "b"), ("a/tiny", "a")])
    tones = {n: ink.tone for n, ink in found.items()}
    assert len({tones["a/small"], tones["cnn/small"], tones["b/small"]}) == 3
    assert tones["a/small"] == tones["a/tiny"]


def test_many_families_never_run_out_of_colours():
    found = inks((f"f{i}/small", f"f{i}") for i in range(20))
    assert all(0 <= ink.tone < TONES for ink in found.values())


def test_there_are_four_marks():
    assert len({mark(style) for style in range(8)}) == 4
