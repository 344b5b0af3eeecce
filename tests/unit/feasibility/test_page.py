"""The page and the figures beside it: from evidence that was never measured, also in a browser."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from closure import ROOT
from evidence_made import (
    HOPELESS,
    SIZES,
    association,
    class_of_8,
    copied,
    curves,
    evidence,
    fine,
    leaks,
    pure_noise,
    signal,
    small,
)
from matplotlib.figure import Figure
from reports import ODD_CLASSES, noise

from pipeline.evaluation.figures import BLUE
from pipeline.feasibility.figures import figures, write_json
from pipeline.feasibility.page import KINDS, render, write
from pipeline.feasibility.plan import Probe
from pipeline.feasibility.verdict import judge
from pipeline.params import load_section
from pipeline.report.layout import JUMP
from pipeline.report.sections import Drawing, Photo, Section, Strip, Table
from pipeline.report.svg import drawing
from pipeline.training.recipe import TrainParams

NOTHING = dict.fromkeys(("signal", "curve", "noise", "pairs", "leaks", "limits"))
TOO_WIDE = """
() => [...document.querySelectorAll("body *")]
    .filter((element) => !element.closest(".box, .skip") && element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => element.outerHTML.slice(0, 120))
"""


def probe(**changes):
    recipe = load_section("train", TrainParams, ROOT / "params.yaml")
    made = {
        "minutes": 30.0,
        "used": 27.3,
        "trainings": 34,
        "left_out": ("curve, 1/8",),
        "in_full": 83.0,
        "weaker": ("27 epochs, not 80",),
    }
    return Probe(recipe=recipe, **made | changes)


@drawing
def _line():
    figure = Figure(figsize=(4.4, 2.7))
    figure.subplots().plot([0, 1], [0.2, 0.7], color=BLUE)
    return figure


def sections():
    """A section with one of each, of the width of real ones, and a drawing."""
    photos = [
        Photo(image, ["crack/a_rather_long_name_0001.png", "labelled crack"], "a photograph") for image in noise(6)
    ]
    table = Table(["Class", "Photographs", "F1"], "<>>", [["burn_through", "8", "0.40"], ["<b>", "19", "0.90"]])
    more = [Section(f"Section {number}", ["Said."], table, [Drawing(_line(), "Curve: F1")]) for number in range(3)]
    return [*more, Section("Photographs", strips=[Strip("", photos)])]


def odd():
    return replace(class_of_8(), class_names=ODD_CLASSES)


@pytest.mark.parametrize("made", [fine, class_of_8, pure_noise, small, copied])
def test_it_opens_with_the_verdict_in_words(made):
    verdict, page = judge(made()), render(made(), probe(), sections())
    header = page.split("<header>")[1].split("</header>")[0]
    places = [
        header.index(words)
        for words in (KINDS[verdict.kind], _escaped(verdict.headline), "Do next:", "Why", "What would change it")
    ]
    assert places == sorted(places)
    for sentence in (*verdict.reasons, *verdict.also, verdict.next_step, verdict.would_change):
        assert _escaped(sentence) in header


def _escaped(text):
    return text.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;")


def test_every_class_has_a_row_and_every_finding_one():
    page = render(class_of_8(), probe(), [])
    classes = page.split('<section id="classes"')[1].split("</section>")[0]
    assert classes.count('<th scope="row">') == 7
    assert "photographs: some 40 to 150 in all" in classes
    assert classes.count("at the target") == 6
    found = page.split('<section id="section-1"')[1].split("</section>")[0]
    assert found.count('<th scope="row">') == 7
    assert "Not measured" not in found
    nothing = render(evidence(overfit=(), **NOTHING), probe(), [])
    assert nothing.split('<section id="section-1"')[1].split("</section>")[0].count("<td>Not measured</td>") == 7


def test_names_are_text_and_nothing_else():
    page = render(odd(), probe(), [])
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "{{" in page  # a template in a name is no template
    assert "\u202e" not in page
    assert page.count("<script>") == 1
    assert f"<script>{JUMP}</script>" in page
    page.encode("utf-8")


def test_it_asks_for_nothing_and_is_small(tmp_path):
    write(tmp_path / "page.html", odd(), probe(), sections())
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (tmp_path / "page.html").stat().st_size < 1e6
    without = re.sub(r"data:image/(webp|png);base64,[\w+/=]+", "", text)
    assert not re.search(r"https?:|//|@import|url\((?!#)", without)
    assert text == render(odd(), probe(), sections())


def test_each_class_is_counted_as_in_the_shop():
    page = render(evidence(groups=np.array([10, *SIZES[1:]])), probe(), [])
    hits, alarms = signal().hits, signal().false_alarms
    for k, size in enumerate(SIZES):
        assert f'>{hits[k]} of {size}</td><td class="number">{alarms[k]}</td>' in page
    assert "A part: all photographs of one piece" in page
    assert "A part:" not in render(evidence(), probe(), [])


def test_what_it_took_is_said():
    page = render(fine(), probe(), [])
    for words in (
        "34 nets trained, in 27 of 30 minutes",
        "no time for: curve, 1/8",
        "trained in full (27 epochs, not 80",
        "feasibility.minutes at some 85 before",
    ):
        assert words in page
    page = render(fine(), probe(left_out=(), weaker=()), [])
    assert "no time for" not in page
    assert "stronger" not in page


# --- figures


def test_figures_are_json_of_numbers_by_name(tmp_path):
    made = replace(class_of_8(), curve=curves({2: HOPELESS}), leaks=leaks(associations=[association()]))
    write_json(tmp_path / "feasibility.json", made, probe())
    text = (tmp_path / "feasibility.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=pytest.fail)
    assert read["verdict"]["rule"] == "collect"
    assert read["classes"]["burn_through"]["f1"] == {"value": 0.4, "low": 0.08, "high": 0.75}
    assert read["classes"]["crack"]["curve"]["needed"]["value"] is None  # no amount
    assert read["signal"]["p"] == 0.005
    assert read["signal"]["chance"]["low"] < read["signal"]["chance"]["median"] < read["signal"]["chance"]["high"]
    assert read["leaks"]["associations"]["file type"]["alarm"] is True
    assert read["limits"]["resnet18 192"]["gain"]["low"] == -0.04
    assert read["pairs"]["crack, undercut"]["told_apart"] is True
    assert read["probe"]["trainings"] == 34
    assert len(text) < 50_000


def test_figures_of_nothing_are_null():
    found = figures(evidence(overfit=(), **NOTHING), probe())
    assert {name for name, value in found.items() if value is None} == {"overfit", *NOTHING}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_wanted_numbers_stand_where_more_is_wanted():
    found = figures(class_of_8(), probe())["classes"]
    assert found["burn_through"]["wanted_in_all"] == {"value": 72.0, "low": 41.3, "high": 148.7}
    assert found["crack"]["wanted_in_all"] is None


# --- in a browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_in_a_browser(chromium, tmp_path, width, scheme):
    """Nothing is wider than the screen, nothing is asked for, and it complains of nothing."""
    write(tmp_path / "page.html", odd(), probe(), sections())
    address, complaints, requests = (tmp_path / "page.html").as_uri(), [], []
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address, wait_until="load")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("[...document.images].every((each) => each.complete && each.naturalWidth > 0)")
    assert page.get_by_text("Collect more", exact=True).is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the table"
    page.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:image/")} == {address}


def test_the_line_of_the_target_stands_at_the_target(chromium, tmp_path):
    write(tmp_path / "page.html", fine(), probe(), [])
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto((tmp_path / "page.html").as_uri())
    place = page.evaluate(
        "() => { const line = document.querySelector('.bar s').getBoundingClientRect(), bar = document.querySelector("
        "'.bar').getBoundingClientRect(); return (line.left - bar.left) / bar.width; }"
    )
    page.close()
    assert math.isclose(place, fine().target, abs_tol=0.01)
