"""The whole way on a CUDA device; skipped where there is none."""

from pathlib import Path

import pytest
import torch

from netwright import face

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]


@pytest.mark.parametrize(
    "structure", ["cnn/tiny", "rnn/tiny", "transformer/tiny", "self_attention/tiny", "mlp/tiny"]
)
def test_a_run_is_trained_resumed_judged_and_applied(tmp_path: Path, structure: str) -> None:
    run = tmp_path / "run"
    words = {"structure": structure, "budget": "6steps", "out": run, "quiet": True}
    face.train("digits", device="cuda", **words)  # type: ignore[arg-type]
    face.resume(run, device="cuda", quiet=True)
    assert face.evaluate(run, device="cuda").part == "test"
    face.cost("digits", structure=structure, budget="6steps", device="cuda")


def test_a_contest_is_held(tmp_path: Path) -> None:
    found = face.compare(
        "digits",
        candidates="cnn/tiny,mlp/tiny",
        budget="6steps",
        seeds=2,
        out=tmp_path / "contest",
        device="cuda",
        quiet=True,
    )
    assert found.code == 0
