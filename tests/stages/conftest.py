"""What the tests of the stages share."""

import shutil

import pytest


@pytest.fixture
def place(prepared, tmp_path):
    """A copy of the folder that the module's `prepared` brought up to the training."""
    shutil.copytree(prepared, tmp_path / "place")
    return tmp_path / "place"
