"""A recipe: everything that decides a training, as plain data.

The default recipe of a family on a task is `recipes/TASK/FAMILY.yaml`; a user's file replaces some
of its fields. Names come from the registry, never import paths.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from netwright import registry
from netwright.errors import InputError, nearest, shown, unknown
from netwright.specs import Frozen
from netwright.train.budget import Budget
from netwright.train.plain_yaml import parse_yaml, read_yaml
from netwright.train.schedule import Ramp, Shape

BATCH = 64
"""Samples of a batch where a recipe names none."""
PRESETS = ("small", "tiny", "base", "classic")
"""Presets in the order in which a family without a named one is tried."""


Beta = Annotated[float, Field(ge=0, lt=1)]
"""Decay of one of Adam's two averages."""


class Named(Frozen):
    """A task or a data set: its name in the registry and its configuration."""

    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class RoleRecipe(Frozen):
    """How one role is built and trained."""

    model_config = ConfigDict(allow_inf_nan=False)

    structure: str
    preset: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    """The structure's whole configuration, or the fields that differ from the preset's."""
    optimizer: Literal["adamw", "adam", "sgd", "muon"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    adam_learning_rate: float | None = Field(None, gt=0)
    """For what Muon leaves to AdamW; None: the same."""
    weight_decay: float = Field(0.0, ge=0)
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    muon_steps: int = Field(5, ge=1)
    """Newton-Schulz iterations of Muon."""
    schedule: Shape = "linear"
    warmup: float = Field(0.05, ge=0, le=1)
    cooldown: float = Field(0.4, ge=0, le=1)
    dropout: Ramp = "constant"
    """How the shares of dropout that the structure asks for change over the training."""
    clip: float | None = Field(None, gt=0)
    """Largest norm of the role's gradient."""
    average: float | None = Field(None, ge=0, lt=1)
    """Decay of the exponential average of the weights, which is then what is judged. It rises to
    this value as (1 + n) / (10 + n) with the rounds n."""


class Recipe(Frozen):
    """What a training is."""

    task: Named
    data: Named
    roles: dict[str, RoleRecipe]
    batch: int | None = Field(None, ge=1)
    """Samples of one batch; None: `usual_batch`, or a quarter of a smaller training part."""
    usual_batch: int = Field(BATCH, ge=1)
    """What a default recipe wishes for."""
    accumulate: int = Field(1, ge=1)
    """Batches whose gradients are summed for one move."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    budget: Budget
    seed: int = Field(0, ge=0, lt=2**32)

    @property
    def batch_size(self) -> int:
        """Samples of one batch, once the data is known."""
        return self.batch or self.usual_batch

    def sized(self, samples: int) -> "Recipe":
        """The same recipe with a batch that fits `samples`, where it names none."""
        if self.batch is not None:
            return self
        return self.model_copy(update={"batch": min(self.usual_batch, max(1, samples // 4))})


T = TypeVar("T", bound=Frozen)


def validated(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """`values` as a `kind`, or an InputError that names the first wrong key and the nearest one."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(p) for p in first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            known = _fields(kind, first["loc"][:-1])
            raise InputError(
                f"no key '{shown(place)}' in {where}",
                why=f"there are {', '.join(known)}" if known else "",
                near=nearest(key, known),
            ) from None
        if first["type"] == "missing":
            raise InputError(f"`{shown(place)}` is missing in {where}") from None
        value = shown(repr(first.get("input")))
        raise InputError(
            f"`{shown(place)}` in {where} cannot be {value}", why=str(first["msg"]).lower()
        ) from None


def _fields(kind: type[Frozen], loc: tuple[int | str, ...]) -> list[str]:
    """Field names of the model that lies at `loc` inside `kind`; [] where it cannot be told."""
    model: Any = kind
    for part in loc:
        if isinstance(part, int) or part not in getattr(model, "model_fields", {}):
            continue  # a place in a list, or a key of a mapping
        model = model.model_fields[part].annotation
        options = [a for a in getattr(model, "__args__", ()) if hasattr(a, "model_fields")]
        model = options[0] if options else model
    return sorted(getattr(model, "model_fields", {}))


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the fields of `over` in their place, mappings merged all the way down."""
    out = dict(base)
    for name, value in over.items():
        old = out.get(name)
        out[name] = (
            merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return out


def default_fields(task: str, family: str, preset: str) -> dict[str, Any]:
    """The fields of `recipes/TASK/FAMILY.yaml`, those under its `presets: {PRESET: ...}` merged."""
    source = resources("netwright") / "recipes" / task / f"{family}.yaml"
    if not source.is_file():
        return {}
    fields = parse_yaml(source.read_bytes(), f"recipes/{task}/{family}.yaml")
    special = fields.pop("presets", {})
    return merged(fields, special.get(preset, {}))


def resolve(
    task: str,
    data: Named,
    roles: Mapping[str, str],
    *,
    budget: Budget,
    seed: int = 0,
    file: Path | None = None,
    over: Mapping[str, Any] | None = None,
) -> Recipe:
    """The whole recipe of a candidate.

    Args:
        task: a task's name.
        data: the data set and its configuration.
        roles: role -> `structure/preset`, of every trained role.
        budget: what it is granted.
        seed: of everything random.
        file: a user's recipe, whose fields replace the default's.
        over: fields that replace those of the file.
    """
    fields: dict[str, Any] = {"roles": {}}
    for role, candidate in roles.items():
        family, preset = split_candidate(candidate)
        mine = default_fields(task, family, preset)
        own = mine.pop("roles", {}).get(role, {})
        fields = merged(fields, mine)
        fields["roles"][role] = own | {"structure": family, "preset": preset}
    where = str(file) if file else "the recipe"
    if file:
        fields = merged(fields, _replacing(read_yaml(file), where))
    fields = merged(fields, over or {})
    given = fields["roles"]
    if isinstance(given, dict) and (stray := sorted({*map(str, given)} - set(roles))):
        raise unknown("role", stray[0], roles)
    own_data = fields.get("data") or {}
    if not isinstance(own_data, dict):
        raise InputError(
            f"`data` in {where} cannot be {shown(repr(own_data))}",
            why="it holds the data set's configuration",
        )
    fields["task"] = {"name": task, "config": fields.get("task") or {}}
    fields["data"] = {"name": data.name, "config": merged(own_data, data.config)}
    fields["budget"], fields["seed"] = budget.model_dump(), seed
    recipe = validated(Recipe, fields, where)
    for made in recipe.roles.values():
        structure_config(made)  # an unknown key is told now, not after the data is read
    return recipe


def _replacing(fields: dict[str, Any], where: str) -> dict[str, Any]:
    """The fields of a user's file; InputError for one that the command line alone decides."""
    said: list[tuple[str, str]] = [(key, f"--{key}") for key in ("budget", "seed") if key in fields]
    roles = fields.get("roles")
    for role, mine in roles.items() if isinstance(roles, dict) else ():
        keys = [k for k in ("structure", "preset") if isinstance(mine, dict) and k in mine]
        said += [(f"roles.{role}.{key}", "--structure or --candidates") for key in keys]
    for key, option in said:
        raise InputError(
            f"`{shown(key)}` stands in {where}", why=f"{option} says it", do="remove it there"
        )
    return fields


def need_roles(recipe: Recipe, names: Iterable[str]) -> None:
    """InputError unless the recipe trains exactly the roles that are called `names`."""
    wanted = sorted(names)
    for role in sorted(recipe.roles):
        if role not in wanted:
            raise unknown(f"role of {recipe.task.name}", role, wanted)
    for role in wanted:
        if role not in recipe.roles:
            raise InputError(
                f"no structure is named for the role '{role}' of {recipe.task.name}",
                do="+".join(f"{r}=FAMILY/PRESET" for r in wanted),
            )


def split_candidate(text: str) -> tuple[str, str]:
    """`cnn/small` as family and preset, both known to the registry."""
    family, _, preset = text.partition("/")
    presets = registry.load("models", family).presets
    preset = preset or next((p for p in PRESETS if p in presets), next(iter(presets)))
    if preset not in presets:
        raise unknown(f"preset of {registry.spelled('models', family)}", preset, presets)
    return registry.spelled("models", family), preset


def structure_config(role: RoleRecipe) -> Any:
    """The structure's configuration: its preset with the role's fields in their place."""
    structure = registry.load("models", role.structure)
    base: dict[str, Any] = {}
    if role.preset is not None:
        if role.preset not in structure.presets:
            raise unknown(f"preset of {role.structure}", role.preset, structure.presets)
        base = structure.presets[role.preset].model_dump()
    where = f"the configuration of {role.structure}"
    return validated(structure.Config, merged(base, role.config), where)
