"""A recipe is right or says file, key, value and remedy in one line; a manifest traces what was made."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from calm.errors import RecipeError
from calm.recipe import Recipe, hashes, load, manifest, read_manifest
from calm.train.recipe import TrainRecipe


class Apple(Recipe):
    kind: Literal["apple"]
    seeds: int = 5


class Pear(Recipe):
    kind: Literal["pear"]
    sweetness: float = 0.5


class Basket(Recipe):
    name: str = "basket"
    fruits: tuple[Annotated[Apple | Pear, Field(discriminator="kind")], ...] = ()
    weight: float = 1.0


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "basket.yaml"
    path.write_text("name: b\nweight: 1e-3\nfruits:\n  - kind: pear\n  - {kind: apple, seeds: 7}\n")
    return path


def test_overrides_reach_into_lists_and_exponents_are_numbers(file):
    found = load(Basket, file, ["fruits.1.seeds=9", "name=other"])
    assert (found.name, found.weight, found.fruits[1].seeds) == ("other", 1e-3, 9)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("wieght=2", "wieght: unknown key (got 2); did you mean `weight`?"),
        ("fruits.0.sweetnes=2", "fruits.0.pear.sweetnes: unknown key (got 2); did you mean `sweetness`?"),
        ("fruits.1.seeds=many", "fruits.1.apple.seeds: Input should be a valid integer"),
        ("fruits.5.seeds=1", "fruits.5: the list has 2 entries, numbered from 0 (got '5')"),
        ("name.first=x", "name: is a plain value ('b'), it has no keys below it"),
        ("fruits=pear", "fruits: Input should be a list (got 'pear'); write [pear]"),
        ("weight", "'weight' is no override: write key.sub=value"),
    ],
)
def test_a_wrong_setting_names_key_value_and_remedy(file, override, said):
    with pytest.raises(RecipeError) as caught:
        load(Basket, file, [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_recipe_and_no_setting_is_without_end(tmp_path):
    with pytest.raises(RecipeError, match="is a folder, not a recipe"):
        load(Recipe, tmp_path)
    for override in ("lr=inf", "lr=.nan", "learn=[]"):
        with pytest.raises(RecipeError, match=override.partition("=")[0]):
            load(TrainRecipe, None, [override])


def test_a_missing_recipe_suggests_its_neighbour_and_bad_yaml_names_the_line(file):
    with pytest.raises(RecipeError, match=r"no such recipe; did you mean .*basket\.yaml"):
        load(Basket, file.with_name("baskt.yaml"))
    file.write_text("name: [")
    with pytest.raises(RecipeError, match=r"is not YAML: .*line 1"):
        load(Basket, file)
    file.write_text("- a\n")
    with pytest.raises(RecipeError, match="holds list"):
        load(Basket, file)


def test_a_manifest_holds_recipe_inputs_and_output_hashes(tmp_path, file):
    out = tmp_path / "out"
    out.mkdir()
    (out / "data.txt").write_text("x")
    manifest(out, "calm test", Basket(), hashes([file]), rows=1)
    found = read_manifest(out)
    assert found["recipe"]["weight"] == 1.0
    assert list(found["inputs"]) == [str(file)]
    assert set(found["outputs"]) == {"data.txt"}
    assert found["versions"]["calm"]
