"""The page as text: nothing in it but what belongs there, and small. How it looks is tested in a browser."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from closure import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import ODD_CLASSES, answers, made_report, noise, result_of

from pipeline.report.inline import SIDE, data_uri
from pipeline.report.layout import FRAME, JUMP, breakable
from pipeline.report.page import Report, render, write_page
from pipeline.report.sections import Photo, Section, Strip, Table

VOID = {"meta", "img", "br", "wbr", "hr", "link", "input"}


class Page(HTMLParser):
    """The elements of a page with their attributes and their text, in order; fails where one is not closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), attrs
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, place in self.open:
            self.elements[place][2].append(data)

    def all(self, *tags):
        return [(attributes, "".join(text)) for tag, attributes, text in self.elements if tag in tags]


@pytest.fixture(scope="module")
def text():
    return render(made_report())


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_names_are_text_and_nothing_else(text, page):
    assert {tag for tag, _, _ in page.elements} <= {
        "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "p", "nav", "ul", "li", "main",
        "section", "div", "table", "thead", "tbody", "tr", "th", "td", "span", "b", "i", "u", "bdi", "wbr", "figure",
        "figcaption", "img", "footer", "script", "svg", "g", "path", "defs", "use", "text", "clippath", "rect",
    }  # fmt: skip
    assert [script for _, script in page.all("script")] == [JUMP]
    assert not {name for _, attributes, _ in page.elements for name in attributes if name.startswith("on")}
    rows = [text for attributes, text in page.all("th") if attributes.get("scope") == "row"]
    assert "<script>alert(1)</script>" in rows
    assert "49" not in "".join(rows)  # a template in a name is no template
    for left_out in ("\u202e", "\udcff"):
        assert left_out not in text
    assert "\\u202eright to left\\u202c" in "".join(rows)
    assert "line\\nend </style></svg>" in rows


def test_a_warning_stands_at_the_head():
    report = made_report()
    head = render(report).split("</header>")[0]
    assert 'class="warning"' not in head
    sections = [*report.sections, Section("Shortcut", warning="All <PNGs> are of one class.")]
    head = render(replace(report, sections=sections)).split("</header>")[0]
    assert '<p class="warning">All &lt;PNGs&gt; are of one class.</p>' in head


def test_photographs_are_told_by_words(page):
    images = page.all("img")
    assert len(images) > 24
    for attributes, _ in images:
        assert attributes["alt"].strip()
        assert attributes["src"].startswith(("data:image/webp;base64,", "data:image/png;base64,"))
    for attributes, _ in page.all("svg"):
        assert attributes["aria-hidden"] == "true"
    drawn = [attributes for attributes, _ in page.all("div") if attributes.get("role") == "img"]
    assert len(drawn) == len(page.all("svg")) == 6
    assert all(attributes["aria-label"] for attributes in drawn)


def test_structure(page):
    assert page.all("html")[0][0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {attributes.get("scope") for attributes, _ in page.all("th")} == {"col", "row"}
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for attributes, _ in page.all("a")} <= set(ids)
    named = {attributes["aria-labelledby"] for _, attributes, _ in page.elements if "aria-labelledby" in attributes}
    assert named <= set(ids)


def test_it_opens_with_the_answer_then_the_table(page):
    tags = [tag for tag, _, _ in page.elements]
    order = [tags.index(tag) for tag in ("h1", "p", "table", "img", "svg")]
    assert order == sorted(order)
    lead = [text for attributes, text in page.all("p") if attributes.get("class") == "answer"]
    assert len(lead) == 2
    assert lead[0].startswith("Of 91 photographs that it had not seen")


def test_nothing_in_it_asks_for_anything(text):
    without_data = re.sub(r"data:image/(webp|png);base64,[\w+/=]+", "", text)
    assert not re.search(r"https?:|//|@import|url\((?!#)", without_data)


def test_a_thousand_photographs_in_seven_classes_make_less_than_five_megabytes(tmp_path):
    """With 24 mistakes, as many hits, and 40 rows of 6 more, all of them noise, which is the largest there is."""
    sizes = (520, 200, 110, 90, 50, 22, 8)
    write_page(tmp_path / "report.html", made_report(sizes, photographs=24, strips=40))
    assert (tmp_path / "report.html").stat().st_size < 5e6


def test_same_report_same_bytes(text):
    assert render(made_report()) == text


@pytest.mark.parametrize("shape", [(1, 1), (40, 40), (500, 20), (300, 300, 3)])
def test_photographs_of_any_shape(shape):
    page = Page(render(_report([Section("x", strips=[Strip("", [Photo(np.zeros(shape, np.uint8), [], "x")])])])))
    ((attributes, _),) = page.all("img")
    assert max(int(attributes["width"]), int(attributes["height"])) == SIDE
    assert min(int(attributes["width"]), int(attributes["height"])) >= 1


def test_photographs_are_small():
    assert max(len(data_uri(image)) for image in noise(3)) < 12_000  # noise is the worst there is


def _report(sections):
    return Report(result_of(answers([5, 4], ["a", "b"])), [], "", sections)


anything = st.text(st.characters(exclude_categories=()), max_size=30)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(anything, anything, anything)
def test_any_text_stands_on_the_page_as_text(title, said, name):
    photo = Photo(np.zeros((2, 2), np.uint8), [name, said], said)
    section = Section(title, [said], Table([name], "<", [[said]]), strips=[Strip(title, [photo])], notes=[name])
    page = Page(render(_report([section])))
    render(_report([section])).encode("utf-8")
    reference = Page(
        render(
            _report(
                [
                    Section(
                        "t",
                        ["s"],
                        Table(["n"], "<", [["s"]]),
                        strips=[Strip("t", [Photo(photo.image, ["n", "s"], "s")])],
                        notes=["n"],
                    )
                ]
            )
        )
    )

    def tags(of):
        # Where a line may be broken, and whether a heading is there at all, is up to the text.
        return [tag for tag, _, _ in of.elements if tag not in ("wbr", "h3")]

    assert tags(page) == tags(reference)


def test_a_long_name_can_be_broken_and_is_copied_whole():
    assert str(breakable("a_b/c<")) == "a_<wbr>b/<wbr>c&lt;"


# --- colours


def _colors(scheme):
    style = (ROOT / "pipeline" / "report" / FRAME).read_text()
    blocks = re.findall(r":root \{([^}]*--page[^}]*)\}", style)
    assert len(blocks) == 2
    return dict(re.findall(r"(--\w+): (#[0-9a-f]{6})", blocks[scheme == "dark"]))


def _luminance(color):
    # WCAG 2.2, relative luminance
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _contrast(one, other):
    light, dark = sorted([_luminance(one), _luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_the_colors(scheme):
    """WCAG 2.2 AA: 4.5 for text (1.4.3), 3 for what a drawing is made of (1.4.11)."""
    colors = _colors(scheme)
    assert set(colors) == set(_colors("light"))
    for text in ("--ink", "--muted", "--link"):
        for ground in ("--page", "--card"):
            assert _contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    for line in ("--blue", "--orange", "--green", "--purple", "--muted"):
        assert _contrast(colors[line], colors["--page"]) >= 3, line


def test_odd_classes_are_all_on_the_page(page):
    rows = [text for attributes, text in page.all("th") if attributes.get("scope") == "row"]
    assert sum(len(re.findall("|".join(map(re.escape, ODD_CLASSES[:2])), row)) > 0 for row in rows) >= 4
