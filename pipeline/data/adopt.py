"""Take a person's own folder of photographs into the project."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pipeline.data.find import Listing
from pipeline.errors import DataError
from pipeline.files import new_folder
from pipeline.text import shown

# A folder's name stands in the command of a stage between double quotes: these would end or change it there, or be
# taken for an option.
_UNSAFE = re.compile(r"[\"$`\\]|[^ -~\w]|^-")
_LONGEST_NAME = 100


def home_of(folder: Path, raw: Path, outputs: Sequence[Path]) -> Path:
    """Return where the photographs of `folder` are to stand, below the current folder.

    A folder inside the project stays where it is; any other gets a place below `raw`, by its own name.

    Parameters
    ----------
    outputs : what the stages write, below the current folder.

    Raises
    ------
    DataError
        If a folder that stays is the project itself, one that stages write, or has a name that no command can hold.
    """
    root = Path.cwd().resolve()
    resolved = folder.resolve()
    if root.is_relative_to(resolved):
        raise DataError(f"{shown(folder)}: wanted a folder of photographs, found one that holds this project")
    if not resolved.is_relative_to(root):
        return raw / plain_name(resolved.name)
    home = resolved.relative_to(root)
    if _UNSAFE.search(str(home)):
        raise DataError(f"{shown(folder)}: wanted a folder of the project with a plain name, found {shown(home)}")
    for output in outputs:
        if output.is_relative_to(home) or home.is_relative_to(output):
            raise DataError(f"{shown(folder)}: wanted a folder of your own, found what the stages write: {output}")
    return home


def plain_name(name: str) -> str:
    """Return `name` as one that a command, an archive and any disk can hold."""
    return re.sub(r"[^\w.-]+", "_", name)[:_LONGEST_NAME].strip("._-") or "photographs"


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
