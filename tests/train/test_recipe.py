"""Recipes: every default is whole, a file replaces some of it, a wrong word is told at once."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netwright
from netwright import registry
from netwright.errors import InputError
from netwright.train import recipe as recipe_module
from netwright.train.budget import Budget
from netwright.train.plain_yaml import parse_yaml
from netwright.train.recipe import (
    Named,
    Recipe,
    RoleRecipe,
    default_fields,
    merged,
    need_roles,
    resolve,
    split_candidate,
    structure_config,
    validated,
)
from netwright.train.setting import bind_task

TASK = "image-classification"
RECIPES = Path(netwright.__file__).parent / "recipes"
FILES = sorted(RECIPES.rglob("*.yaml"))
PRESETS = [
    (task, family, preset)
    for task in registry.names("tasks")
    for family in registry.names("models")
    for preset in registry.load("models", family).presets
]


def made(file: Path | None = None, candidate: str = "mlp/tiny", **over: Any) -> Recipe:
    budget = Budget(steps=3)
    return resolve(
        TASK, Named(name="digits"), {"net": candidate}, budget=budget, file=file, over=over
    )


def from_yaml(folder: Path, text: str) -> Recipe:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return made(path)


@pytest.mark.parametrize(("task", "family", "preset"), PRESETS)
def test_every_preset_of_every_family_has_a_whole_recipe(
    task: str, family: str, preset: str
) -> None:
    data = registry.load("tasks", task).data
    dataset = registry.load("datasets", data)
    whole = resolve(task, Named(name=data), {"net": f"{family}/{preset}"}, budget=Budget(steps=1))
    config = structure_config(whole.roles["net"])
    assert isinstance(config, registry.load("models", family).Config)
    bind_task(whole.task, dataset.open(dataset.Config()).schema)
    assert Recipe.model_validate_json(whole.model_dump_json()) == whole


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_default_recipe_stands_under_names_that_there_are(path: Path) -> None:
    assert path.parent.name in registry.names("tasks")
    assert path.stem in registry.names("models")
    special = parse_yaml(path.read_bytes(), path.name).get("presets", {})
    assert set(special) <= set(registry.load("models", path.stem).presets)
    assert path.read_text("utf-8").startswith("#"), "it opens with where it was tuned"


def test_numbers_arrive_as_numbers_however_yaml_spells_them(tmp_path: Path) -> None:
    text = "roles: {net: {learning_rate: 1e-3, weight_decay: 2E-2, betas: [0.9, 9.5e-1], clip: 1}}"
    role = from_yaml(tmp_path, text).roles["net"]
    assert (role.learning_rate, role.weight_decay, role.betas, role.clip) == (
        0.001,
        0.02,
        (0.9, 0.95),
        1.0,
    )
    assert all(isinstance(v, float) for v in (role.learning_rate, *role.betas, role.clip))


def test_a_file_replaces_its_fields_and_leaves_the_others(tmp_path: Path) -> None:
    plain, mine = made(), from_yaml(tmp_path, "batch: 7\nroles: {net: {optimizer: sgd}}\n")
    assert mine.batch == 7
    changed = mine.roles["net"].model_copy(update={"optimizer": plain.roles["net"].optimizer})
    assert changed == plain.roles["net"]
    assert mine.task == plain.task


def test_a_task_and_a_data_set_take_their_fields_from_the_file(tmp_path: Path) -> None:
    mine = from_yaml(tmp_path, "task: {label_smoothing: 0.3}\ndata: {validation: 100}\n")
    assert mine.task.config["label_smoothing"] == 0.3
    assert mine.data == Named(name="digits", config={"validation": 100})


def test_a_preset_gives_what_its_role_does_not_say() -> None:
    poolings = set()
    for _, family, name in PRESETS:
        preset = registry.load("models", family).presets[name]
        role = RoleRecipe(structure=family, preset=name, config={"head": {"scale": 0.5}})
        head = preset.head.model_copy(update={"scale": 0.5})
        assert structure_config(role) == preset.model_copy(update={"head": head})
        poolings.add(head.pooling)
    assert len(poolings) > 1, "or nothing is told apart"


def test_a_default_recipe_may_differ_by_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recipes" / TASK
    folder.mkdir(parents=True)
    text = (
        "batch: 8\nroles: {net: {clip: 1}}\npresets: {base: {batch: 16, roles: {net: {clip: 2}}}}"
    )
    (folder / "mlp.yaml").write_text(text, "utf-8")
    monkeypatch.setattr(recipe_module, "resources", lambda package: tmp_path)
    assert default_fields(TASK, "mlp", "base") == {"batch": 16, "roles": {"net": {"clip": 2}}}
    assert default_fields(TASK, "mlp", "tiny") == {"batch": 8, "roles": {"net": {"clip": 1}}}
    assert default_fields(TASK, "cnn", "tiny") == {}
    assert made(candidate="mlp/base").roles["net"].clip == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batchs: 3", "no key 'batchs' in .*; nearest is 'batch'"),
        ("roles: {net: {learning_rte: 1}}", "nearest is 'learning_rate'"),
        ("roles: {net: {config: {widhts: [3]}}}", "nearest is 'widths'"),
        ("roles: {net: {config: {stem: {widht: 3}}}}", "no key 'stem.widht' .* nearest is 'width'"),
        ("roles: {nett: {clip: 1}}", "no role 'nett': there are net; nearest is 'net'"),
        ("batch: 0", "`batch` in .* cannot be 0: .* greater than or equal to 1"),
        ("batch: many", "`batch` in .* cannot be 'many'"),
        ("roles: {net: {learning_rate: -1e-3}}", "learning_rate` in .* greater than 0"),
        ("roles: {net: {learning_rate: .inf}}", "finite"),
        ("roles: {net: {learning_rate: .nan}}", "finite"),
        ("roles: {net: {betas: [0.9, 1.0]}}", "less than 1"),
        ("roles: {net: {optimizer: adan}}", "optimizer` in .* cannot be 'adan'"),
        ("roles: {net: {average: 1.0}}", "less than 1"),
        ("roles: {net: mlp}", "`roles.net` in .* cannot be 'mlp'"),
        ("roles: [net]", "`roles` in "),
        ("roles:", "`roles` in .* cannot be None"),
        ("data: digits", "`data` in .* cannot be 'digits'"),
        ("task: digits", "`task.config` in .* cannot be 'digits'"),
        ("precision: fp16", "`precision` in .* cannot be 'fp16'"),
    ],
)
def test_a_wrong_recipe_is_told_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_yaml(tmp_path, text)


@pytest.mark.parametrize("text", ["budget: 5m", "seed: 3", "roles: {net: {preset: base}}"])
def test_what_the_command_line_decides_is_not_taken_from_a_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="remove it there"):
        from_yaml(tmp_path, text)


def test_a_candidate_without_a_preset_takes_the_small_one() -> None:
    assert split_candidate("cnn") == split_candidate("cnn/") == ("cnn", "small")
    assert split_candidate("self-attention/tiny") == ("self_attention", "tiny")


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ("mlp/smal", "no preset of mlp 'smal': .*; nearest is 'small'"),
        ("mlq/small", "no structure 'mlq': .*; nearest is 'mlp'"),
        ("mlp/tiny/tiny", "no preset of mlp"),
        ("", "no structure ''"),
    ],
)
def test_a_wrong_candidate_offers_the_nearest(candidate: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        split_candidate(candidate)


def test_a_preset_that_is_gone_is_told_when_the_net_is_built() -> None:
    with pytest.raises(InputError, match="no preset of mlp 'smal'"):
        structure_config(RoleRecipe(structure="mlp", preset="smal"))


def test_a_recipe_trains_the_roles_that_its_task_has() -> None:
    need_roles(made(), ["net"])
    with pytest.raises(InputError, match=r"'net'.*nearest is 'nets'"):
        need_roles(made(), ["nets"])
    with pytest.raises(InputError, match="role 'judge'"):
        need_roles(made(), ["net", "judge"])


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InputError, match="`name` is missing in the order"):
        validated(Named, {}, "the order")


plain = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(st.sampled_from("abc"), plain, max_size=3)


def leaves(value: Any, place: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(value, dict):
        return {place: value}
    found: dict[tuple[str, ...], Any] = {}
    for key, inner in value.items():
        found |= leaves(inner, (*place, key))
    return found


@given(fields, fields)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_merging_keeps_every_leaf_of_what_goes_over(base: Any, over: Any) -> None:
    both = leaves(merged(base, over))
    assert leaves(over).items() <= both.items()
    assert set(both) <= set(leaves(base)) | set(leaves(over))
    assert merged(base, {}) == base
    assert merged(merged(base, over), over) == merged(base, over)
