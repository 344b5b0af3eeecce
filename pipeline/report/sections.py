"""What a section of the report consists of; how it looks is the page's business."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph on the page, small.

    Attributes
    ----------
    image : uint8 (H, W), or (H, W, 3) in RGB where something is drawn over it.
    caption : plain text, a line each; may hold any character.
    alt : what stands in for the picture where it cannot be seen.
    """

    image: npt.NDArray[np.uint8]
    caption: Sequence[str]
    alt: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    header : plain text, N columns.
    align : N characters, "<" for text and ">" for numbers.
    rows : plain text, N cells each.
    """

    header: Sequence[str]
    align: str
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A drawn picture: the bytes of a PNG, and what it shows, in words."""

    png: bytes
    alt: str


@dataclass(frozen=True)
class Drawing:
    """A drawn picture as an SVG element (see `drawings`), in the page's colours; and what it shows, in words.

    The SVG stands on the page as it is: whoever makes it escapes the text in it.
    """

    svg: str
    alt: str


@dataclass(frozen=True, eq=False)
class Strip:
    """Photographs in a row that belong together: a mistake and what it was taken for, say; `title` may be empty."""

    title: str
    photos: Sequence[Photo]


@dataclass(frozen=True, eq=False)
class Section:
    """A heading, what is said (a paragraph each, plain text), and what shows it, in this order; each may be empty.

    `notes` stand below the table and the pictures, small: what is to be borne in mind. `warning` is a sentence for the
    head of the page, if there is something that all scores may rest on.
    """

    title: str
    said: Sequence[str] = ()
    table: Table | None = None
    pictures: Sequence[Picture | Drawing] = ()
    strips: Sequence[Strip] = ()
    notes: Sequence[str] = ()
    warning: str = ""
