"""A real browser without a screen: Debian's Chromium, a Chrome, or the one that `playwright install chromium` fetched."""

import shutil
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # root, as in a container, may not have one
    "--disable-gpu",
    "--disable-dev-shm-usage",  # 64 MB in a container, too little for a large page
    "--disable-background-networking",
    "--disable-component-update",
]


@pytest.fixture(scope="module")
def chromium():
    """A Playwright `Browser`, one for a module's tests, which make pages of their own; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (requirements-dev.txt)")
    with playwright.sync_playwright() as engine:
        program = next(filter(None, map(shutil.which, PROGRAMS)), engine.chromium.executable_path)
        if not Path(program).exists():
            pytest.skip("needs a browser: apt-get install chromium")
        browser = engine.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
