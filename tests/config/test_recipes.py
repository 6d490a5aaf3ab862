"""Recipes: shipped ones, round trips through text, overrides, and one-line errors with their place."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from danlu.config.loading import (
    apply_override,
    dump_recipe,
    first_difference,
    load_recipe,
    parse_yaml,
    shipped_recipes,
    to_builtin_types,
)
from danlu.config.schema import Recipe
from danlu.errors import WrongInput
from danlu.objectives.masked import Masked
from danlu.training.budget import Budget

SMALL = """\
corpus:
  source: text.txt
models:
  decoder:
    objective: causal
    architecture: {name: transformer, layers: 1, width: 8, heads: 2}
    training:
      budget: 2min
      optimizer: {name: adamw, learning_rate: 3e-4}
  encoder:
    objective: masked
    architecture: transformer
    training: {budget: 60s}
tasks:
  topic:
    model: encoder
    task: {name: classify, rows: {train: a.tsv, test: b.tsv}}
    training: {budget: 400 steps}
"""


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return written


@pytest.fixture
def refused(write, tmp_path):
    """Return a function that returns the one-line error for a recipe, without its folder."""

    def line(text, overrides=()):
        with pytest.raises(WrongInput) as error:
            load_recipe(write(text), overrides)
        assert "\n" not in str(error.value)
        return str(error.value).replace(f"{tmp_path}/", "")

    return line


def test_smoke_and_demo_are_shipped():
    assert {"smoke", "demo"} <= set(shipped_recipes())


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_round_trips_through_text(name, write):
    recipe = load_recipe(name)
    again = load_recipe(write(dump_recipe(recipe)))
    assert again == recipe
    assert dump_recipe(again) == dump_recipe(recipe)
    assert (
        first_difference(to_builtin_types(parse_yaml(dump_recipe(recipe), "")), recipe.model_dump(mode="json")) is None
    )


def test_a_file_round_trips_through_text(write):
    recipe = load_recipe(write(SMALL))
    assert recipe.models["decoder"].training.optimizer.learning_rate == 3e-4
    assert load_recipe(write(dump_recipe(recipe))) == recipe


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("    objective: masked", "    objektive: masked"), ":11: models.encoder.objektive: unknown key"),
        (("heads: 2}", "head: 2}"), ":6: models.decoder.architecture.head: unknown key 'head'; did you mean 'heads'?"),
        (
            ("budget: 2min", "budgt: 2min"),
            ":8: models.decoder.training.budgt: unknown key 'budgt'; did you mean 'budget'?",
        ),
        (("tasks:", "task:"), ":14: task: unknown key 'task'; did you mean 'tasks'?"),
        (("layers: 1", "layers: many"), ":6: models.decoder.architecture.layers: must be a valid integer"),
        (("2min", "2 parsecs"), ":8: models.decoder.training.budget: '2 parsecs' is not a budget such as 5min"),
        (("3e-4", "-1"), ":9: models.decoder.training.optimizer.learning_rate: must be greater than 0, not -1"),
        (
            ("objective: masked", "objective: maskd"),
            ":11: models.encoder.objective: no objective is called 'maskd'; did you mean 'masked'?",
        ),
        (("objective: masked", "objective: 3"), ":11: models.encoder.objective: name one of: "),
        (
            ("    model: encoder", "    model: encodr"),
            ":16: tasks.topic.model: the recipe has no model 'encodr'; did you mean 'encoder'?",
        ),
        (
            ("objective: masked", "objective: {name: clusters, teacher: decodr}"),
            ":11: models.encoder.objective.teacher: 'decodr' is not an earlier model; did you mean 'decoder'?",
        ),
        (
            ("objective: causal", "objective: {name: clusters, teacher: encoder}"),
            ":5: models.decoder.objective.teacher: 'encoder' is not an earlier model; decoder is the first model",
        ),
        (("  source: text.txt", "  documents: line"), ":1: corpus.source: is missing"),
        (("  source: text.txt", "  source: text.txt\n  source: b.txt"), ':3: found duplicate key "source"'),
        (("budget: 2min", "budget: [2min"), ":9: not YAML: "),
        (("corpus:", "corpus: {"), ":3: not YAML: "),
        (("  topic:", "  a topic:"), ":15: tasks.a topic: the name 'a topic' must be letters, digits"),
        (("train: a", "trian: a"), ":17: tasks.topic.task.rows.trian: unknown key 'trian'; did you mean 'train'?"),
        ((SMALL, ""), ":1: a recipe is a mapping with keys such as corpus, not NoneType"),
        ((SMALL, "- a\n- b\n"), ":1: a recipe is a mapping with keys such as corpus, not CommentedSeq"),
        ((SMALL, "just words"), ":1: a recipe is a mapping with keys such as corpus, not str"),
        (("corpus:", "corpus: *nothing"), ":1: not YAML: "),
        (("text.txt", "text\x07.txt"), ":2: not YAML: the character '\\x07' is not allowed"),
        ((SMALL, "models: {}\ncorpus: {source: a}\n"), ":1: models: dictionary should have at least 1 item"),
    ],
)
def test_errors_are_reported_with_their_line(refused, change, line):
    text = SMALL.replace(*change, 1)
    assert text != SMALL
    assert refused(text).removeprefix("mine.yaml").startswith(line)


def test_all_errors_are_reported_at_once_each_with_its_line(write, tmp_path):
    wrong = {
        "  source: text.txt": "  source: text.txt\n  tset: 0.1\n  validation: 7",
        "width: 8, heads: 2": "head: 2, width: wide",
        "objective: masked": "objective: maskd",
        "model: encoder": "model: encodr",
        "budget: 400 steps": "budget: many",
    }
    text = SMALL
    for old, new in wrong.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(WrongInput) as raised:
        load_recipe(write(text), ["machine.threads=0", "models.decoder.prompt=[a]"])
    first, *lines = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert first == "mine.yaml: 9 errors"
    expected = [
        "mine.yaml:3: corpus.tset: unknown key 'tset'; did you mean 'test'?",
        "mine.yaml:4: corpus.validation: must be less than 0.5, not 7",
        "mine.yaml:8: models.decoder.architecture.width: must be a valid integer",
        "mine.yaml:8: models.decoder.architecture.head: unknown key 'head'; did you mean 'heads'?",
        "mine.yaml:13: models.encoder.objective: no objective is called 'maskd'; did you mean 'masked'?",
        "mine.yaml:18: tasks.topic.model: the recipe has no model 'encodr'; did you mean 'encoder'?",
        "mine.yaml:20: tasks.topic.training.budget: 'many' is not a budget",
        "mine.yaml with overrides: models.decoder.prompt: unknown key 'prompt'; did you mean 'prompts'?",
        "mine.yaml with overrides: machine.threads: must be greater than 0, not 0",
    ]
    assert len(lines) == len(expected)
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


def test_errors_between_models_and_tasks_are_reported_at_once(write):
    text = SMALL.replace("objective: causal", "objective: {name: clusters, teacher: encoder}")
    text = text.replace("    objective: masked", "    embeddings: nowhere\n    objective: masked")
    with pytest.raises(WrongInput) as raised:
        load_recipe(write(text))
    first, *lines = str(raised.value).splitlines()
    assert first.endswith(": 2 errors")
    assert [line.split(": ")[1] for line in lines] == ["models.decoder.objective.teacher", "models.encoder.embeddings"]


def test_text_that_is_not_utf8_is_refused(refused):
    assert refused(b"corpus: {source: \xff}\n") == "mine.yaml: not UTF-8 text (byte 17)"


def test_yaml_1_2_keeps_no_as_a_string(write):
    recipe = load_recipe(write(SMALL.replace("text.txt", "no")))
    assert recipe.corpus.source == "no"


@pytest.mark.parametrize(
    ("name", "advice"),
    [("smok", "did you mean 'smoke'?"), ("nothing-like-it", "list the shipped recipes")],
)
def test_an_unknown_recipe_suggests_the_nearest(name, advice):
    with pytest.raises(WrongInput, match=f"no recipe '{name}': neither a file nor a shipped recipe; ") as error:
        load_recipe(name)
    assert advice in str(error.value)


def test_overrides_take_precedence(write):
    path = write(SMALL)
    recipe = load_recipe(
        path,
        [
            "models.decoder.training.optimizer.learning_rate=1e-3",
            "models.encoder.objective.rate=0.3",
            "models.encoder.architecture.layers = 2",
            "corpus.source=[a.txt, b.txt]",
            "machine.threads=1",
            "models.decoder.prompts=['Once upon']",
        ],
    )
    assert recipe.models["decoder"].training.optimizer.learning_rate == 1e-3
    assert recipe.models["encoder"].objective == Masked(rate=0.3)
    assert recipe.models["encoder"].architecture.layers == 2
    assert recipe.corpus.source == ["a.txt", "b.txt"]
    assert recipe.machine.threads == 1
    assert recipe.models["decoder"].prompts == ["Once upon"]


def test_an_override_can_replace_a_whole_block(write):
    recipe = load_recipe(write(SMALL), ["models.encoder.objective=causal", "models.encoder.objective={name: masked}"])
    assert recipe.models["encoder"].objective == Masked()


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        (
            "models.encoder.objective.rat=0.3",
            " with overrides: models.encoder.objective.rat: unknown key 'rat'; did you mean 'rate'?",
        ),
        (
            "models.encoder.objective.rate=2",
            " with overrides: models.encoder.objective.rate: must be less than 1, not 2",
        ),
        ("models.encoder", "'models.encoder' is not key.path=value"),
        ("models..x=1", "'models..x=1' is not key.path=value"),
        ("=1", "'=1' is not key.path=value"),
        ("corpus.source.deep.er=1", " with overrides: corpus.source: must be a valid string"),
        (
            "models.decoder.architecture.layers.x=1",
            "'models.decoder.architecture.layers.x=1': layers is not a mapping but 1",
        ),
        ("machine.threads=[1", "machine.threads=[1:1: not YAML"),
    ],
)
def test_errors_in_overrides_are_attributed_to_the_override(refused, assignment, line):
    assert refused(SMALL, [assignment]).removeprefix("mine.yaml").startswith(line)


keys = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=4)


@given(st.lists(st.tuples(keys, st.integers()), min_size=1, max_size=3))
def test_an_override_is_stored_at_its_path(assignments):
    data = {}
    keys, value = assignments[0]
    for path, number in assignments[1:]:
        try:
            apply_override(data, f"{'.'.join(path)}={number}")
        except WrongInput:
            continue
    try:
        found = apply_override(data, f"{'.'.join(keys)}={value}")
    except WrongInput:
        assume(False)
    assert found == tuple(keys)
    for key in keys:
        data = data[key]
    assert data == value


def test_a_time_budget_is_divided_in_proportion(write):
    recipe = load_recipe(write(SMALL)).with_time(30)
    assert recipe.models["decoder"].training.budget == Budget(20, "seconds")
    assert recipe.models["encoder"].training.budget == Budget(10, "seconds")
    assert recipe.tasks["topic"].training.budget == Budget(400, "steps")


@given(st.floats(1e-3, 1e6))
def test_scaled_times_add_up_and_round_trip_through_text(seconds):
    recipe = Recipe.model_validate(to_builtin_types(parse_yaml(SMALL, ""))).with_time(seconds)
    budgets = [m.training.budget for m in recipe.models.values()]
    assert sum(b.amount for b in budgets) == pytest.approx(seconds)
    assert Recipe.model_validate(to_builtin_types(parse_yaml(dump_recipe(recipe), ""))) == recipe


def test_recipes_without_time_budgets_cannot_be_scaled():
    with pytest.raises(ValueError, match=r"no time budget to scale; set models.NAME.training.budget instead"):
        load_recipe("smoke").with_time(30)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2),
    lambda x: st.dictionaries(st.text("ab", min_size=1, max_size=2), x, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), values, max_size=3))
def test_nothing_differs_from_itself(data):
    assert first_difference(data, data) is None


def test_the_first_difference_names_its_key():
    old, new = load_recipe("smoke"), load_recipe("smoke", ["models.encoder.objective.rate=0.3"])
    difference = first_difference(old.model_dump(mode="json"), new.model_dump(mode="json"))
    assert difference == "models.encoder.objective.rate was 0.15, is 0.3"
