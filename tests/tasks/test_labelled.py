from collections.abc import Mapping
from typing import Any

import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from torch import Generator, Tensor, nn

from netwright.codecs import Bytes
from netwright.errors import InputError
from netwright.specs import Labels, Schema, Text
from netwright.tasks._labelled import (
    MISTAKES,
    accuracy_of,
    answers,
    class_exhibits,
    column_of,
    confusion,
    device_of,
    figures_of,
    guesses,
    last_attention,
    per_class,
    surest_mistakes,
)


def drawn(n: int, classes: int) -> tuple[Tensor, Tensor]:
    g = Generator().manual_seed(0)
    y = torch.randint(classes, (n,), generator=g)
    return torch.randn(n, classes, generator=g) + nn.functional.one_hot(y, classes), y


@pytest.mark.parametrize(("n", "classes"), [(300, 7), (200, 3), (150, 2)])
def test_figures_agree_with_scikit_learn(n: int, classes: int) -> None:
    logits, y = drawn(n, classes)
    figures = figures_of(logits, y, 5)
    shares, guess = logits.softmax(1).double().numpy(), logits.argmax(1)
    every = range(classes)
    f1 = f1_score(y, guess, labels=every, average="macro", zero_division=0)
    loss = log_loss(y, shares / shares.sum(1, keepdims=True), labels=every)
    assert figures["accuracy"].value == pytest.approx(accuracy_score(y, guess))
    assert figures["f1_macro"].value == pytest.approx(f1)
    assert figures["log_loss"].value == pytest.approx(loss, rel=1e-4)
    assert ("top5" in figures) == (classes > 5)
    if classes > 5:
        top = top_k_accuracy_score(y, shares, k=5, labels=every)
        assert figures["top5"].value == pytest.approx(top)
    assert all(len(f.rows) == n for f in figures.values())
    assert {k for k, f in figures.items() if not f.higher} == {"log_loss", "ece"}


def test_what_is_sure_and_wrong_is_badly_calibrated() -> None:
    logits = torch.tensor([[50.0, 0.0], [50.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    figures = figures_of(logits, torch.tensor([0, 1, 1, 1]), 5)
    assert figures["ece"].value == pytest.approx(0.5)
    assert figures["accuracy"].rows.flatten().tolist() == [1, 0, 0, 1]


def test_scores_that_the_softmax_rounds_to_one_still_have_a_best() -> None:
    low = torch.tensor(0.1)
    logits = torch.stack([low, torch.nextafter(low, torch.tensor(1.0))])[None]
    assert logits.softmax(1)[0, 0] == logits.softmax(1)[0, 1]
    guess, confidence = guesses(logits)
    assert (guess.item(), confidence.item()) == (1, 0.5)
    assert accuracy_of(logits, torch.tensor([1])).value == 1


def test_counts_and_figures_per_class_agree_with_scikit_learn() -> None:
    truth = torch.tensor([0, 0, 1, 2, 2, 2, 4])
    guess = torch.tensor([0, 1, 1, 2, 0, 2, 1])
    counts = confusion(truth, guess, 5)
    assert counts.tolist() == confusion_matrix(truth, guess, labels=range(5)).tolist()
    wanted = precision_recall_fscore_support(truth, guess, labels=range(5), zero_division=0)
    for column, numbers in zip(per_class(counts).T, wanted, strict=True):
        assert column.tolist() == pytest.approx(list(numbers))


def test_exhibits_name_their_rows_and_columns() -> None:
    logits, y = drawn(60, 3)
    table, matrix = class_exhibits(logits, y, ("a", "b", "c"))
    assert (table.kind, matrix.kind) == ("table", "map")
    assert table.tensors["cells"].shape == (3, 4)
    assert torch.equal(matrix.tensors["map"], confusion(y, logits.argmax(1), 3))
    assert matrix.strings["rows"] == matrix.strings["columns"] == table.strings["rows"]


def test_mistakes_come_surest_first_and_say_what_was_said() -> None:
    logits = torch.tensor([[0.0, 1.0], [9.0, 0.0], [0.0, 5.0], [0.0, 9.0]])
    surest, captions = surest_mistakes(logits, torch.tensor([0, 0, 0, 1]), ("no", "yes"))
    assert surest.tolist() == [2, 0]
    assert captions == ("said yes, is no (99 %)", "said yes, is no (73 %)")
    logits, y = drawn(200, 9)
    assert len(surest_mistakes(-logits, y, "abcdefghi")[0]) == MISTAKES


def test_of_the_attention_the_last_map_is_shown_as_the_mean_of_its_heads() -> None:
    heads = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    seen: Mapping[str, Tensor] = {
        "attention.0": torch.ones(2, 2, 2, 2),
        "attention.1": torch.stack([heads, torch.zeros(2, 2, 2)]),
        "pooled.0": torch.ones(2, 3),
    }
    weights = last_attention(seen)
    assert weights is not None
    assert weights.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    flat = last_attention({"attention.0": heads})
    assert flat is not None
    assert flat.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert last_attention({"pooled.0": torch.ones(2, 3)}) is None


def test_answers_list_the_best_classes_and_are_safe_to_print() -> None:
    shares = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    first, second = answers(["one", "two"], shares, ("a", "\x1b[1m", "c"), 2)
    assert first.name == "one"
    assert first.value["class"] == "\x1b[1m"
    assert first.words == "\\x1b[1m  70.0 %"
    top: Any = second.value["top"]
    assert [name for name, _ in top] == ["a", "c"]
    assert [share for _, share in top] == pytest.approx([0.5, 0.3])
    assert second.value["probability"] == pytest.approx(0.5)


def test_the_first_column_of_a_kind_is_found_or_missed_with_a_sentence() -> None:
    text = Text(codec=Bytes(), length=5)
    schema = Schema(columns={"a": text, "b": Text(codec=Bytes(), length=9)})
    assert column_of(schema, Text, "") == ("a", text)
    with pytest.raises(InputError, match="no column of labels: it reads them"):
        column_of(schema, Labels, "it reads them")


def test_samples_are_gathered_where_a_net_lies() -> None:
    class Floor:
        device = torch.device("meta")

        def __call__(self, x: Tensor, **_: Any) -> Tensor:
            return x

    assert device_of(Floor()) == torch.device("meta")
    assert device_of(nn.Linear(1, 1, device="meta")) == torch.device("meta")
    assert device_of(nn.Flatten()) == torch.device("cpu")
    assert device_of(lambda x, **_: x) == torch.device("cpu")
