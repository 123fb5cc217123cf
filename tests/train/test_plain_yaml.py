import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import InputError
from netwright.train.plain_yaml import parse_yaml, read_yaml


def test_a_mapping_is_read() -> None:
    assert parse_yaml(b"a: 1\nb: {c: [x, 2.5]}\n", "r") == {"a": 1, "b": {"c": ["x", 2.5]}}
    assert parse_yaml(b"", "r") == {}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"a: 1\na: 2\n", "r:2:1: cannot read this YAML: the key 'a' stands twice"),
        (b"a: &x 1\nb: *x\n", "r:1:4: anchors and aliases are not read"),
        (b"a: !!python/object:os.system x\n", "is not read"),
        (b"- 1\n", "r: a recipe is a mapping of names to values"),
        (b"a: [1\n", "r:2:1: cannot read this YAML"),
        (b"a: \xff\n", "r: the recipe is not UTF-8: byte 3"),
        (b"#" * (1 << 21), "r: the recipe is over 1 MiB"),
    ],
)
def test_what_is_no_plain_mapping_is_refused(raw: bytes, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(raw, "r")
    assert sentence in caught.value.sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the recipe"):
        read_yaml(tmp_path / "none.yaml")


@given(
    st.binary(max_size=60) | st.text(alphabet="a:- {}[]&*!\n#'\"1|>", max_size=40).map(str.encode)
)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_bytes_are_a_mapping_or_one_error(raw: bytes) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(parse_yaml(raw, "r"), dict)
