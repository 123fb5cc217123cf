"""The shared words: plain values that compare, survive JSON and refuse what they do not know."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from netwright.specs import (
    Classes,
    Frames,
    Frozen,
    Image,
    Labels,
    Pictures,
    Schema,
    Signature,
    Tokens,
    Vector,
)

SCHEMA = Schema(
    columns={
        "image": Pictures(form=Image(1, 8, 8), mean=(0.25,), deviation=(0.5,), top=16, fit="ink"),
        "label": Labels(names=("cat", "dog")),
    }
)
channels = st.integers(1, 4)
shares = st.floats(0, 1, allow_nan=False)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    c = draw(channels)
    many = st.lists(shares, min_size=c, max_size=c).map(tuple)
    pictures = Pictures(
        form=Image(c, draw(st.integers(1, 99)), draw(st.integers(1, 99))),
        mean=draw(many),
        deviation=draw(many),
        fit=draw(st.sampled_from(["exact", "crop", "ink"])),
    )
    names = draw(st.lists(st.text(max_size=9), max_size=4).map(tuple))
    return Schema(columns={draw(st.text(max_size=9)): pictures, "label": Labels(names=names)})


@given(schemas())
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_schema_survives_json(schema: Schema) -> None:
    assert Schema.model_validate(json.loads(json.dumps(schema.model_dump(mode="json")))) == schema
    assert Schema.model_validate_json(schema.model_dump_json()) == schema


def test_a_column_is_known_by_its_kind() -> None:
    document = SCHEMA.model_dump(mode="json")
    assert [c["kind"] for c in document["columns"].values()] == ["pictures", "labels"]
    assert isinstance(Schema.model_validate(document).columns["label"], Labels)
    document["columns"]["label"]["kind"] = "sounds"
    with pytest.raises(ValidationError, match="kind"):
        Schema.model_validate(document)


@pytest.mark.parametrize("place", ["schema", "column", "form"])
def test_unknown_keys_are_refused_at_every_depth(place: str) -> None:
    document = SCHEMA.model_dump(mode="json")
    image = document["columns"]["image"]
    {"schema": document, "column": image, "form": image["form"]}[place]["extra"] = 1
    with pytest.raises(ValidationError, match="extra"):
        Schema.model_validate(document)


def test_a_configuration_cannot_be_changed() -> None:
    class Config(Frozen):
        width: int = 3

    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.width = 4  # type: ignore[misc]
    assert config.model_copy(update={"width": 4}) == Config(width=4)


def test_labels_have_the_form_of_their_names() -> None:
    assert Labels(names=("a", "b", "c")).form == Classes(3)


def test_forms_and_signatures_compare_by_value_and_can_be_keys() -> None:
    forms = [Image(1, 2, 3), Tokens(1, 2), Frames(1, 2), Vector(1), Classes(1)]
    assert len({*forms, *[type(f)(*(getattr(f, n) for n in f.__slots__)) for f in forms]}) == 5
    assert Signature(Vector(2), Classes(3)) == Signature(Vector(2), Classes(3), positions="free")
    assert Signature(Vector(2), Classes(3)) != Signature(Vector(2), Vector(3))
    assert Tokens(1, 2) != Frames(1, 2)


def test_importing_the_words_imports_no_torch() -> None:
    code = "import sys, netwright.specs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
