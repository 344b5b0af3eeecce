"""What all pages share: one frame and one look, sections in it, and that they need nothing but themselves."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from pipeline.report.inline import SIDE, data_uri, png_uri
from pipeline.report.sections import Drawing, Picture, Section
from pipeline.text import shown

FRAME, MACROS = "base.html.j2", "macros.html.j2"
"""What a page's template extends, and may import from: named here, a stage that makes a page depends on both."""
JUMP = """
if (window !== window.parent) document.addEventListener("click", (event) => {
  const place = document.getElementById(event.target.closest("a")?.hash.slice(1));
  if (place) { event.preventDefault(); place.scrollIntoView(); place.focus({preventScroll: true}); }
});
"""
"""The one script. MLflow shows the page in a frame that follows no link within it; elsewhere the browser does."""
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(JUMP.encode()).digest()).decode()}'"
)
"""What the browser is told: to fetch nothing, and to run no other script."""


def laid_out(template: Path, sections: Sequence[Section], **opening: object) -> str:
    """Return a page as HTML: what `opening` says, then the sections.

    Whatever is given is text and is escaped, what is not printable as well, but for the SVG of a `Drawing`.

    Parameters
    ----------
    template : a file that extends `FRAME`.
    opening : what the blocks of the template show.
    """
    shown_sections = [{"of": section, "pictures": _pictures(section)} for section in sections]
    return _template(template).render(jump=Markup(JUMP), policy=POLICY, sections=shown_sections, **opening)


@cache
def _template(path: Path) -> Template:
    environment = Environment(
        loader=FileSystemLoader([path.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {"breakable": breakable, "data_uri": data_uri, "side": _shown_side}
    return environment.get_template(path.name)


def _printable(value: object) -> object:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def breakable(name: object) -> Markup:
    """Return a name that a line can be broken in, after what usually joins words in names of folders and files."""
    text = escape(shown(name))
    for joint in "_/":
        text = text.replace(joint, Markup(f"{joint}<wbr>"))
    return text


def _shown_side(image: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Return width and height in which a picture stands on the page: the longer one `SIDE`."""
    height, width = (round(SIDE * side / max(image.shape[:2])) for side in image.shape[:2])
    return width, height


def _pictures(section: Section) -> list[dict[str, Any]]:
    return [_picture(each) for each in section.pictures]


def _picture(picture: Picture | Drawing) -> dict[str, Any]:
    if isinstance(picture, Drawing):
        return {"svg": Markup(picture.svg), "alt": picture.alt}
    return {"svg": None, "src": png_uri(picture.png), "alt": picture.alt}
