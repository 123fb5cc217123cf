"""A third party's structure is one file and an entry point; everything else has it at once."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from netwright import face, registry

SOURCE = '''
"""One dense layer for each corner of the picture: a structure that nobody ships."""

from typing import ClassVar

from torch import nn

from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.specs import Image, Refusal


class Corners(Trunk):
    def __init__(self, plan):
        super().__init__()
        self.width = 16
        self.dense = nn.Linear(plan.width, 16)

    def forward(self, h, lengths=None, memory=None, memory_lengths=None):
        return self.dense(h).relu()


class Made(Structure):
    Config = StructureConfig
    presets: ClassVar = {"tiny": StructureConfig()}

    def layouts(self, form, output):
        return ("vector",) if isinstance(form, Image) else Refusal("corners are of pictures only")

    def trunk(self, config, plan):
        return Corners(plan)


structure = Made()
'''


@pytest.fixture
def corners(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "corners_net.py").write_text(SOURCE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def points(group: str) -> list[EntryPoint]:
        mine = EntryPoint("corners", "corners_net", group)
        return [mine] if group == "netwright.models" else []

    monkeypatch.setattr(registry, "entry_points", points)
    monkeypatch.delitem(sys.modules, "corners_net", raising=False)


def test_it_stands_in_the_matrix_at_once(corners: None) -> None:
    cells = face.matrix("digits").rows()
    mine = [c for c in cells if c["structure"] == "corners"]
    assert [c["fits"] for c in mine] == [["tiny"]]


def test_it_is_trained_judged_and_compared_at_once(corners: None) -> None:
    found = face.compare(
        "digits",
        candidates="corners/tiny,mlp/tiny",
        budget="3steps",
        seeds=2,
        threads=1,
        quiet=True,
    )
    assert [row["status"] for row in found.rows()[:2]] == ["done", "done"]
