"""Make the README's picture: the runs of this checkout, drawn over each other in the MLflow UI.

    python docs/picture.py docs/images/mlflow.png

Needs Chromium (Debian: apt-get install chromium) and two finished runs or more in mlflow.db.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from mlflow import MlflowClient
from playwright.sync_api import sync_playwright

CHARTS = "^val/"
SIZE = {"width": 1400, "height": 1000}


def main(picture: Path) -> None:
    """Start the UI, open the chart view of the experiment, and write what it shows."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).with_name("mlflow"), "ui", "--workers", "1", "--port", str(port)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"{address}/health")
        _photograph(_comparison(address), picture)
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


def _comparison(address: str) -> str:
    """Return the address of the page that draws the last runs over each other."""
    experiment = MlflowClient(address).get_experiment_by_name("weldproof")
    return f"{address}/#/experiments/{experiment.experiment_id}/runs?compareRunsMode=CHART"


def _photograph(address: str, picture: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(address)
        # The page asks the server for news without end, so that there is no moment of rest to wait for.
        page.wait_for_timeout(12_000)
        page.get_by_role("button", name="Close").first.click()  # the panel of an assistant
        page.get_by_text("Model training").first.click()  # it leaves the page
        page.goto(address)
        page.wait_for_timeout(8_000)
        page.get_by_placeholder("Search metric charts").fill(CHARTS)
        page.wait_for_timeout(6_000)
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(picture))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
