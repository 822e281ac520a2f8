"""What a process takes of the machine."""

import cv2
import pytest
from threadpoolctl import threadpool_info

from sononerve.process import one_thread


def algebra_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("failing", [False, True])
def test_one_thread_is_for_as_long_as_asked_and_not_longer(failing):
    before = cv2.getNumThreads(), algebra_threads()
    try:
        with one_thread():
            assert (cv2.getNumThreads(), algebra_threads()) == (1, {1})
            if failing:
                raise ValueError
    except ValueError:
        pass
    assert (cv2.getNumThreads(), algebra_threads()) == before
