"""A bundle to pass on: checked in every engine, and in int8 with what that costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from safetensors.torch import load, save

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.errors import InputError
from sononerve.evaluate.run import evaluate
from sononerve.runtime.bundle import (
    CARD,
    CONFIG,
    DECODER,
    ENCODER,
    GRAPH,
    SCORES,
    WEIGHTS,
    Bundle,
    in_precision,
    zip_bundle,
)
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.engines import installed_engines
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.ways import Ways
from sononerve.train.config import TrainConfig
from sononerve.train.ensemble import join
from sononerve.train.package import check_engines, package, slim
from sononerve.train.quantise import quantise
from sononerve.train.restore import restore
from sononerve.train.run import train

Cli = Callable[..., tuple[int, str, str]]
TRANSFORMER = {"width": 4, "depth": 3, "layers": 1, "attention_heads": 2}


@pytest.fixture(scope="module")
def run(tiny: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of three branches after some steps, enough for masks that are not empty."""
    out = tmp_path_factory.mktemp("packaged") / "run"
    train(tiny(model="transcgu-net", network=TRANSFORMER, steps=30, optimiser={"learning_rate": 0.01}), out)
    return out


@pytest.fixture(scope="module")
def data(phantom_folder: Path) -> Dataset:
    return load_dataset(phantom_folder)


@pytest.fixture(scope="module")
def packed(run: Path, data: Dataset) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sononerve.train.quantise.MOST_LOST", 1.0)  # four frames to tune on tell nothing of 0.005
        return package(Bundle.open(run), data, "int8")


def test_it_runs_in_int8_nearly_as_in_fp32(packed: Bundle, data: Dataset) -> None:
    meant, full = Predictor(packed), Predictor(packed, EngineChoice(precision="fp32"))
    assert meant.identity.endswith("+int8")
    for i in range(0, len(data), 5):
        frame = data[i].frame
        apart = np.abs(meant.predict(frame).probabilities - full.predict(frame).probabilities)
        assert 0 < apart.mean() < 0.02


def test_its_scores_are_those_of_the_precision_that_it_runs_in(packed: Bundle, data: Dataset) -> None:
    told, meant = json.loads(packed.files[SCORES]), evaluate(packed, data)
    full = evaluate(packed, data, choice=EngineChoice(precision="fp32"))
    dice, meant_dice, full_dice = (
        overall["classes"]["nerve"]["scores"]["dice"]
        for overall in (told["overall"], *(json.loads(one.scores.to_json())["overall"] for one in (meant, full)))
    )
    assert dice == meant_dice
    assert dice["value"] != full_dice["value"]
    lines = packed.files[CARD].decode().splitlines()
    assert sum(line.startswith("## Held-out scores") for line in lines) == 1
    assert any(line.startswith("- int8: costs ") and "4 frames of the tune part" in line for line in lines)
    recorded = yaml.safe_load(packed.files[CONFIG])
    assert recorded["dice_lost"].keys() == {"int8"}
    assert recorded["engines"].keys() == set(installed_engines())


def test_early_filtering_runs_in_int8_too(packed: Bundle, data: Dataset) -> None:
    whole, filtered = Predictor(packed), Predictor(packed, ways=Ways(sensitivity=0.01))
    frames = sorted((data[i].frame for i in range(len(data))), key=lambda frame: whole.predict(frame).presence)
    apart = whole.predict(frames[-1]).probabilities - filtered.predict(frames[-1]).probabilities
    assert np.abs(apart).mean() < 0.02
    assert filtered.predict(frames[0]).probabilities.max() == 0


def test_what_scales_frames_and_masks_is_not_rounded(packed: Bundle) -> None:
    graph = onnx.load_from_string(packed.files[in_precision(GRAPH, "int8")]).graph
    made = {output: node for node in graph.node for output in node.output}
    products = [node for node in graph.node if node.op_type == "MatMul" and "net/" not in node.name]
    assert len(products) == 4
    for node in products:
        assert not any(made[name].op_type == "DequantizeLinear" for name in node.input if name in made)


