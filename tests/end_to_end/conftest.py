"""The checkout that most end-to-end tests share."""

import os
import shutil

import pytest
from checkout import SAMPLE_COUNTS, Project, checkout
from filelock import FileLock


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A checkout, in a folder with a space in its name, in which `dvc repro` has run once; a copy for each worker."""
    own = tmp_path_factory.getbasetemp()
    made = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "of all workers"
    with FileLock(f"{made}.lock"):
        if not (made / "said").exists():
            first = checkout(made / "my project", SAMPLE_COUNTS)
            said = first.dvc("repro")
            first.commit("first run")
            (made / "said").write_text(said)
    project = Project(own / "end to end" / "my project")
    shutil.copytree(made / "my project", project.folder, symlinks=True)
    project.first_output = (made / "said").read_text()
    return project
