"""The report in a real browser: on a screen, on a phone, in the dark, on paper, and in a frame like MLflow's."""

import json

import pytest
from reports import made_report

from pipeline.report.page import write_page

LAID_OUT = """
() => [...document.querySelectorAll("body *")]
    .filter((element) => !element.closest(".box, .skip") && element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => element.outerHTML.slice(0, 120))
"""
CONTRASTS = """
() => {
  const channels = (color) => {
    const numbers = color.match(/[\\d.]+/g).map(Number);
    const scale = color.startsWith("color(") ? 1 : 255;
    return [...numbers.slice(0, 3).map((each) => each / scale), numbers[3] ?? 1];
  };
  const luminance = (color) => {
    const linear = channels(color).slice(0, 3).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (channels(color)[3] === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("script, style, .skip")) continue;
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const [dark, light] = [luminance(color), luminance(ground(element))].sort((a, b) => a - b);
    found[color + " on " + ground(element)] = (light + 0.05) / (dark + 0.05);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_page(path, made_report())
    return path


@pytest.fixture
def opened(chromium, written):
    """Open the page, and see to it that it complains of nothing and asks for nothing."""
    contexts, complaints, requests, address = [], [], [], written.as_uri()

    def open_page(**settings):
        contexts.append(chromium.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:image/")} == {address}


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(LAID_OUT) == []


def test_pictures_are_all_there(opened):
    page = opened()
    assert page.evaluate("[...document.images].every((each) => each.complete && each.naturalWidth > 0)")
    assert page.evaluate("[...document.querySelectorAll('.drawn svg')].every((each) => each.getBBox().width > 100)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(opened, scheme):
    page = opened(color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 5
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_keyboard_reaches_the_contents_and_what_scrolls(opened):
    page = opened(viewport={"width": 360, "height": 800})
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the table"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "box"
    assert page.evaluate("document.activeElement.closest('section').id") == "classes"
    before = page.evaluate("document.activeElement.scrollLeft")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(before) => document.activeElement.scrollLeft > before", arg=before)


def test_on_paper_it_is_light_and_all_there(opened):
    page = opened(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--page')") == "#ffffff"
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-")
    assert 3 <= pdf.count(b"/Type /Page\n") <= 30


def test_contents_work_in_the_frame_in_which_mlflow_shows_it(chromium, written, tmp_path):
    """A blob in a sandbox that allows scripts alone: there the browser follows no link within the page by itself."""
    text = json.dumps(written.read_text(encoding="utf-8")).replace("<", "\\u003c")
    (tmp_path / "frame.html").write_text(
        "<iframe sandbox='allow-scripts' style='width: 900px; height: 600px'></iframe><script>"
        f"const page = new Blob([{text}], {{type: 'text/html'}});"
        "document.querySelector('iframe').src = URL.createObjectURL(page);</script>"
    )
    page = chromium.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((tmp_path / "frame.html").as_uri())
    frame = page.frame_locator("iframe")
    title = frame.get_by_role("heading", name="How it was trained")
    assert title.evaluate("(it) => it.getBoundingClientRect().top") > 600
    frame.get_by_role("link", name="How it was trained").click()
    assert 0 <= title.evaluate("(it) => it.getBoundingClientRect().top") < 100
    assert title.evaluate("() => document.activeElement.id") == title.evaluate("(it) => it.closest('section').id")
    page.close()
    assert complaints == []
