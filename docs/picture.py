"""Make the README's picture: the last runs of this checkout, over each other in the MLflow UI.

    python docs/picture.py docs/images/mlflow.png

Needs Chromium (Debian: apt-get install chromium) and two finished runs or more in mlflow.db.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from mlflow import MlflowClient
from playwright.sync_api import sync_playwright

from pipeline.tracking import EXPERIMENT
from pipeline.tracking.views import experiment_tags, view_of

SIZE = {"width": 1700, "height": 1050}
CHARTS = 6
"""In the first section of the view."""


def main(picture: Path) -> None:
    """Start the UI, open the charts of the experiment, and write what they show."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).with_name("mlflow"), "ui", "--workers", "1", "--port", str(port)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"{address}/health")
        _photograph(f"{address}/{_view(address)}", picture)
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


def _view(address: str) -> str:
    """Return the view that draws the last runs over each other; a store of former times is given it."""
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    for key, value in experiment_tags().items():
        client.set_experiment_tag(experiment, key, value)
    return view_of(experiment, charts=True)


def _photograph(address: str, picture: Path) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)
        page.goto(address)
        page.get_by_role("button", name="Close", exact=True).click()  # the panel of an assistant
        page.get_by_role("button", name="Hide banner").click()
        cards = page.get_by_test_id("experiment-view-compare-runs-card")
        for number in range(CHARTS):
            cards.nth(number).locator("svg.main-svg, canvas.foreground").first.wait_for()
        page.wait_for_timeout(2000)  # the bars grow
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(picture))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
