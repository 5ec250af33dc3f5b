"""Recipes: what ships loads, what is wrong is said, and what is said is true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from relx.faults import Fault, InputError
from relx.recipe import DecideSection, FreshDecoder, FreshSource, Recipe, TrainSection
from relx.recipe_file import load_recipe, recipe_from_tree, recipe_yaml
from relx.tasks.task import task_of

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
SHIPPED = sorted(RECIPES.glob("*.yaml"))
SMALLEST = "name: small\nencoder: {from: some/encoder}\n"
ANYTHING = st.characters(exclude_categories=("Cs",))
Writer = Callable[[str], Path]

reuse_the_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def faults_of(path: Path, *texts: str) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        load_recipe(path, texts)
    return caught.value.faults


# ---- what ships


def test_the_promised_recipes_ship() -> None:
    promised = {"demo", "roberta", "roberta-base", "bert", "xlmr"}
    promised |= {"emotion-demo", "emotion-electra", "emotion-roberta", "decoder-demo"}
    promised |= {"emotion-polyglot", "emotion-polyglot-5.8b", "relation-qwen3"}
    assert {path.stem for path in SHIPPED} >= promised


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_loads_and_its_header_names_itself(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    header = path.read_text(encoding="utf-8").split("\nname:")[0]
    for command in ("validate", "tapt    ", "train   "):
        adapts = command != "tapt    " or recipe.decoder is None
        assert (f"relx {command} --recipe recipes/{path.name}" in header) is adapts
    assert f"make submission RECIPE=recipes/{path.name}" in header


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_takes_a_fresh_model(path: Path) -> None:
    family = load_recipe(path).family
    recipe = load_recipe(path, [f"{family}.from={{fresh: {{layers: 1, hidden: 16}}}}"])
    assert isinstance(recipe.source, FreshSource | FreshDecoder)
    assert (recipe.family, recipe.source.fresh.hidden) == (family, 16)


@pytest.mark.parametrize("name", ["demo", "emotion-demo", "decoder-demo"])
def test_the_demo_stands_on_the_sample(name: str) -> None:
    data = load_recipe(RECIPES / f"{name}.yaml").data
    for name in (data.train, data.dev, data.test):
        assert name and (RECIPES.parent / name).is_file()


# ---- reading


def test_defaults_yield_to_the_file_and_the_file_to_settings(write: Writer) -> None:
    path = write(SMALLEST + "train: {epochs: 7, batch_size: 9}\n")
    train = load_recipe(path, ["train.epochs=2", "train.epochs=3"]).train
    assert (train.epochs, train.batch_size) == (3, 9)
    assert train.dropout == TrainSection().dropout


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-5", 1e-5), ("2E-05", 2e-5), ("3.e-4", 3e-4), ("1.5e+0", 1.5), ("1e1", 10.0), ("1", 1.0)],
)
def test_exponents_are_numbers(write: Writer, text: str, number: float) -> None:
    path = write(SMALLEST + f"train: {{learning_rate: {text}}}\n")
    assert load_recipe(path).train.learning_rate == number
    assert load_recipe(write(SMALLEST), [f"train.learning_rate={text}"]).train == TrainSection(
        learning_rate=number
    )


def test_a_name_that_only_looks_like_an_exponent_stays_text(write: Writer) -> None:
    assert load_recipe(write("name: e5-small\nencoder: {from: e5}\n")).encoder.source == "e5"


def test_a_path_takes_the_place_of_a_fresh_mapping(write: Writer) -> None:
    path = write("name: a\nencoder:\n  from: {fresh: {layers: 1}}\n")
    assert load_recipe(path, ["encoder.from=models/mine"]).encoder.source == "models/mine"


def test_a_fresh_mapping_takes_the_place_of_a_path(write: Writer) -> None:
    recipe = load_recipe(write(SMALLEST), ["encoder.from.fresh.layers=1"])
    assert isinstance(recipe.encoder.source, FreshSource)
    assert recipe.encoder.source.fresh.layers == 1


def test_a_setting_makes_the_section_it_needs(write: Writer) -> None:
    recipe = load_recipe(write(SMALLEST), ["data.test=here/test=1.csv", "data.negative=null"])
    assert recipe.data.test == "here/test=1.csv"
    assert recipe.data.negative is None


# ---- what is wrong


@pytest.mark.parametrize(
    ("text", "key", "guess"),
    [
        ("trian: {epochs: 1}", "trian", "train"),
        ("train: {epoch: 1}", "train.epoch", "epochs"),
        ("train: {learning-rate: 1.0}", "train.learning-rate", "learning_rate"),
        ("data: {lables: klue}", "data.lables", "labels"),
        ("markers: {stile: klue}", "markers.stile", "style"),
    ],
)
def test_an_unknown_key_names_the_nearest(write: Writer, text: str, key: str, guess: str) -> None:
    path = write(f"{SMALLEST}{text}\n")
    (fault,) = faults_of(path)
    assert fault.kind == "unknown key"
    assert fault.where == f"{path}: {key}"
    assert guess in fault.allowed
    assert f"did you mean {guess}?" in fault.next_step


def test_an_unknown_key_deep_inside_the_encoder(write: Writer) -> None:
    path = write("name: a\nencoder: {from: {fresh: {layrs: 2}}}\n")
    (fault,) = faults_of(path)
    assert fault.where == f"{path}: encoder.from.fresh.layrs"
    assert "did you mean layers?" in fault.next_step


def test_an_unknown_key_like_nothing_known_lists_the_known(write: Writer) -> None:
    (fault,) = faults_of(write(SMALLEST + "zzzzzz: 1\n"))
    assert "tapt" in fault.allowed
    assert not fault.next_step


@reuse_the_folder
@given(key=st.sampled_from(sorted(TrainSection.model_fields)), data=st.data())
def test_a_slip_of_the_finger_is_never_ignored(
    write: Writer, key: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(key) - 1))
    slip = key[:at] + data.draw(st.sampled_from(["", "x", "_"])) + key[at + 1 :]
    if slip in TrainSection.model_fields:
        return
    (fault,) = faults_of(write(f"{SMALLEST}train: {{{slip}: 1}}\n"))
    assert fault.kind == "unknown key"
    assert key in fault.allowed
    # Of ema one letter may be all that is left: too little to guess by.
    assert len(slip.replace("_", "")) < 3 or any(
        name in fault.next_step for name in TrainSection.model_fields
    )


def test_all_faults_come_at_once(write: Writer) -> None:
    text = "seed: -1\nencoder: {}\ntrain: {epoch: 1, batch_size: 0, pooling: mean}\nnope: 1\n"
    faults = faults_of(write(text), "tapt.epochs=many", "broken")
    places = {fault.where.rpartition(": ")[2] for fault in faults}
    assert places == {
        "--set",
        "name",
        "seed",
        "encoder.from",
        "train.epoch",
        "train.batch_size",
        "train.pooling",
        "nope",
        "tapt.epochs",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.epochs", "'3'"),
        ("train.epochs", "3.0"),
        ("train.epochs", "true"),
        ("train.epochs", "0"),
        ("train.epochs", ""),
        ("train.learning_rate", "fast"),
        ("train.learning_rate", "0"),
        ("train.learning_rate", ".nan"),
        ("train.warmup", "1"),
        ("train.pooling", "max"),
        ("train", "3"),
        ("tapt.markers", "1"),
        ("tapt.mask_rate", "15"),
        ("tokens.max_length", "1e3"),
        ("data.train", "3"),
        ("data.train", "''"),
        ("data.labels", "[a]"),
        ("data.folds", "1"),
        ("device.backend", "abacus"),
        ("markers.style", "[klue]"),
        ("encoder.from", "[a]"),
    ],
)
def test_a_wrong_value_names_its_key(write: Writer, key: str, value: str) -> None:
    path = write(SMALLEST)
    (fault,) = faults_of(path, f"{key}={value}")
    assert key in fault.where
    assert fault.received
    assert fault.allowed


@pytest.mark.parametrize("name", ["demo", "roberta-base", "a", "3rd", "실험-1", "v1.2_x"])
def test_a_name_that_can_be_a_folder(write: Writer, name: str) -> None:
    assert load_recipe(write(SMALLEST), [f"name='{name}'"]).name == name


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "../a", "a b", "a\\b", "a:b"])
def test_a_name_that_cannot(write: Writer, name: str) -> None:
    (fault,) = faults_of(write(SMALLEST), f"name='{name}'")
    assert fault.where.endswith("name")


@pytest.mark.parametrize("setting", ["train.epochs", "=3", "train..epochs=3", ".a=1", "a.=1", ""])
def test_a_setting_without_key_or_value(write: Writer, setting: str) -> None:
    (fault,) = faults_of(write(SMALLEST), setting)
    assert fault.where == "--set"
    assert fault.received == setting


def test_a_setting_whose_value_is_no_yaml(write: Writer) -> None:
    (fault,) = faults_of(write(SMALLEST), "train.epochs={")
    assert fault.where == "--set train.epochs"


@pytest.mark.parametrize(
    "text", ["train: {epochs: 1}\ntrain: {epochs: 2}\n", "train: {epochs: 1, epochs: 2}\n"]
)
def test_a_key_that_stands_twice(write: Writer, text: str) -> None:
    (fault,) = faults_of(write(SMALLEST + text))
    assert "appears twice" in fault.received


@pytest.mark.parametrize("text", ["{a", "a: b: c", "x: !!python/object/apply:os.getcwd []", "\x00"])
def test_a_file_that_is_no_yaml(write: Writer, text: str) -> None:
    (fault,) = faults_of(write(text))
    assert fault.what == "this file is not YAML"


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n"])
def test_a_file_that_is_no_mapping(write: Writer, text: str) -> None:
    (fault,) = faults_of(write(text))
    assert "mapping" in fault.what


@pytest.mark.parametrize(
    ("encoding", "named"), [("cp949", "cp949"), ("utf-16", "utf-16"), ("shift-jis", "")]
)
def test_a_file_that_is_no_utf8(tmp_path: Path, encoding: str, named: str) -> None:
    path = tmp_path / "my recipe.yaml"
    text = "name: \uff71\uff72" if encoding == "shift-jis" else "name: 실험"
    path.write_bytes(text.encode(encoding))
    (fault,) = faults_of(path)
    assert fault.what == "a recipe is UTF-8, and this file is not"
    if named:
        assert named in fault.received
        step = f"iconv -f {named} -t utf-8 '{path}' > '{tmp_path / 'my recipe-utf8.yaml'}'"
        assert fault.next_step == step
    else:
        assert fault.next_step


def test_a_byte_order_mark_is_no_part_of_a_recipe(write: Writer) -> None:
    path = write(SMALLEST)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_recipe(path).name == "small"


def test_no_such_file(tmp_path: Path) -> None:
    (missing,) = faults_of(tmp_path / "none.yaml")
    (folder,) = faults_of(tmp_path)
    assert missing.what == folder.what == "there is no such recipe file"


def test_a_fold_that_is_not_one_of_the_folds(write: Writer) -> None:
    (fault,) = faults_of(write(SMALLEST), "train.fold=5", "data.folds=5")
    assert "train.fold" in str(fault)
    assert load_recipe(write(SMALLEST), ["train.fold=4", "data.folds=5"]).train.fold == 4


def test_heads_must_divide_hidden(write: Writer) -> None:
    (fault,) = faults_of(write(SMALLEST), "encoder.from={fresh: {hidden: 10, heads: 3}}")
    assert "multiple of heads" in str(fault)


def test_no_query_where_the_entities_stand_in_front(write: Writer) -> None:
    recipe = load_recipe(write(SMALLEST), ["markers={style: none, query: '[S]?'}"])
    with pytest.raises(InputError, match="leaves no room for a query") as caught:
        task_of(recipe)
    assert caught.value.faults[0].where == "markers.query"


def test_a_task_has_usual_values_of_its_own(write: Writer) -> None:
    recipe = load_recipe(write(SMALLEST), ["task=target", "data.folds=5"])
    assert (recipe.data.ends, recipe.data.labels, recipe.data.folds) == (
        "exclusive",
        "from-train",
        5,
    )
    assert (recipe.train.pooling, recipe.decide.labels) == ("target_start", "many")
    said = load_recipe(write(SMALLEST), ["task=target", "data.ends=inclusive"])
    assert said.data.ends == "inclusive"
    assert load_recipe(write(SMALLEST)).decide == DecideSection()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("decide={labels: one, at_least_one: true}", "at_least_one: only with labels: many"),
        ("decide.asymmetric.margin=0.1", "only with loss: asymmetric"),
        ("decide={loss: asymmetric, positive_weights: balanced}", "positive_weights: only with"),
        ("decide.thresholds=1.5", "less than 1"),
        ("decide.thresholds=grid", "auto"),
        ("decide.thresholds={joy: 2, fear: 0.5}", "less than 1"),
        ("decide.positive_weights=[1.0]", "at least 2"),
    ],
)
def test_a_key_of_decide_without_effect_or_sense_is_refused(
    write: Writer, setting: str, said: str
) -> None:
    (fault,) = faults_of(write(SMALLEST), "task=target", setting)
    assert said in str(fault) and "decide" in fault.where


# ---- the tree


def test_a_recipe_does_not_change(write: Writer) -> None:
    recipe = load_recipe(write(SMALLEST))
    with pytest.raises(ValidationError):
        recipe.train.epochs = 3
    with pytest.raises(ValidationError):
        recipe.seed = 1
    assert recipe.train.epochs == TrainSection().epochs


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_resolved_recipe_reads_back(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    written = tmp_path / "resolved.yaml"
    written.write_text(recipe_yaml(recipe), encoding="utf-8")
    assert load_recipe(written) == recipe
    assert recipe_from_tree(recipe.tree()) == recipe
    assert yaml.safe_load(recipe_yaml(recipe)) == recipe.tree()


@reuse_the_folder
@given(
    learning_rate=st.floats(0, 1e300, exclude_min=True, allow_infinity=False),
    seed=st.integers(0, 2**32 - 1),
    train=st.text(ANYTHING, min_size=1, max_size=30),
    query=st.none() | st.text(ANYTHING.filter(lambda c: c not in "{}"), max_size=30),
    negative=st.none() | st.sampled_from(["no", "null", "1.5", "관계 없음", "~"]),
)
def test_any_recipe_reads_back(
    write: Writer,
    learning_rate: float,
    seed: int,
    train: str,
    query: str | None,
    negative: str | None,
) -> None:
    tree = {
        "name": "관계-1",
        "seed": seed,
        "data": {"train": train, "negative": negative},
        "encoder": {"from": {"fresh": {"layers": 1}}},
        "markers": {"query": query},
        "tapt": {"learning_rate": learning_rate},
    }
    recipe = recipe_from_tree(tree)
    assert isinstance(recipe, Recipe)
    assert load_recipe(write(recipe_yaml(recipe))) == recipe


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029", "\ufeff", "\r", "\xa0", "\u200b"])
def test_text_with_marks_that_are_not_seen_reads_back(write: Writer, mark: str) -> None:
    for text in (mark, f"a{mark}b", f"a {mark} b", f"a\n{mark}", f"{mark}{mark}", f"x: {mark}"):
        recipe = load_recipe(write(SMALLEST))
        data = recipe.data.model_copy(update={"train": text})
        recipe = recipe.model_copy(update={"data": data})
        assert load_recipe(write(recipe_yaml(recipe))).data.train == text


@pytest.mark.parametrize("text", ["1e-5", "12e3"])
def test_text_that_looks_like_an_exponent_reads_back(write: Writer, text: str) -> None:
    recipe = load_recipe(
        write(SMALLEST), [f"name='{text.replace('-', '')}'", f"data.train='{text}'"]
    )
    assert load_recipe(write(recipe_yaml(recipe))) == recipe