@pytest.fixture(scope="module")
def slimmed(packed: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same without fp32, written and opened again."""
    path = tmp_path_factory.mktemp("slim") / "slim.sono"
    zip_bundle(slim(packed), path)
    return Bundle.open(path)


def test_without_fp32_it_answers_the_same_and_is_a_third_as_large(
    packed: Bundle, slimmed: Bundle, data: Dataset
) -> None:
    frame, ways = data[1].frame, Ways(sensitivity=0.01)
    assert np.array_equal(Predictor(slimmed).predict(frame).labels, Predictor(packed).predict(frame).labels)
    filtered = [Predictor(bundle, ways=ways).predict(frame).probabilities for bundle in (slimmed, packed)]
    assert np.array_equal(*filtered)
    assert len(slimmed.files[WEIGHTS]) < 0.6 * len(packed.files[WEIGHTS])
    assert not {GRAPH, ENCODER, DECODER} & set(slimmed.files)


def test_without_fp32_a_training_may_begin_with_it(
    tiny: Callable[..., TrainConfig], packed: Bundle, slimmed: Bundle, run: Path, tmp_path: Path
) -> None:
    still = {"learning_rate": 1e-9, "weight_decay": 0.0}
    config = tiny(start=str(slimmed.source), network={}, canvas={}, steps=1, optimiser=still)
    train(config, tmp_path / "run", run / "split.json")
    before, after = (restore(bundle)[0].state_dict() for bundle in (packed, Bundle.open(tmp_path / "run")))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-3, rtol=1e-3)


def test_without_fp32_what_needs_it_says_so(slimmed: Bundle, packed: Bundle, data: Dataset) -> None:
    with pytest.raises(InputError, match=r"has no model\.onnx, so it does not run in fp32; make one with"):
        Predictor(slimmed, EngineChoice(precision="fp32"))
    with pytest.raises(InputError, match=r"int8 alone; join the run that it was exported from"):
        join([slimmed, packed])
    with pytest.raises(InputError, match=r"int8 alone; export the run that it came from"):
        package(slimmed, data)


def test_a_weight_that_16_bits_cannot_hold_stays_as_it_is(packed: Bundle) -> None:
    large = {"weight": torch.tensor([7e4]), "count": torch.tensor(3), "small": torch.tensor([0.5])}
    found = load(slim(replace(packed, files={**packed.files, WEIGHTS: save(large)})).files[WEIGHTS])
    assert found["weight"].item() == 7e4
    assert (found["count"].dtype, found["small"].dtype) == (torch.int64, torch.float16)


def test_data_that_know_other_classes_are_refused(run: Path, data: Dataset) -> None:
    with pytest.raises(InputError, match="its classes are vessel, the model's nerve; expected what it was trained on"):
        package(Bundle.open(run), replace(data, classes=("vessel",)))


def test_only_int8_is_left_alone(cli: Cli, run: Path, tmp_path: Path) -> None:
    status, _, err = cli("export", run, "-o", tmp_path / "slim.sono", "--slim", "--no-check")
    assert status == 2
    assert "add --precision int8" in " ".join(err.split())
    with pytest.raises(InputError, match="has no graph in int8"):
        slim(Bundle.open(run))


def test_a_note_is_at_the_end_of_the_card(cli: Cli, run: Path, tmp_path: Path) -> None:
    note, packed = tmp_path / "note.md", tmp_path / "noted.sono"
    note.write_text("## Elsewhere\n\nNot tried on Jürgen's machine.\n\n", encoding="utf-8")
    assert cli("export", run, "-o", packed, "--no-check", "--note", note)[0] == 0
    _, before, _ = cli("card", "--model", run)
    _, after, _ = cli("card", "--model", packed)
    assert after.rstrip() == f"{before.rstrip()}\n\n## Elsewhere\n\nNot tried on Jürgen's machine."
    assert Bundle.open(packed).identity == Bundle.open(run).identity
    note.write_bytes("Jürgen".encode("latin-1"))
    status, _, err = cli("export", run, "-o", packed, "--no-check", "--note", note, "--overwrite")
    assert status == 2
    assert "note.md: is not UTF-8 at byte 1" in " ".join(err.split())


def test_layers_that_hurt_stay_in_fp32_until_the_loss_is_small(run: Path, data: Dataset) -> None:
    asked: dict[str, list[int]] = {name: [] for name in (GRAPH, ENCODER, DECODER)}

    def lost(bundle: Bundle) -> float:
        for name, counts in asked.items():
            counts.append(_rounded(bundle, name))
        return 0.001 if len(asked[GRAPH]) == 3 else 0.1

    made = quantise(Bundle.open(run), [data[i].frame for i in range(8)], lost)
    for counts in asked.values():
        assert counts == [counts[0], counts[0] - 1, counts[0] - 2]
    assert len(made.kept) == 2
    assert made.lost == 0.001


def test_int8_that_costs_too_much_is_refused_with_another_way(run: Path, data: Dataset) -> None:
    with pytest.raises(InputError, match=r"int8 costs 0\.100 Dice.*use --precision bf16 or fp32"):
        quantise(Bundle.open(run), [data[0].frame], lambda _: 0.1)


def _rounded(bundle: Bundle, name: str) -> int:
    """How many layers of an int8 graph have rounded weights."""
    graph = onnx.load_from_string(bundle.files[in_precision(name, "int8")]).graph
    made = {output: node for node in graph.node for output in node.output}
    layers = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")]
    return sum(any(i in made and made[i].op_type == "DequantizeLinear" for i in node.input[:2]) for node in layers)


def test_an_engine_that_answers_otherwise_is_refused(run: Path, data: Dataset) -> None:
    bundle, frame = Bundle.open(run), data[1].frame
    assert all(found.largest < 0.02 for found in check_engines(bundle, [frame]).values())
    graph = onnx.load_from_string(bundle.files[GRAPH])
    for tensor in graph.graph.initializer:
        if tensor.name.endswith("head.bias"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 5, tensor.name))
    other = replace(bundle, files={**bundle.files, GRAPH: graph.SerializeToString()})
    with pytest.raises(InputError, match="does not answer as PyTorch does"):
        check_engines(other, [frame])


def test_from_the_shell_the_run_finds_its_data_and_the_file_runs(run: Path, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "model.sono"
    assert cli("export", run, "-o", file)[0] == 0
    assert "against PyTorch on 4 frames" in Bundle.open(file).files[CARD].decode()
    status, _, err = cli("export", run, "-o", tmp_path / "b.sono", "--precision", "int8", "--no-check")
    assert (status, (tmp_path / "b.sono").exists()) == (2, False)
    assert "leave --no-check out" in err
