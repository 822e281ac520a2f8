"""The training loop: Lightning's, with our state on disk and nothing printed but what we say."""

from __future__ import annotations

import logging
import signal
import warnings
from pathlib import Path
from typing import Literal

import torch

from ..errors import InputError
from ..lightning import Callback, LightningDataModule, SIGTERMException, TensorBoardLogger, Trainer
from .callbacks import BEST, LAST, LOG, Averaging, LiveLine, RunLog, SaveState, StopEarly
from .checkpoint import SafetensorsIO
from .config import TrainConfig
from .plan import Plan
from .spawn import Spawned
from .task import Supervised

PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


def fit(
    task: Supervised,
    data: LightningDataModule,
    config: TrainConfig,
    plan: Plan,
    folder: Path,
    watch: Callback | None = None,
) -> Path:
    """Train as planned, going on from the state in ``folder`` where there is one; return the file with the weights."""
    last = folder / LAST
    trainer = _trainer(config, plan, folder, watch)
    task.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        trainer.fit(task, datamodule=data, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    except RuntimeError as error:
        told = str(error)
        if "DataLoader worker" in told and ("killed" in told or "exited unexpectedly" in told):
            raise InputError(
                f"a worker that prepares frames was killed, out of memory perhaps ({error}); use --workers 0"
            ) from error
        raise
    except SystemExit as error:
        if isinstance(error, SIGTERMException):
            raise SystemExit(128 + signal.SIGTERM) from error
        if isinstance(error.__context__, KeyboardInterrupt):  # which Lightning turns into an exit with status 1
            raise KeyboardInterrupt from error
        raise
    return folder / BEST if config.keep == "best" else last


def _trainer(config: TrainConfig, plan: Plan, folder: Path, watch: Callback | None) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for hushed in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*Found .* module.* in eval.*",
    ):
        warnings.filterwarnings("ignore", hushed)
    warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
    warnings.filterwarnings("ignore", category=FutureWarning, module="lightning")
    callbacks: list[Callback] = [
        Averaging(config.optimiser.ema),
        RunLog(folder / LOG),
        LiveLine(plan.steps),
    ]
    if watch is not None:
        callbacks.append(watch)
    if config.patience is not None:
        callbacks.append(StopEarly(config.patience))
    callbacks.append(SaveState(folder, keep_best=config.keep == "best"))
    return Trainer(
        accelerator=plan.choices.accelerator,
        devices=config.devices,
        strategy="auto" if config.devices == 1 else Spawned(),
        precision=PRECISION[plan.choices.precision],
        max_epochs=plan.rounds,
        gradient_clip_val=config.optimiser.clip,
        callbacks=callbacks,
        plugins=[SafetensorsIO()],
        logger=_tensorboard(folder) if config.tensorboard else False,
        deterministic=config.deterministic,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


def _tensorboard(folder: Path) -> TensorBoardLogger:
    try:
        return TensorBoardLogger(folder, name="tensorboard", version="")
    except ModuleNotFoundError as error:
        raise InputError("--tensorboard: not installed; pip install 'sononerve[tensorboard]'") from error
