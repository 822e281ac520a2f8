"""The public names: few, all there, and the verbs can be called although they are folders."""

from __future__ import annotations

import inspect

import pytest

import sononerve


def test_every_public_name_is_there_and_documented() -> None:
    for name in sononerve.__all__:
        assert inspect.getdoc(getattr(sononerve, name)), name


def test_the_public_api_fits_on_one_page() -> None:
    assert len(sononerve.__all__) <= 20
    assert {"load_dataset", "split", "train", "evaluate", "Predictor", "phantom"} <= set(sononerve.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'predictor'"):
        sononerve.predictor  # noqa: B018


def test_the_verbs_are_called_with_the_arguments_of_their_functions(tmp_path) -> None:
    """An empty folder is refused by the verb itself, so it has been reached."""
    config = sononerve.TrainConfig(data={"folder": tmp_path})
    with pytest.raises(sononerve.InputError, match="is empty"):
        sononerve.train(config, tmp_path / "run")
    with pytest.raises(sononerve.InputError, match="no such bundle"):
        sononerve.evaluate(tmp_path / "none", None)


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(sononerve.InputError, ValueError)


def test_a_phantom_goes_through_load_and_split(tmp_path) -> None:
    config = sononerve.phantom.PhantomConfig(subjects=4, frames=2, height=48, width=48)
    folder = sononerve.phantom.write(config, tmp_path / "frames")
    dataset = sononerve.load_dataset(folder)
    fold = sononerve.split(dataset).fold(0)
    assert sorted((*fold.fit, *fold.tune, *fold.test)) == sorted(dataset.names)
