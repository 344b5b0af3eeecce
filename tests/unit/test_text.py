"""Names in a line of output."""

import os

from hypothesis import given
from hypothesis import strategies as st

from pipeline.text import shown


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_printable_line_that_any_terminal_takes(text):
    assert shown(text).isprintable()
    shown(text).encode("utf-8")


def test_what_is_printable_stays():
    assert shown("Naht 3 µm/größe.png") == "Naht 3 µm/größe.png"


def test_what_is_not_is_escaped():
    assert shown("a\nb\u202e") == "a\\nb\\u202e"
    assert shown(os.fsdecode(b"a\xff")) == "a\\xff"
    assert shown("\ud800") == "\\ud800"
