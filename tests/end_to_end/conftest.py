"""The checkout that most end-to-end tests share."""

import pytest
from checkout import SAMPLE_COUNTS, checkout


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A checkout, in a folder with a space in its name, in which `dvc repro` has run once."""
    project = checkout(tmp_path_factory.mktemp("end to end") / "my project", SAMPLE_COUNTS)
    project.first_output = project.dvc("repro")
    project.commit("first run")
    return project
