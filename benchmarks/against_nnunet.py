"""nnU-Net's side of `against.py`, run by the Python of an environment with nnunetv2: its plan, its predictor.

The weights are random, for only the time counts; everything else is what its commands do by default for a 2D data set
of such frames. It is told on standard input how many frames to segment.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

NAME = "Dataset001_Frames"


def main() -> None:
    """Plan, load, segment one frame, say so, and then so many as each line says."""
    mirror, frames, work = sys.argv[1] == "mirror", Path(sys.argv[2]), Path(sys.argv[3])
    for part in ("raw", "preprocessed", "results"):
        (work / mirror_name(mirror) / part).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{part}"] = str(work / mirror_name(mirror) / part)
    home = work / mirror_name(mirror)
    files = sorted(frames.iterdir())
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folder = model_folder(home, files)
    import torch

    predictor = nnUNetPredictor(use_mirroring=mirror, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(folder), use_folds=(0,), checkpoint_name="checkpoint_final.pth")
    run(predictor, files[:1], home / "out")
    for line in sys.stdin:
        run(predictor, (files * (1 + int(line) // len(files)))[: int(line)], home / "out")


def mirror_name(mirror: bool) -> str:
    """A folder for each way, so that two processes do not share one."""
    return "mirrored" if mirror else "plain"


def run(predictor: nnUNetPredictor, files: list[Path], out: Path) -> None:
    """From the PNG on disk to the mask on disk, by the predictor's own reading, preprocessing and writing."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began, used = time.perf_counter(), cpu_seconds()
    predictor.predict_from_files(
        [[str(file)] for file in files],
        [str(out / f"{number}.png") for number in range(len(files))],
        save_probabilities=False,
        overwrite=True,
        num_processes_preprocessing=1,
        num_processes_segmentation_export=1,
    )
    told = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - used}
    print(json.dumps(told | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


def cpu_seconds() -> float:
    """Of this process and those it started and that have ended."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(found.ru_utime + found.ru_stime for found in map(resource.getrusage, who))


def model_folder(home: Path, files: list[Path]) -> Path:
    """A trained model's folder as nnU-Net writes it, with its own plan for these frames, and random weights."""
    import numpy as np
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    from skimage.io import imread, imsave  # what nnU-Net reads pictures with

    raw = home / "raw" / NAME
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        shutil.copy(file, raw / "imagesTr" / f"case_{number:04}_0000.png")
        labels = np.zeros(imread(file).shape, np.uint8)
        labels[100:160, 100:180], labels[200:230, 200:230] = 1, 2
        imsave(raw / "labelsTr" / f"case_{number:04}.png", labels, check_contrast=False)
    description = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "nerve": 1, "vessel": 2},
        "numTraining": len(files),
        "file_ending": ".png",
    }
    (raw / "dataset.json").write_text(json.dumps(description))
    extract_fingerprints([1], num_processes=1)
    plan_experiments([1])
    plans_file = home / "preprocessed" / NAME / "nnUNetPlans.json"
    plans = PlansManager(json.loads(plans_file.read_text()))
    configuration = plans.get_configuration("2d")
    print(f"nnU-Net plans patches of {configuration.patch_size}, batch {configuration.batch_size}", file=sys.stderr)
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        3,
        allow_init=True,
        deep_supervision=False,
    )
    folder = home / "results" / NAME / "nnUNetTrainer__nnUNetPlans__2d"
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    shutil.copy(plans_file, folder / "plans.json")
    shutil.copy(raw / "dataset.json", folder / "dataset.json")
    torch.save(
        {
            "network_weights": network.state_dict(),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": "2d"},
            "inference_allowed_mirroring_axes": (0, 1),
        },
        folder / "fold_0" / "checkpoint_final.pth",
    )
    return folder


if __name__ == "__main__":
    main()
