"""Find the photographs in a folder that holds one folder a class."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from pipeline.errors import DataError
from pipeline.text import shown

IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# A file in DVC's cache, where links lead if `cache.type` is symlink.
_DVC_CACHE_FILE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


class DataParams(BaseModel):
    """The `data` section of params.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    folder: str


class Photograph(NamedTuple):
    """One source file: its class (the first folder) and its path below the data folder, with forward slashes."""

    class_name: str
    path: str


@dataclass(frozen=True)
class Listing:
    """What a data folder holds: `photographs`, sorted by class, then path; and `ignored` (path, reason), sorted."""

    photographs: tuple[Photograph, ...]
    ignored: tuple[tuple[str, str], ...]

    def counts(self) -> dict[str, int]:
        """Return the number of photographs of each class, in the order of the class names."""
        return dict(sorted(Counter(photograph.class_name for photograph in self.photographs).items()))


def find_photographs(folder: Path) -> Listing:
    """List the photographs of `folder`, class by class.

    Class = first folder below `folder`; deeper folders are searched too. Files directly in `folder`, unknown endings
    and hidden names are not photographs: they are listed in `ignored` with the reason.

    Raises
    ------
    DataError
        If the folder is missing, or holds no photographs or those of one class only; or if it holds links out of
        itself, links to folders, broken links or names that are not UTF-8, all of which are listed at once.
    """
    if not folder.is_dir():
        raise DataError(f"{shown(folder)}: wanted a folder that holds one folder a class, found no such folder")
    photographs: list[Photograph] = []
    ignored: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    root = folder.resolve()
    for path in _walk(folder, lambda entry: _why_refused(entry, root), refused):
        reason = _why_ignored(path)
        if reason:
            ignored.append((path, reason))
        else:
            photographs.append(Photograph(class_name=sys.intern(path.partition("/")[0]), path=path))
    if refused:
        lines = sorted(f"{shown(path)}: {problem}" for path, problem in refused)
        raise DataError("\n  ".join([f"{shown(folder)}: {len(refused)} names cannot be used:", *lines]))
    ignored += _empty_folders(folder, [*(one.path for one in photographs), *(path for path, _ in ignored)])
    listing = Listing(tuple(sorted(photographs)), tuple(sorted(ignored)))
    _check_classes(folder, listing)
    return listing


def find_images(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """List the image files below `folder`, whichever folders they stand in, to be asked about and not to learn from.

    As in `find_photographs`, hidden names and unknown endings do not count. But any name will do, as will a symbolic
    link to a file; links to folders are not followed.

    Returns
    -------
    paths : below `folder`, with forward slashes, sorted
    ignored : (path, reason) of what does not count, sorted
    """
    paths: list[str] = []
    ignored: list[tuple[str, str]] = []
    for path in _walk(folder, _why_not_followed, ignored):
        reason = _why_no_image(path)
        if reason:
            ignored.append((path, reason))
        else:
            paths.append(path)
    return sorted(paths), sorted(ignored)


def _check_classes(folder: Path, listing: Listing) -> None:
    counts = listing.counts()
    if not counts:
        raise DataError(
            f"{shown(folder)}: wanted folders of photographs ({' '.join(IMAGE_ENDINGS)}), one folder a class, "
            f"found none{_ignored_words(listing)}"
        )
    if len(counts) == 1:
        name, count = next(iter(counts.items()))
        raise DataError(
            f"{shown(folder)}: wanted photographs of two classes or more, found one: {shown(name)} ({count})"
        )


def _empty_folders(folder: Path, found: Iterable[str]) -> list[tuple[str, str]]:
    used = {path.partition("/")[0] for path in found}
    names = (path.name for path in folder.iterdir() if path.is_dir())
    return [(name, "an empty folder") for name in names if name not in used]


def _ignored_words(listing: Listing) -> str:
    if not listing.ignored:
        return ""
    path, reason = listing.ignored[0]
    return f"; {len(listing.ignored)} other files, such as {shown(path)} ({reason})"


def _why_ignored(path: str) -> str | None:
    if "/" not in path and not path.startswith("."):
        return "not in a class folder"
    return _why_no_image(path)


def _why_no_image(path: str) -> str | None:
    if path.startswith(".") or "/." in path:
        return "hidden"
    if path.lower().endswith(IMAGE_ENDINGS):
        return None
    ending = PurePosixPath(path).suffix
    return f"ending {ending!r}" if ending else "no ending"


def _walk(
    folder: Path, why_refused: Callable[[os.DirEntry[str]], str | None], refused: list[tuple[str, str]]
) -> Iterator[str]:
    """Yield every file's path below `folder`; what cannot be used is appended to `refused`: (path, reason).

    Hidden folders are not entered: they are yielded as one hidden path.
    """
    pending = [(str(folder), "")]
    while pending:
        current, prefix = pending.pop()
        with os.scandir(current) as entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                hidden = entry.name.startswith(".")
                problem = None if hidden else why_refused(entry)
                if problem:
                    refused.append((path, problem))
                elif not hidden and entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, f"{path}/"))
                else:
                    yield path


def _why_refused(entry: os.DirEntry[str], root: Path) -> str | None:
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        return "wanted a name in UTF-8"
    if "\r" in entry.name:
        return "wanted a name without a carriage return"
    if entry.is_symlink():
        return _why_link_refused(Path(entry.path), root)
    if not entry.is_file() and not entry.is_dir():
        return "wanted a file or a folder, found a special file"
    return None


def _why_not_followed(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink() and Path(entry.path).is_dir():
        return "a symbolic link to a folder"
    return None


def _why_link_refused(link: Path, root: Path) -> str | None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return "wanted a file, found a symbolic link that is broken or leads to itself"
    if target.is_dir():
        return "wanted a real folder, found a symbolic link to one"
    if not target.is_relative_to(root) and not _DVC_CACHE_FILE.search(target.as_posix()):
        return f"wanted a file in the folder, found a symbolic link out of it, to {shown(target)}"
    return None
