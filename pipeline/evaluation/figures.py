"""The one style of all pictures, and text that can hold anything."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from io import BytesIO
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.text import shorten_apart
from pipeline.text import shown

DPI = 100
# M. Okabe and K. Ito, "Color Universal Design" (2008): told apart with every common kind of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, MUTED, FAINT = "#222222", "#6B6B6B", "#DDDDDD"

# DejaVu comes with matplotlib; the others, where they are installed, add the letters that it lacks.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
)

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a class may be called "$a$"
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "font.size": 10,
    "text.color": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": FAINT,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 3.5,
}


P = ParamSpec("P")


def picture(draw: Callable[P, Figure]) -> Callable[P, bytes]:
    """Make a function that draws a figure return it as a PNG, in the style of this module."""

    @wraps(draw)
    def png(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with styled():
            return _png(draw(*args, **kwargs))

    return png


@contextmanager
def styled(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw in the block in the style of this module, but for the `changes` of matplotlib's settings."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a matplotlibrc of the user's does not change what a stage writes
        mpl.rcParams.update(_STYLE | {"font.family": list(_families())} | dict(changes or {}))
        yield


def drawable(text: str) -> str:
    """Return `text` with every character that no font here can draw as an escape."""
    return "".join(c if ord(c) in _glyphs() else c.encode("unicode_escape").decode("ascii") for c in shown(text))


def drawable_names(names: Sequence[str], length: int) -> list[str]:
    """Return the names as they can be drawn, at most `length` characters each and still different."""
    return shorten_apart([drawable(name) for name in names], length)


def titled(axes: Axes, title: str, note: str = "") -> None:
    """Put a bold title, and below it a line in grey, above the axes."""
    axes.set_title(title, fontweight="bold", pad=26 if note else None)
    if note:
        axes.annotate(
            note, (0, 1), (0, 10), xycoords="axes fraction", textcoords="offset points", color=MUTED, fontsize=9
        )


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.2, metadata={"Software": None})
    return buffer.getvalue()


@cache
def _families() -> tuple[str, ...]:
    installed = set(font_manager.get_font_names())
    return tuple(name for name in _FONTS if name in installed)


@cache
def _glyphs() -> frozenset[int]:
    fonts: list[Any] = [font_manager.get_font(font_manager.findfont(name)) for name in _families()]
    return frozenset(code for font in fonts for code in font.get_charmap())
