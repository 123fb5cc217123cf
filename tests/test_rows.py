"""Rows of tables: what goes in comes out, whatever comes out is legal, and gradients flow."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright import rows
from netwright.errors import InputError
from netwright.specs import Categorical, Continuous, Mode, Table

ONE = (Mode(share=1, mean=2, deviation=3),)
TWO = (Mode(share=0.25, mean=0, deviation=1), Mode(share=0.75, mean=10, deviation=2))
FEW = settings(derandomize=True, deadline=None, max_examples=40)

TABLE = Table(
    columns=(
        Continuous(name="plain", modes=ONE, low=-10, high=14),
        Continuous(name="mixed", modes=TWO, low=-3, high=17, special=(0.0, 5.0), missing=True),
        Categorical(name="word", values=("a", "b", "c"), missing=True),
        Continuous(name="whole", modes=ONE, low=-8, high=12, decimals=0),
        Categorical(name="same", values=("x",)),
        Continuous(name="cents", modes=TWO, low=-3, high=17, decimals=2),
    )
)
"""Widths: 1, 1 + 5, 4, 1, 1, 1 + 2."""
COLUMNS: rows.Columns = {
    "plain": np.array([2.0, 14.0, -10.0, 5.0]),
    "mixed": np.array([0.0, np.nan, 5.0, 10.5]),
    "word": np.array(["c", None, "a", "b"], dtype=object),
    "whole": np.array([-8.0, 12.0, 0.0, 3.0]),
    "same": np.array(["x"] * 4, dtype=object),
    "cents": np.array([0.25, 11.37, -3.0, 17.0]),
}


def one(column: Continuous | Categorical) -> Table:
    return Table(columns=(column,))


def test_a_row_is_laid_out_cell_by_cell_as_the_form_says() -> None:
    made = rows.encode(TABLE, COLUMNS)
    assert (made.shape, made.dtype) == ((4, 16), torch.float32)
    assert made.shape[1] == TABLE.form.features
    # plain | a, two modes, 0, 5, empty | a b c empty | whole | x | a, two modes
    assert made[1].tolist() == pytest.approx(
        [1, *[0, 0, 0, 0, 0, 1], *[0, 0, 0, 1], 10 / 12, 1, *[1.37 / 8, 0, 1]]
    )
    assert made[0, 1:7].tolist() == [0, 0, 0, 1, 0, 0]
    assert made[2, 1:7].tolist() == [0, 0, 0, 0, 1, 0]
    assert made[3, 1:7].tolist() == pytest.approx([0.5 / 8, 0, 1, 0, 0, 0])
    assert made[3, 7:11].tolist() == [0, 1, 0, 0]


def test_choices_are_found_where_they_lie() -> None:
    assert list(rows.choices(TABLE)) == [
        ("mixed", slice(2, 7)),
        ("word", slice(7, 11)),
        ("same", slice(12, 13)),
        ("cents", slice(14, 16)),
    ]
    made = rows.encode(TABLE, COLUMNS)
    for _, place in rows.choices(TABLE):
        assert made[:, place].sum(1).tolist() == [1] * 4


def test_specials_and_empty_cells_come_back_exactly() -> None:
    found = rows.decode(TABLE, rows.encode(TABLE, COLUMNS))
    np.testing.assert_array_equal(found["mixed"][:3], COLUMNS["mixed"][:3])
    assert found["word"].tolist() == ["c", None, "a", "b"]
    np.testing.assert_array_equal(found["whole"], COLUMNS["whole"])
    np.testing.assert_array_equal(found["cents"], COLUMNS["cents"])
    np.testing.assert_allclose(found["plain"], COLUMNS["plain"], rtol=1e-6)


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e4),
    st.integers(0, 4),
    st.lists(st.floats(-3.9, 3.9), min_size=1, max_size=20),
)
@FEW
def test_one_bell_gives_back_what_it_was_given(
    mean: float, deviation: float, decimals: int, z: list[float]
) -> None:
    x = np.round(mean + np.array(z) * deviation, decimals)
    inside = np.abs(x - mean) < 4 * deviation
    x = np.where(inside, x, np.round(mean, decimals))
    x = x[np.abs(x - mean) < 4 * deviation]
    mode = Mode(share=1, mean=mean, deviation=deviation)
    for digits in (None, decimals):
        column = Continuous(name="x", modes=(mode,), low=-1e7, high=1e7, decimals=digits)
        found = rows.decode(one(column), rows.encode(one(column), {"x": x}))["x"]
        np.testing.assert_allclose(found, x, rtol=1e-12, atol=1e-6 * deviation + 1e-9)


@given(st.lists(st.floats(width=32), min_size=16, max_size=16))
@FEW
def test_whatever_a_net_gives_is_a_legal_row(raw: list[float]) -> None:
    raws = torch.tensor([raw])
    for encoded in (raws, rows.activate(TABLE, raws), rows.activate(TABLE, raws.clamp(-9, 9))):
        found = rows.decode(TABLE, encoded)
        for column in TABLE.columns:
            (cell,) = found[column.name].tolist()
            if isinstance(column, Categorical):
                assert cell in column.values or (cell is None and column.missing)
            elif math.isnan(cell):
                assert column.missing
            else:
                assert column.low <= cell <= column.high
                assert column.decimals is None or cell == round(cell, column.decimals)


def test_the_most_probable_mode_is_taken_without_a_generator_and_drawn_with_one() -> None:
    column = Continuous(name="x", modes=TWO, low=-5, high=20)
    between = 3.45
    odds = [
        m.share / m.deviation * math.exp(-(((between - m.mean) / m.deviation) ** 2) / 2)
        for m in TWO
    ]
    share = odds[0] / sum(odds)
    assert 0.1 < share < 0.4
    x = np.full(20_000, between)
    assert rows.encode(one(column), {"x": x})[:, 1].sum() == 0
    made = rows.encode(one(column), {"x": x}, torch.Generator().manual_seed(0))
    assert made[:, 1].mean().item() == pytest.approx(share, abs=0.01)
    again = rows.encode(one(column), {"x": x}, torch.Generator().manual_seed(0))
    assert torch.equal(made, again)
    np.testing.assert_allclose(rows.decode(one(column), made)["x"], between, rtol=1e-6)


def test_a_value_far_out_is_clipped_to_the_widest_reach() -> None:
    column = Continuous(name="x", modes=TWO, low=-5, high=20)
    made = rows.encode(one(column), {"x": np.array([500.0, -500.0])}, torch.Generator())
    assert made[:, 0].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("word", "d", "column 'word' knows no 'd': it holds one of 3 words"),
        ("same", None, "column 'same' is empty in a row"),
        ("plain", np.nan, "column 'plain' is empty in a row"),
        ("mixed", np.inf, "column 'mixed' holds an infinity"),
    ],
)
def test_what_no_cell_may_hold_is_refused(name: str, value: object, sentence: str) -> None:
    cells = COLUMNS[name].copy()
    cells[2] = value
    with pytest.raises(InputError) as caught:
        rows.encode(TABLE, {**COLUMNS, name: cells})
    assert sentence in caught.value.sentence
    assert caught.value.do


def test_a_column_that_is_not_there_is_named() -> None:
    wrong = {("wrod" if k == "word" else k): v for k, v in COLUMNS.items()}
    with pytest.raises(InputError, match="no column 'word'; nearest is 'wrod'"):
        rows.encode(TABLE, wrong)


def test_activation_is_tanh_for_numbers_and_softmax_for_each_cell_of_choices() -> None:
    raw = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    made = rows.activate(TABLE, raw)
    expected = raw.tanh()
    for _, place in rows.choices(TABLE):
        expected[:, place] = (raw[:, place] / 0.2).softmax(1)
    torch.testing.assert_close(made, expected)


def test_noise_draws_choices_with_the_probabilities_of_the_softmax() -> None:
    raw = torch.zeros(1, 16)
    raw[0, 7:11] = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    generator = torch.Generator().manual_seed(0)
    made = rows.activate(TABLE, raw.expand(20_000, -1), generator)[:, 7:11]
    hits = torch.nn.functional.one_hot(made.argmax(1), 4).double().mean(0)
    torch.testing.assert_close(
        hits, torch.tensor([0.1, 0.2, 0.3, 0.4]).double(), atol=0.012, rtol=0
    )
    cold = rows.activate(TABLE, raw.expand(1000, -1), generator, temperature=0.01)[:, 7:11]
    assert cold.max(1).values.mean() > made.max(1).values.mean() > 0.7


def test_gradients_reach_every_place_that_matters() -> None:
    raw = torch.randn(3, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: rows.activate(TABLE, r, temperature=1.0), (raw,))
    assert torch.autograd.gradgradcheck(
        lambda r: rows.activate(TABLE, r, temperature=1.0), (raw,), atol=1e-4
    )
    rows.activate(TABLE, raw, torch.Generator(), 1.0).square().sum().backward()
    assert raw.grad is not None
    still = (raw.grad == 0).all(0).nonzero().flatten().tolist()
    assert still == [12]  # the only choice of its cell


def test_activation_runs_without_data_and_after_inference() -> None:
    table = one(Categorical(name="once", values=("p", "q")))
    with torch.inference_mode():
        rows.activate(table, torch.zeros(1, 2))
    raw = torch.zeros(1, 2, requires_grad=True)
    rows.activate(table, raw).sum().backward()
    assert rows.activate(TABLE, torch.zeros(2, 16, device="meta"), torch.Generator()).is_meta
    plain = one(Continuous(name="x", modes=ONE, low=0, high=1))
    assert (
        rows.activate(plain, torch.ones(2, 1), torch.Generator()).tolist()
        == [[pytest.approx(math.tanh(1))]] * 2
    )


def test_inverting_gives_raw_output_that_activates_to_the_same_row() -> None:
    made = rows.encode(TABLE, COLUMNS)
    raw = rows.invert(TABLE, made)
    assert raw.isfinite().all()
    torch.testing.assert_close(rows.activate(TABLE, raw), made, atol=1e-5, rtol=0)
    noisy = rows.activate(TABLE, raw.repeat(500, 1), torch.Generator().manual_seed(1))
    torch.testing.assert_close(noisy, made.repeat(500, 1), atol=1e-5, rtol=0)


def test_records_are_plain_cells() -> None:
    made = rows.records(TABLE, rows.decode(TABLE, rows.encode(TABLE, COLUMNS)))
    assert made[0][1:] == [0.0, "c", -8, "x", 0.25]
    assert made[1] == [pytest.approx(14), None, None, 12, "x", 11.37]
    assert [type(cell) for cell in made[0]] == [float, float, str, int, str, float]


@pytest.mark.parametrize(
    ("values", "kind"),
    [(("-1", "0", "12"), int), (("01", "2"), str), (("1", "a"), str), (("9" * 5_000, "1"), str)],
)
def test_categories_of_whole_numbers_are_whole_numbers_again(
    values: tuple[str, ...], kind: type
) -> None:
    table = Table(columns=(Categorical(name="g", values=values, missing=True),))
    cells = {"g": np.array([*values, None], dtype=object)}
    made = [row[0] for row in rows.records(table, rows.decode(table, rows.encode(table, cells)))]
    assert made == [*map(kind, values), None]
    assert {type(cell) for cell in made[:-1]} == {kind}
