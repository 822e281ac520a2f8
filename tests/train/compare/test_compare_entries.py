"""What a person types behind --models, and what a comparison was begun with."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from sononerve.errors import InputError
from sononerve.settings import parse_settings
from sononerve.train.compare.entries import Entry, parse_entries
from sononerve.train.compare.recipe import Recipe
from sononerve.train.config import TrainConfig, changed


def test_names_labels_and_settings() -> None:
    found = parse_entries(["unet, unet-notebook", "gan=unet:adversary.weight=0.1:network.gates=false"])
    assert found == (
        Entry(label="unet", model="unet"),
        Entry(label="unet-notebook", model="unet-notebook"),
        Entry(label="gan", model="unet", settings={"adversary.weight": 0.1, "network.gates": False}),
    )


def test_commas_and_colons_in_brackets_and_quotes_belong_to_the_value() -> None:
    text = """lists=unet:data.classes=[nerve, "a:b"]:network={width: 8, depth: 3}:data.layout='p,q':x="y,\\",z",unet"""
    assert parse_entries([text]) == (
        Entry(
            label="lists",
            model="unet",
            settings={
                "data.classes": ["nerve", "a:b"],
                "network": {"width": 8, "depth": 3},
                "data.layout": "p,q",
                "x": 'y,",z',
            },
        ),
        Entry(label="unet", model="unet"),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("unet,unett", r"--models unett: unknown network 'unett'; expected one of unet"),
        ("unet:seed=1", r"--models unet:seed=1: has settings but no label; .*LABEL=NAME:setting=value"),
        ("a/b=unet", r"--models a/b=unet: 'a/b' is no label"),
        ("=unet", r"--models =unet: '' is no label"),
        ("a=unet:seed", r"--models a=unet:seed: seed: expected name=value"),
        ("unet,unet", r"--models: unet comes twice; .* another label"),
        ("unet,", r"--models : '' is no label"),
        ("a=unet:data.classes=[nerve,unet", r"--models a=unet:data\.classes=\[nerve,unet: .* is not a value"),
    ],
)
def test_a_wrong_entry_is_named(text: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        parse_entries([text])


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    data = {"spacing_mm": (0.1, 0.2), "classes": ("nerve", "vessel"), "drop": "contradictions"}
    told = {"data": {"folder": tmp_path, **data}}
    base = changed(
        None,
        told | {"budget_s": 60, "precision": "bf16", "canvas": {"longest": 64}, "strength": 1.0},
        {"augment.flip.p": 0.25},
    )
    entries = parse_entries(
        [
            "unet",
            "gan=unet:loss.dice=0.5:precision='32'",
            "open=unet:strength=null:deterministic=true:data.classes=[nerve,vessel]",
        ]
    )
    return Recipe(base=base, settings={"batch": 4, "canvas.longest": None}, entries=entries, seeds=(0, 1), threads=1)


def test_entries_and_seeds_are_added_and_known_ones_stay(recipe: Recipe, tmp_path: Path) -> None:
    later = recipe.model_copy(update={"entries": parse_entries(["unet-notebook", "unet"]), "seeds": (2, 0)})
    joined = recipe.joined(later, tmp_path)
    assert [entry.label for entry in joined.entries] == ["unet", "gan", "open", "unet-notebook"]
    assert joined.seeds == (0, 1, 2)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"entries": (Entry(label="gan", model="unet"),)}, 'gan was begun as unet:loss.*="32", not as unet'),
        ({"settings": {"batch": 8}}, "begun with another settings"),
        ({"threads": 2}, "begun with another threads"),
    ],
)
def test_what_would_not_be_comparable_is_refused(
    recipe: Recipe, tmp_path: Path, change: dict[str, object], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        recipe.joined(recipe.model_copy(update=change), tmp_path)


def test_another_budget_is_refused_and_another_place_of_the_data_is_not(recipe: Recipe, tmp_path: Path) -> None:
    def later(told: dict[str, object]) -> Recipe:
        return recipe.model_copy(update={"base": changed(recipe.base, told, {})})

    assert recipe.joined(later({"data": {"folder": "/elsewhere"}}), tmp_path).base.data.folder == Path("/elsewhere")
    with pytest.raises(InputError, match="begun with another budget_s"):
        recipe.joined(later({"budget_s": 90}), tmp_path)


def test_a_setting_that_a_network_does_not_know_names_the_entry(recipe: Recipe) -> None:
    wrong = recipe.model_copy(update={"entries": parse_entries(["odd=unet:network.gates=1"])})
    with pytest.raises(InputError, match=r"--models odd: --set network\.gates"):
        wrong.config(next(wrong.runs(1)))


@pytest.mark.parametrize(
    ("settings", "entry", "by_time"),
    [
        ({}, "a=unet", True),
        ({}, "a=unet:steps=9", False),
        ({"steps": 9}, "a=unet", False),
        ({"epochs": 9}, "a=unet", False),
        ({"steps": 9}, "a=unet:steps=null", True),
        ({"steps": 9}, "a=unet:budget_s=30", True),
        ({"budget_s": 30}, "a=unet:epochs=2", False),
    ],
)
def test_an_entry_ends_by_time_where_its_own_configuration_says_so(
    recipe: Recipe, settings: dict[str, object], entry: str, by_time: bool
) -> None:
    entries = parse_entries([entry])
    assert recipe.model_copy(update={"settings": settings, "entries": entries}).by_time(entries[0]) is by_time


@pytest.mark.parametrize(
    ("setting", "option"),
    [
        ("model=unet-notebook", "--models"),
        ("seed=3", "--seeds"),
        ("data.fold=1", "--folds or --split"),
        ("data={folder: elsewhere}", "the argument DATA"),
    ],
)
def test_what_the_comparison_sets_itself_cannot_be_set_beside_it(recipe: Recipe, setting: str, option: str) -> None:
    settings = parse_settings([setting])
    own = recipe.model_copy(update={"entries": (Entry(label="odd", model="unet", settings=settings),)})
    for wrong, label in ((own, "odd"), (recipe.model_copy(update={"settings": settings}), "unet")):
        with pytest.raises(InputError, match=rf"--models {label}: --set \S+: the comparison .* use {option}"):
            wrong.config(next(wrong.runs(1)))


def test_the_command_that_is_told_asks_for_the_same(
    recipe: Recipe, tmp_path: Path, cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def note(config: TrainConfig, models: list[str], out: Path, **told: object) -> None:
        asked.update(told, config=config, models=models)
        raise InputError("enough")

    monkeypatch.setattr("sononerve.train.compare.run.compare", note)
    cli(*shlex.split(recipe.command("split.json", "out"))[1:])
    config = asked["config"]
    assert isinstance(config, TrainConfig)
    assert config.data.spacing_mm == (0.1, 0.2)
    settings = asked["settings"]
    assert isinstance(settings, dict)
    again = Recipe(
        base=config,
        settings=settings,
        entries=parse_entries(asked["models"]),  # type: ignore[arg-type]
        seeds=asked["seeds"],  # type: ignore[arg-type]
        threads=asked["threads"],  # type: ignore[arg-type]
    )
    for run in recipe.runs(2):
        wanted = recipe.config(run)
        place = {"folder": wanted.data.folder}
        found = again.config(run)
        assert found.model_copy(update={"data": found.data.model_copy(update=place)}) == wanted


def test_fold_and_seed_in_a_setting_are_those_of_each_training(recipe: Recipe) -> None:
    entries = parse_entries(["small=unet:start=runs/a-fold{fold}:teach.models=['runs/b-fold{fold}-seed{seed}',c]"])
    taught = recipe.model_copy(update={"entries": entries})
    found = [taught.config(run) for run in taught.runs(folds=2)]
    assert [config.start for config in found] == ["runs/a-fold0", "runs/a-fold1"] * 2
    assert [config.teach.models for config in found] == [
        (f"runs/b-fold{fold}-seed{seed}", "c") for seed in (0, 1) for fold in (0, 1)
    ]


def test_the_recipe_is_read_as_written_but_for_the_place_of_the_data(recipe: Recipe, tmp_path: Path) -> None:
    recipe.write(tmp_path / "recipe.json")
    found = Recipe.read(tmp_path / "recipe.json")
    assert found.without_place() == recipe.without_place()
    assert found.base.data.folder == Path(recipe.base.data.folder.name)
