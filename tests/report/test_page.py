import pytest

from netwright.errors import DamagedError, InputError
from netwright.report.page import write_page
from reports import read_page


def test_a_run_gets_the_page_of_a_run(run_folder):
    path = write_page(run_folder)
    assert path == run_folder / "report.html"
    assert "cnn/small reaches 90.0 % accuracy on pets." in read_page(path).words


def test_a_contest_gets_the_page_of_a_contest(contest_folder):
    path = write_page(contest_folder)
    assert path == contest_folder / "report.html"
    assert "Choose cnn." in read_page(path).words


def test_the_same_files_give_the_same_page(contest_folder):
    first = write_page(contest_folder).read_bytes()
    assert write_page(contest_folder).read_bytes() == first


def test_a_cell_of_a_contest_has_a_page_of_its_own(contest_folder):
    write_page(contest_folder / "cells" / f"{0:016x}")
    write_page(contest_folder)


def test_a_folder_that_is_neither_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError) as told:
        write_page(tmp_path)
    assert told.value.code == 2
    assert "is neither a run nor a comparison" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_folder_that_is_not_there_names_the_nearest(run_folder):
    with pytest.raises(InputError, match="nearest is 'pets-cnn'"):
        write_page(run_folder.with_name("pets-cmn"))


def test_a_damaged_cell_leaves_the_old_page(contest_folder):
    old = write_page(contest_folder).read_bytes()
    path = contest_folder / "cells" / f"{0:016x}" / "result.json"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DamagedError) as told:
        write_page(contest_folder)
    assert told.value.code == 4
    assert (contest_folder / "report.html").read_bytes() == old
