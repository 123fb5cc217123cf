import json

import pytest

from contests import contest, floor, net
from netwright.compare.decide import decide
from netwright.compare.verdict import Verdict
from netwright.errors import DamagedError


@pytest.fixture(scope="module")
def made() -> Verdict:
    return decide(contest([net("cnn", 6, 2e6), net("rnn", 40, 4e6)], [floor(8, start=50)]))


def test_what_is_written_is_read_back(made):
    assert Verdict.read(made.text()) == made


def test_the_file_is_plain_json_that_names_its_schema(made):
    document = json.loads(made.text())
    assert document["schema"] == 1
    assert document["verdict"] == made.verdict
    assert document["candidates"][0]["cells"][0]["sha256"] == "0" * 64
    assert made.text().endswith("}\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": 2}, "schema"),
        ({"winner": "cnn"}, "winner"),
        ({"cost": "fashion"}, "cost"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_place(made, change, why):
    text = json.dumps(json.loads(made.text()) | change)
    with pytest.raises(DamagedError, match=why) as error:
        Verdict.read(text, "runs/x/verdict.json")
    assert error.value.sentence.startswith("runs/x/verdict.json: ")


def test_half_a_file_is_refused(made):
    with pytest.raises(DamagedError, match="no verdict"):
        Verdict.read(made.text()[:100])


def test_a_verdict_cannot_be_changed(made):
    with pytest.raises(ValueError, match="frozen"):
        made.verdict = "Choose mine."
