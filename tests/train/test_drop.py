"""Contradictory frames are left out of the fit part, listed in the run, and nowhere else."""

import csv

import numpy as np
import pytest

from sononerve.data.dataset import load_dataset
from sononerve.data.phantom import PhantomConfig
from sononerve.data.phantom import frame as phantom_frame
from sononerve.data.split import Split
from sononerve.errors import InputError
from sononerve.train.config import DataConfig, TrainConfig
from sononerve.train.drop import DROPPED, dropped_frames, read_dropped, write_dropped
from sononerve.train.run import train

CONFIG = PhantomConfig(subjects=8, frames=1, height=96, width=96, empty=0, vessels=False)


@pytest.fixture
def doubted(data_folder):
    """Eight frames, each of which comes twice, once with an empty mask."""
    for subject in range(CONFIG.subjects):
        sample = phantom_frame(CONFIG, subject, 0)
        for name, labels in ((f"{subject}_drawn", sample.labels), (f"{subject}_empty", 0 * sample.labels)):
            data_folder.save(f"images/{name}.png", sample.frame.pixels)
            data_folder.save(f"masks/{name}.png", labels)
    return data_folder.path


def test_of_two_like_frames_the_empty_one_goes(doubted):
    dropped = dropped_frames(load_dataset(doubted))
    assert set(dropped) == {f"images/{subject}_empty.png" for subject in range(CONFIG.subjects)}
    assert "contradicts images/3_drawn.png" in dropped["images/3_empty.png"]


def test_of_two_like_frames_with_other_masks_both_go(data_folder):
    sample = phantom_frame(CONFIG, 0, 0)
    for i, labels in enumerate((sample.labels, np.roll(sample.labels, 40, axis=1))):
        data_folder.save(f"images/{i}.png", sample.frame.pixels)
        data_folder.save(f"masks/{i}.png", labels)
    with pytest.raises(InputError, match="every frame to fit contradicts another"):
        dropped_frames(load_dataset(data_folder.path))


def test_a_training_lists_what_it_left_out_of_the_fit_part_alone(doubted, tmp_path):
    config = TrainConfig(
        data=DataConfig(folder=doubted, drop="contradictions"),
        canvas={"longest": 32},
        network={"width": 2},
        steps=1,
        batch=2,
    )
    train(config, tmp_path / "run")
    fit = set(Split.read(tmp_path / "run" / "split.json").fold(0).fit)
    with (tmp_path / "run" / DROPPED).open(newline="") as file:
        listed = {row["frame"] for row in csv.DictReader(file)}
    assert listed == {name for name in fit if "_empty" in name}
    card = (tmp_path / "run" / "bundle" / "card.md").read_text(encoding="utf-8")
    assert f"{len(fit) - len(listed)} frames to fit, " in card and f"; {len(listed)} left out of those to fit" in card


def test_what_is_written_is_read_again_and_nothing_else(tmp_path):
    dropped = {'a "quoted", name.png': "contradicts b.png", "b.png": "contradicts a"}
    write_dropped(tmp_path / DROPPED, dropped)
    assert read_dropped(tmp_path / DROPPED) == dropped
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for file in ("other.csv", "missing.csv"):
        with pytest.raises(InputError, match=file):
            read_dropped(tmp_path / file)
