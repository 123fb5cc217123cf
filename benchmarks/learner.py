"""What the learner of made samples learns of real ones: `python benchmarks/learner.py`.

Beside it the learner that was taken before: support vectors on principal components. Both see real
training samples and are tested on the validation part; the test part is left be. See ADR 0022.
"""

from typing import Any

import torch
from common import arguments, write
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from netwright import registry
from netwright.tasks._learner import learned

TASKS = {"idx": "image-generation", "cifar10": "image-generation", "sound": "audio-generation"}
SAMPLES = {"digits": 900, "idx": 4_000, "cifar10": 2_000, "sound": 1_500}
TESTED = 2_000


def main() -> None:
    parser = arguments(__doc__ or "")
    for name in TASKS:
        parser.add_argument(f"--{name}", help="the official files")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found: dict[str, Any] = {}
    for name, count in SAMPLES.items():
        path = getattr(given, name, None)
        if name != "digits" and path is None:
            continue
        dataset = registry.load("datasets", name)
        data = dataset.open(dataset.Config(**({"path": path} if path else {})))
        kind = registry.load("tasks", TASKS.get(name, "image-generation"))
        task = kind(data.schema, kind.Config())
        x, y = samples(task, data.parts["train"], count)
        z, truth = samples(task, data.parts["validation"], TESTED)
        found[name] = {
            "samples": len(x),
            "tested": len(z),
            "patches": learned(x, y, z, truth).value,
            "components": before(x, y, z, truth),
        }
        print(name, found[name], flush=True)
    write("learner", {"learned": found, "threads": given.threads}, given.out)


def samples(task: Any, part: Any, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Real samples (n, c, h, w) as a judge reads them, and their labels."""
    index = torch.randperm(len(part), generator=torch.Generator().manual_seed(0))[:most]
    stored = part.gather(index)
    return task.seen(task.real(stored[task.column])), stored[task.label].long()


def before(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, truth: torch.Tensor) -> float:
    """Accuracy of support vectors on at most 64 principal components."""
    size = min(64, len(x), x[0].numel())
    machine = make_pipeline(PCA(size, random_state=0), SVC(C=10.0, gamma="scale"))
    guess = machine.fit(x.flatten(1).numpy(), y.numpy()).predict(z.flatten(1).numpy())
    return float((guess == truth.numpy()).mean())


if __name__ == "__main__":
    main()
