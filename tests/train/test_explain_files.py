"""`sononerve explain`: a figure per image, every map as 16-bit PNG, a record; one sentence for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import load, save

from sononerve import read_frame
from sononerve.data.phantom import PhantomConfig, write
from sononerve.runtime.bundle import CARD, CONFIG, GRAPH, SCORES, WEIGHTS, Bundle, write_bundle
from sononerve.train.explain import METHODS, explain

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames, 56 rows by 72 columns."""
    config = PhantomConfig(subjects=1, frames=2, height=56, width=72)
    return write(config, tmp_path_factory.mktemp("to_explain") / "frames") / "images"


def refused(result: tuple[int, str, str], fault: str) -> None:
    status, _, error = result
    assert status == 2
    assert fault in error
    assert error.count("\n") == 1


def test_it_writes_a_figure_every_map_and_how_they_were_made(
    cli: Cli, gated: Bundle, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "explained"
    status, said, error = cli("explain", images, "--model", gated.source, "--out", out)
    assert (status, said) == (0, f"2 explained: {out}\n"), error
    told = json.loads((out / "explain.json").read_text())
    assert (told["model"], told["network"], told["methods"]) == (gated.identity, "attention-unet", METHODS)
    assert [frame["figure"] for frame in told["frames"]] == ["1_0.png", "1_1.png"]
    for frame in told["frames"]:
        assert (frame["height"], frame["width"]) == (56, 72)
        assert [one["file"] for one in frame["maps"]] == [
            f"maps/{Path(frame['figure']).stem}_{name}.png"
            for name in ("probability_1", "uncertainty", "gate_1", "gate_2", "saliency")
        ]
        for one in frame["maps"]:
            stored = np.asarray(Image.open(out / one["file"]))
            assert (stored.dtype, stored.shape) == (np.uint16, (56, 72))
            assert stored.max() / 65535 * one["65535_is"] == pytest.approx(one["highest"], abs=1e-5 * one["65535_is"])
    assert sorted(path.name for path in out.rglob("*.png")) == sorted(
        Path(name).name for frame in told["frames"] for name in (frame["figure"], *(m["file"] for m in frame["maps"]))
    )


def test_the_record_tells_the_values_in_the_pictures(cli: Cli, gated: Bundle, images: Path, tmp_path: Path) -> None:
    assert cli("explain", images / "1_0.png", "--model", gated.source, "--out", tmp_path / "out")[0] == 0
    expected = {one.name: one for one in explain(read_frame(images / "1_0.png"), gated).maps()}
    (frame,) = json.loads((tmp_path / "out" / "explain.json").read_text())["frames"]
    for one in frame["maps"]:
        stored = np.asarray(Image.open(tmp_path / "out" / one["file"])) / 65535 * one["65535_is"]
        values = expected[Path(one["file"]).stem.removeprefix("1_0_")].values
        np.testing.assert_allclose(stored, values, atol=1e-5 * one["65535_is"])


def without_gates(bundle: Bundle, folder: Path) -> Path:
    """The same network with its gates switched off, as a bundle in ``folder``."""
    told = yaml.safe_load(bundle.files[CONFIG])
    told["training"]["network"]["gates"] = False
    weights = {name: value for name, value in load(bundle.files[WEIGHTS]).items() if not name.startswith("gates.")}
    write_bundle(folder, {**bundle.files, CONFIG: yaml.safe_dump(told).encode(), WEIGHTS: save(weights)})
    return folder


def right_half_of_the_last_row(figure: Path) -> np.ndarray:
    """Whether each pixel there, of two rows of panels, is not white."""
    pixels = np.asarray(Image.open(figure).convert("L"))
    return pixels[len(pixels) * 6 // 10 :, pixels.shape[1] // 2 :] < 255


def test_a_network_without_gates_has_no_gate_panels_and_the_record_says_so(
    cli: Cli, gated: Bundle, images: Path, tmp_path: Path
) -> None:
    for name, model in (("plain", without_gates(gated, tmp_path / "model")), ("gated", gated.source)):
        assert cli("explain", images / "1_0.png", "--model", model, "--out", tmp_path / name)[0] == 0
    told = json.loads((tmp_path / "plain" / "explain.json").read_text())
    assert told["methods"] == METHODS | {"gates": "this network has none"}
    assert not list((tmp_path / "plain" / "maps").glob("*gate*"))
    assert right_half_of_the_last_row(tmp_path / "gated" / "1_0.png").mean() > 0.3
    assert not right_half_of_the_last_row(tmp_path / "plain" / "1_0.png").any()


def test_bad_input_is_one_sentence_and_nothing_is_written(
    cli: Cli, gated: Bundle, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (tmp_path / "bad.png").write_text("hello")
    to = ["--model", gated.source, "--out", out]
    refused(cli("explain", images, tmp_path / "bad.png", *to), "bad.png: not an image")
    refused(cli("explain", tmp_path / "gone.png", *to), "gone.png")
    refused(cli("explain", images, "--model", tmp_path / "none", "--out", out), "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png"]
    out.mkdir()
    (out / "mine").write_text("mine")
    refused(cli("explain", images, *to), "is there already and not an empty folder")
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_bundle_that_no_training_wrote_is_refused(cli: Cli, images: Path, tmp_path: Path) -> None:
    files = dict.fromkeys((GRAPH, WEIGHTS, SCORES, CARD), b"{}") | {CONFIG: b"classes: [nerve]"}
    write_bundle(tmp_path / "foreign", files)
    result = cli("explain", images, "--model", tmp_path / "foreign", "--out", tmp_path / "out")
    refused(result, "config.yaml: plan: Field required")
    assert not (tmp_path / "out").exists()
