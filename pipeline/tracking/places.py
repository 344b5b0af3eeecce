"""Where the tracker's store is, and where its records wait."""

import os
import re
from pathlib import Path

from pipeline.files import STATE_FOLDER, project_root

_SQLITE = "sqlite:///"


def tracking_folder() -> Path:
    """Return the folder of the records that the store does not have yet."""
    return project_root() / STATE_FOLDER / "tracking"


def configured_address() -> str:
    """Return the store's address as a person set it: empty for the project's own."""
    return os.environ.get("MLFLOW_TRACKING_URI", "")


def tracking_uri(configured: str | None = None) -> str:
    """Return the store's address: `MLFLOW_TRACKING_URI`, or ``mlflow.db`` in the main checkout.

    Parameters
    ----------
    configured : what `configured_address` said when a record was made, in place of what it says now
    """
    address = (configured_address() if configured is None else configured) or f"{_SQLITE}mlflow.db"
    if not address.startswith(_SQLITE) or address.startswith(f"{_SQLITE}/"):
        return address
    if project_root() == Path.cwd():
        # Left relative: a folder may have a ? in its name, an address may not.
        return address
    return f"{_SQLITE}{project_root() / address.removeprefix(_SQLITE)}"


def is_in_store(model: str) -> bool:
    """Say whether a model is named by an address in MLflow, and not by a folder."""
    return model.startswith(("models:/", "runs:/"))


def shown_address(address: str) -> str:
    """Return an address without the name and password that it may hold."""
    return re.sub(r"//[^/@]*@", "//", address)
