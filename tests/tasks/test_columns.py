import pytest

from netwright.errors import InputError
from netwright.specs import Numbers, Schema, Series
from netwright.tasks._columns import column

SCHEMA = Schema(columns={"x": Series(features=2, length=3), "y": Numbers(names=("sum",))})


def test_a_column_is_found_by_its_name_and_kind() -> None:
    assert column(SCHEMA, "x", Series, "") is SCHEMA.columns["x"]


@pytest.mark.parametrize(("name", "kind"), [("z", Series), ("x", Numbers)])
def test_a_missing_column_and_one_of_another_kind_are_refused(name: str, kind: type) -> None:
    with pytest.raises(InputError, match=f"no column '{name}'.*because"):
        column(SCHEMA, name, kind, "because")
