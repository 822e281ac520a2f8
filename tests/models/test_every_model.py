"""What each registered model promises. A new one passes as soon as it is in ``MODELS``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from sononerve.data.dataset import load_dataset
from sononerve.data.module import Batch, as_batch, collate
from sononerve.data.phantom import PhantomConfig, samples
from sononerve.data.preprocess import Preprocess
from sononerve.frame import Sample
from sononerve.models import MODELS, Setting, build
from sononerve.models.output import Output, SegmentationModel
from sononerve.models.refiner import Refined, Refiner
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.engines import installed_engines, open_graph
from sononerve.train.config import LossConfig
from sononerve.train.graph import bundle_graph
from sononerve.train.task import dice_per_frame

TINY: dict[str, dict[str, Setting]] = {
    "unet": {"width": 8, "depth": 3, "fold": 1},
    "attention-unet": {"width": 8, "depth": 3, "fold": 1},
    "unet-notebook": {"width": 8, "depth": 3},
    "vgg16-unet": {"weights": "none", "stages": 2, "width": 16},
    "mobile-unet": {"weights": "none", "width": 8},
    "transcgu-net": {"width": 8, "depth": 3, "fold": 1, "layers": 1, "attention_heads": 2},
    "nnunet": {"width": 8, "stages": 4},
    "monai-basicunet": {"width": 8},
    "monai-unetplusplus": {"width": 4},
    "monai-attentionunet": {"width": 8},
    "monai-segresnet": {"width": 8},
    "monai-swinunetr": {"width": 12},
    "smp-unet": {"encoder": "tu-test_resnet"},
    "smp-unetplusplus": {"encoder": "tu-test_resnet"},
    "smp-deeplabv3plus": {"encoder": "tu-test_resnet"},
}
"""Settings for seconds; a model that is not here is tested as it is."""

REFINED = "refined unet"
"""No name in ``MODELS``: a U-Net with a refiner behind it, which is to be a network like any other."""

LITE = "lite mobile-unet"
"""None either: the same network as mobile-unet on its other encoder."""
LITE_SETTINGS: dict[str, Setting] = {"encoder": "efficientnet_lite0", "weights": "none"}


SIDE = 64

RATES = {"smp-unet": 4e-3, "smp-unetplusplus": 4e-3, "smp-segformer": 4e-3, "vgg16-unet": 2e-3, "refined unet": 5e-3}
"""Learning rates where not 1e-2: running statistics lag behind it, and VGG16 has no normalisation at all."""

FULL_RATES = {"vgg16-unet": 3e-4, "refined unet": 5e-3}
"""Learning rates in full size, where not 2e-3."""

TOLERANCE = {"smp-segformer": 1e-4, "monai-swinunetr": 1e-4}
"""Largest difference of a probability between PyTorch and ONNX Runtime, where not 1e-5: attention adds up more."""


def make(name: str, classes: int = 1, seed: int = 0) -> SegmentationModel:
    """A tiny one of this name."""
    torch.manual_seed(seed)
    if name == REFINED:
        return Refined(build("unet", TINY["unet"], classes), Refiner(classes, width=8, depth=3))
    if name == LITE:
        return build("mobile-unet", LITE_SETTINGS | {"width": 8}, classes)
    if MODELS[name].extra == "zoo":
        pytest.importorskip("segmentation_models_pytorch", reason="the extra zoo is not installed")
    return build(name, TINY.get(name, {}), classes)


def frames(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Normalised noise."""
    return torch.randn(count, 1, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def four() -> Batch:
    """Four frames at 64 x 64 with the largest nerves: real ones, or phantoms where there are none."""
    preprocess, batches = Preprocess(height=SIDE, width=SIDE), []
    for sample in _real() or _phantoms():
        assert sample.labels is not None
        canvas = preprocess.normalise(preprocess.frame(sample.frame.pixels))
        batches.append(as_batch(canvas[None], preprocess.mask((sample.labels == 1).astype(np.uint8), 1)[None]))
    return collate(batches)


def _real() -> list[Sample]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "usgra-seg"
    if not folder.is_dir():
        return []
    dataset = load_dataset(folder)
    return [dataset[int(i)] for i in np.argsort(-dataset.areas[:, 0])[:4]]


def _phantoms() -> list[Sample]:
    found = samples(PhantomConfig(subjects=40, frames=1, empty=0, vessels=False))
    return sorted(found, key=lambda sample: float(np.mean(sample.labels == 1)))[-4:]


@pytest.mark.parametrize("name", [*MODELS, REFINED, LITE])
class TestEveryModel:
    @pytest.mark.parametrize("classes", [1, 2])
    @pytest.mark.parametrize("multiples", [(2, 2), (2, 5), (3, 1)])
    def test_logits_have_the_size_of_the_frames(self, name: str, classes: int, multiples: tuple[int, int]) -> None:
        model = make(name, classes).eval()
        height, width = (model.divisor * m for m in multiples)
        with torch.no_grad():
            output = model(frames(2, height, width))
        assert isinstance(output, Output)
        assert output.logits.shape == (2, classes, height, width)
        found = output.probabilities()
        assert found.min() >= 0
        assert found.sum(1).max() <= 1 + 1e-6

    def test_every_parameter_gets_a_gradient(self, name: str) -> None:
        model = make(name, classes=2).train()
        side = 4 * model.divisor
        labels = torch.randint(0, 3, (2, side, side), generator=torch.Generator().manual_seed(0))
        LossConfig().build(model.heads)(model(frames(2, side, side)), labels).backward()
        learning = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        idle = [n for n, p in learning if p.grad is None or not torch.isfinite(p.grad).all()]
        assert learning
        assert not idle

    def test_a_seed_decides_the_weights(self, name: str) -> None:
        first, same, other = (make(name, seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[key], same[key]) for key in first)
        assert any(not torch.equal(first[key], other[key]) for key in first)

    def test_frames_of_one_batch_do_not_change_each_others_answer(self, name: str) -> None:
        model = make(name).eval()
        batch = frames(3, 4 * model.divisor, 4 * model.divisor)
        with torch.no_grad():
            together = model(batch).logits
            alone = torch.cat([model(batch[i : i + 1]).logits for i in range(3)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)

    def test_saved_and_loaded_it_answers_the_same(self, name: str, tmp_path: Path) -> None:
        model, other = make(name, seed=1).eval(), make(name, seed=2).eval()
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "w.safetensors")
        batch = frames(1, 4 * model.divisor, 4 * model.divisor)
        with torch.no_grad():
            expected = model(batch).logits
            assert not torch.equal(other(batch).logits, expected)
            other.load_state_dict(load_file(tmp_path / "w.safetensors"))
            assert torch.equal(other(batch).logits, expected)

    def test_exported_it_gives_the_same_probabilities(self, name: str) -> None:
        model = make(name, classes=2).eval()
        side = 4 * model.divisor
        preprocess = Preprocess(height=side, width=side)
        frame = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
        graph = bundle_graph(model, preprocess, 2)
        with torch.no_grad():
            expected = model(torch.from_numpy(preprocess.normalise(frame))[None, None]).probabilities()
        for engine in installed_engines():
            found = open_graph(graph, choice=EngineChoice(engine=engine)).run({"frame": frame[None, None]})
            told = found["probabilities"]
            np.testing.assert_allclose(told, expected.numpy(), atol=TOLERANCE.get(name, 1e-5), err_msg=engine)

    def test_it_learns_four_frames_by_heart(self, name: str, four: Batch) -> None:
        assert learned_by_heart(make(name), four, RATES.get(name, 1e-2), steps=250)

    @pytest.mark.slow
    def test_in_full_size_it_learns_four_frames_by_heart(self, name: str, four: Batch) -> None:
        torch.manual_seed(0)
        if name == REFINED:
            model: SegmentationModel = Refined(build("unet", {}, 1), Refiner(1))
        elif name == LITE:
            model = build("mobile-unet", LITE_SETTINGS, 1)
        else:
            weights: dict[str, Setting] = {"weights": "none"} if name == "vgg16-unet" else {}
            model = build(name, weights, 1)
        assert learned_by_heart(model, four, FULL_RATES.get(name, 2e-3), steps=400)


def learned_by_heart(model: SegmentationModel, batch: Batch, rate: float, steps: int) -> bool:
    """Train until the Dice of every frame is over 0.95; False, with what it was, where that does not come."""
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=rate)
    loss = LossConfig().build(model.heads)
    side = model.divisor * -(-batch.frames.shape[2] // model.divisor)  # a deep network needs a larger canvas
    frames = F.pad(batch.frames, (0, side - batch.frames.shape[3], 0, side - batch.frames.shape[2]))
    labels = F.pad(batch.labels, (0, side - batch.labels.shape[2], 0, side - batch.labels.shape[1]))
    dice = torch.zeros(1)
    for step in range(steps):
        optimizer.zero_grad()
        loss(model.train()(frames), labels).backward()
        optimizer.step()
        if step % 5 == 4:
            with torch.no_grad():
                dice = dice_per_frame(model.eval()(frames).logits, labels)
            if dice.min() > 0.95:
                return True
    print(f"Dice of the four frames after {steps} steps: {dice.flatten().tolist()}")
    return False


def test_the_settings_above_are_of_models_that_exist() -> None:
    assert TINY.keys() | RATES.keys() | TOLERANCE.keys() <= {*MODELS, REFINED}
