from pathlib import Path

import pytest

from relx.faults import InputError
from relx.recipe_file import load_recipe
from relx.shipped import chosen_recipe, purpose, shipped, shipped_file

ROOT = Path(__file__).parents[1]


def test_a_recipe_is_named_by_path_or_by_the_name_of_a_shipped_one(tmp_path, monkeypatch):
    demo = load_recipe(shipped()["demo"])
    assert chosen_recipe("demo", []) == demo
    assert chosen_recipe(str(ROOT / "recipes" / "demo.yaml"), ["seed=7"]).seed == 7
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("name: mine\nencoder: {from: a}\n")
    assert chosen_recipe("demo", []).name == "mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "relx recipes list"),
        ("roberta-bse", "did you mean roberta-base"),
        ("no/such.yaml", "no such recipe file"),
        ("nosuch.yaml", "no such recipe file"),
    ],
)
def test_a_missing_recipe_is_a_message(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        chosen_recipe(name, [])


def test_what_the_options_say_is_stronger_than_the_recipe():
    recipe = chosen_recipe("demo", ["device.backend=torch"], 'bad "rows".csv', "jax")
    assert recipe.data.skip_bad_rows == 'bad "rows".csv'
    assert recipe.device.backend == "jax"


def test_every_recipe_says_what_it_is_for(tmp_path):
    assert all(purpose(path) for path in shipped().values())
    silent = tmp_path / "silent.yaml"
    silent.write_text("name: silent\n# said too late\n")
    assert purpose(silent) == ""


def test_only_recipes_that_ship_have_a_shipped_file():
    assert shipped_file("demo") == shipped()["demo"]
    with pytest.raises(InputError, match="did you mean demo"):
        shipped_file("dmeo")
