"""Where a trained net stands: a folder, or an address in MLflow. `load` is also `pipeline.load`."""

import logging
import os
import tempfile
from pathlib import Path

from pipeline.classifier import Classifier
from pipeline.text import shown
from pipeline.tracking.places import is_in_store, tracking_uri
from pipeline.training.device import choose_compute
from pipeline.training.weights import load_final

logger = logging.getLogger(__name__)


def load(model: str | os.PathLike[str] = "models", device: str = "auto") -> Classifier:
    """Return a trained net that takes photographs.

    Parameters
    ----------
    model
        The folder that `train` wrote; or, in MLflow, ``models:/name@alias``, ``models:/name/version`` (or ``latest``)
        or ``runs:/id/model``. The store is that of `MLFLOW_TRACKING_URI`, or the project's own in the current folder.
        Code that stands beside the net there is not run.
    device
        ``auto``: the first CUDA device if there is one, else the CPU; or ``cpu``, ``cuda``, ``cuda:1``.

    Raises
    ------
    ModelError
        If the folder holds no net, or the device is not there.
    TrackingError
        If the store cannot be reached, or has no such model of this project.
    """
    address, place = os.fspath(model), choose_compute(device, key="device").device
    if not is_in_store(address):
        logger.info("model: %s", shown(address))
        return Classifier(*load_final(Path(address), place))
    # Imports MLflow, which takes seconds.
    from pipeline.tracking.store import fetch_model

    with tempfile.TemporaryDirectory(prefix="weldproof-") as folder:
        found, models = fetch_model(tracking_uri(), address, Path(folder))
        logger.info("model: %s", shown(found))
        return Classifier(*load_final(models, place))
