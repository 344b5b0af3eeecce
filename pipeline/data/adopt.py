"""Take a person's own folder of photographs into the project."""

import re
import shutil
from pathlib import Path

from tqdm import tqdm

from pipeline.data.find import Listing
from pipeline.errors import DataError
from pipeline.files import new_folder
from pipeline.text import shown

# What stands in the command of a stage between double quotes; these would end or change it there.
_UNSAFE = re.compile(r"[\"$`\\]|[^ -~\w]")


def home_of(folder: Path, raw: Path) -> Path:
    """Return where the photographs of `folder` are to stand, below the current folder.

    A folder inside the project stays where it is; any other gets a place below `raw`, by its own name.

    Raises
    ------
    DataError
        If the name of a folder that stays cannot be written into a command, or the folder is one that stages write.
    """
    root = Path.cwd().resolve()
    resolved = folder.resolve()
    if not resolved.is_relative_to(root):
        name = re.sub(r"[^\w.-]+", "_", resolved.name).strip("._-") or "photographs"
        return raw / name
    home = resolved.relative_to(root)
    if home == Path() or _UNSAFE.search(str(home)):
        raise DataError(f"{shown(folder)}: wanted a folder of the project with a plain name, found {shown(home)}")
    return home


def copy_photographs(source: Path, listing: Listing, target: Path) -> None:
    """Copy the photographs of a listing, and nothing else, to `target`, whole or not at all.

    Raises
    ------
    DataError
        If `target` exists: what stands there is never replaced.
    """
    if target.exists():
        raise DataError(
            f"{shown(target)}: wanted a free place for a copy of {shown(source)}, found a folder; to add photographs "
            "to it, copy them there and run `dvc repro`; for another set, choose another --name"
        )
    with new_folder(target) as folder:
        for photograph in tqdm(listing.photographs, desc="copy", unit="image", disable=None):
            copy = folder / photograph.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / photograph.path, copy)
