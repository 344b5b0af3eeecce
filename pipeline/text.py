"""Names as people gave them, made fit for a line of output."""

import os
from contextlib import suppress


def shown(path: object) -> str:
    """Return a path or a name as it can stand in a line of output: what is not printable is escaped."""
    text = str(path)
    with suppress(UnicodeEncodeError):  # half a character, which no file's name can hold, but a table or a parameter
        text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
