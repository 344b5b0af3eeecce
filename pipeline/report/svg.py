"""matplotlib's figures as SVG elements of a page: its font, and its colours in light and in dark."""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from io import StringIO
from typing import ParamSpec
from xml.etree import ElementTree

from matplotlib.figure import Figure

from pipeline.evaluation.figures import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SKY, styled

# The style sheet of base.html.j2 says what each is.
_VARIABLES = {
    INK.lower(): "--ink",
    MUTED.lower(): "--muted",
    FAINT.lower(): "--line",
    BLUE.lower(): "--blue",
    SKY.lower(): "--blue",
    ORANGE.lower(): "--orange",
    RED.lower(): "--orange",
    GREEN.lower(): "--green",
    PURPLE.lower(): "--purple",
    "#ffffff": "--page",
    "#000000": "--ink",
}
_SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "svg.hashsalt": "",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.edgecolor": FAINT,
}

P = ParamSpec("P")


def drawing(draw: Callable[P, Figure]) -> Callable[P, str]:
    """Make a function that draws a figure return it as an SVG element, the same for the same figure.

    A unit of it is a point; on a phone it stands as large as it is drawn if it is some 4.5 inches wide.
    """

    @wraps(draw)
    def svg(*args: P.args, **kwargs: P.kwargs) -> str:
        with styled(_SETTINGS):
            buffer = StringIO()
            draw(*args, **kwargs).savefig(
                buffer, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None, "Creator": None}
            )
        return _as_element(buffer.getvalue())

    return svg


def _as_element(document: str) -> str:
    """Return the element of an SVG document as HTML takes it, with ids of its own and the page's colours and font."""
    own = hashlib.sha256(document.encode()).hexdigest()[:8]
    root = ElementTree.fromstring(document)
    used = set(re.findall(r"#([\w-]+)", document))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = _attributes(element.attrib, own, used)
    # Neither does it say who made it, nor does it set rules for the whole page.
    for name in ("metadata", "defs[style]"):
        for child in root.findall(name):
            root.remove(child)
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(attributes: Mapping[str, str], own: str, used: Collection[str]) -> dict[str, str]:
    found = {}
    for name, value in attributes.items():
        match name.rpartition("}")[2]:
            case "id" if value not in used:
                continue
            case "id":
                found["id"] = f"{own}-{value}"
            case "href":
                found["href"] = f"#{own}-{value.removeprefix('#')}"
            case "style":
                found["style"] = re.sub(r"#[\da-f]{6}", _variable, re.sub(r"font-family: [^;]*;? ?", "", value))
            case other:
                found[other] = value.replace("url(#", f"url(#{own}-")
    return found


def _variable(color: re.Match[str]) -> str:
    return f"var({_VARIABLES[color[0]]})"
