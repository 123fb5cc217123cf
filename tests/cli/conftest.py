"""Every command runs in a folder of its own; a trained run and a contest are there to be copied."""

import shutil
from pathlib import Path

import pytest

from commands import TINY, Say, measured
from netwright import face
from netwright.compare import contest


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(contest, "measure_runs", measured)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    return Say(capsys)


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    face.train("digits", structure=TINY[1], budget=TINY[3], threads=1, out=folder, quiet=True)
    return folder


@pytest.fixture
def run(_trained: Path, tmp_path: Path) -> Path:
    """A finished run that is not evaluated, `run` in the folder where commands run."""
    shutil.copytree(_trained, tmp_path / "run")
    return Path("run")


@pytest.fixture(scope="session")
def _held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "measure_runs", measured)
        face.compare(
            "digits",
            candidates="mlp/tiny,mlp/small",
            budget="5steps",
            seeds=2,
            threads=1,
            out=folder / "contest",
            quiet=True,
        )
    return folder / "contest"


@pytest.fixture
def held(_held: Path, tmp_path: Path) -> Path:
    """A contest that was held, `contest` in the folder where commands run."""
    shutil.copytree(_held, tmp_path / "contest")
    return Path("contest")
