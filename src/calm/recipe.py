"""Settings of a run: frozen models from YAML with dotted overrides, and the manifest written beside its output."""

import difflib
import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from calm import __version__
from calm.errors import RecipeError
from calm.files import dumps, read_object, read_text, sha256, write_json

MANIFEST = "manifest.json"
T = TypeVar("T", bound="Recipe")


class Recipe(BaseModel):
    """Base of all settings: frozen, unknown keys refused, `1e-4` (a string in YAML 1.1) read as a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def load(model: type[T], path: Path | None, overrides: Sequence[str] = ()) -> T:
    """A recipe from a YAML file (its defaults for None) with `key.sub=value` overrides, which also reach into lists.

    Raises:
        RecipeError: names file, key, value and the nearest known key.
    """
    source = str(path) if path else "defaults"
    tree = _read(path) if path else {}
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign:
            raise RecipeError(f"{override!r} is no override: write key.sub=value, e.g. lora.rank=32")
        _set(tree, key.split("."), _value(text), source)
    return check(model, tree, source)


def check(model: type[T], tree: Mapping[str, Any], source: str) -> T:
    """Validate a tree of settings; the first fault becomes one RecipeError line."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(_explain(model, error.errors()[0], source)) from error


def _read(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise RecipeError(f"{path}: is a folder, not a recipe; name a YAML file")
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], 1)
        raise RecipeError(f"{path}: no such recipe{f'; did you mean {path.parent / near[0]}?' if near else ''}")
    try:
        tree = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{path}: holds {type(tree).__name__}, not key: value settings")
    return tree


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _set(tree: Any, keys: list[str], value: Any, source: str) -> None:
    for place, key in enumerate(keys[:-1]):
        tree = _enter(tree, key, ".".join(keys[: place + 1]), source)
    last = keys[-1]
    if isinstance(tree, list):
        _enter(tree, last, ".".join(keys), source)
        tree[int(last)] = value
    else:
        tree[last] = value


def _enter(tree: Any, key: str, dotted: str, source: str) -> Any:
    if isinstance(tree, list):
        if not key.isdigit() or int(key) >= len(tree):
            raise RecipeError(f"{source}: {dotted}: the list has {len(tree)} entries, numbered from 0 (got {key!r})")
        return tree[int(key)]
    child = tree.setdefault(key, {})
    if not isinstance(child, dict | list):
        raise RecipeError(f"{source}: {dotted}: is a plain value ({child!r}), it has no keys below it")
    return child


def _explain(model: type[BaseModel], fault: Any, source: str) -> str:
    loc = [str(part) for part in fault["loc"]]
    key = ".".join(loc) or "recipe"
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(loc[-1], _known(model, fault["loc"][:-1]), 1)
        known = ", ".join(_known(model, fault["loc"][:-1]))
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {known}"
        return f"{source}: {key}: unknown key (got {fault['input']!r:.80}); {hint}"
    value = "" if fault["type"] == "missing" else f" (got {fault['input']!r:.80})"
    remedy = f"; write [{fault['input']}]" if fault["type"] == "tuple_type" and isinstance(fault["input"], str) else ""
    return f"{source}: {key}: {fault['msg'].replace('valid tuple', 'list')}{value}{remedy}"


def _known(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Field names of what `loc` leads to; list places are stepped over, a tag picks its member of a union."""
    models = [model]
    for part in map(str, loc):
        if fields := [m.model_fields[part] for m in models if part in m.model_fields]:
            models = [inner for field in fields for inner in _models(field.annotation)]
        elif tagged := [m for m in models if _tagged(m, part)]:
            models = tagged
    return list(dict.fromkeys(name for m in models for name in m.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Every model that occurs in an annotation, however deep in unions and lists."""
    here = [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
    return [*here, *(m for argument in getattr(annotation, "__args__", ()) for m in _models(argument))]


def _tagged(model: type[BaseModel], tag: str) -> bool:
    return any(
        get_origin(f.annotation) is Literal and tag in get_args(f.annotation) for f in model.model_fields.values()
    )


# --- manifests -----------------------------------------------------------------------------------------------------


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of a JSON-able value: the identity of a recipe."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:16]


def hashes(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file (of every file below a folder), keyed by its path as given."""
    files = [f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    return {str(f): sha256(f) for f in files}


def manifest(
    folder: Path, command: str, recipe: BaseModel | Mapping[str, Any], inputs: Mapping[str, str], **facts: Any
) -> None:
    """Write `manifest.json`: what made the files beside it (command, recipe, inputs, versions) and what they hold."""
    settings = recipe.model_dump(mode="json") if isinstance(recipe, BaseModel) else dict(recipe)
    write_json(
        folder / MANIFEST,
        {
            "command": command,
            "recipe": settings,
            "recipe_id": digest(settings),
            "inputs": dict(inputs),
            "outputs": {p.name: sha256(p) for p in sorted(folder.iterdir()) if p.is_file() and p.name != MANIFEST},
            **facts,
            "versions": versions(),
        },
    )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None where there is none."""
    path = folder / MANIFEST
    return read_object(path) if path.is_file() else None


def versions() -> dict[str, str]:
    """Versions of calm, Python, the platform and the packages that can change a number."""
    found = {
        "calm": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
    }
    for name in (
        "torch",
        "transformers",
        "peft",
        "tokenizers",
        "llguidance",
        "safetensors",
        "gguf",
        "numpy",
        "pydantic",
    ):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
