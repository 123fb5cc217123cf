"""Folders that most tests of the report begin with."""

from pathlib import Path

import pytest

from reports import write_contest, write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "pets-cnn")


@pytest.fixture
def contest_folder(tmp_path: Path) -> Path:
    return write_contest(tmp_path / "contest")
