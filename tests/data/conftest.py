"""Real data sets, opened once."""

import pytest

from sononerve.data.dataset import load_dataset


@pytest.fixture(scope="session")
def usgra(shared_data):
    """The usgra-seg data set."""
    return load_dataset(shared_data / "usgra-seg")
