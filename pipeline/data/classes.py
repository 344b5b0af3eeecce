"""Which class folders are learnt, and as what: the `classes` section of params.yaml."""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import DataError, ParameterError
from pipeline.text import shown

_SECTION = "params.yaml: classes"


class ClassParams(BaseModel):
    """The `classes` section of params.yaml; what each key does stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    drop: list[str]
    merge: dict[str, list[str]]
    least: int = Field(ge=1)
    below: Literal["fail", "drop", "merge"]
    rest: str = Field(min_length=1)


def learnt_classes(folders: Sequence[str], params: ClassParams) -> dict[str, str]:
    """Return what each class folder is learnt as: folder -> class name, "" for one that is left out.

    Parameters
    ----------
    folders : the folder of each photograph, length N

    Raises
    ------
    ParameterError
        If the parameters name a folder that is not there, or contradict themselves.
    DataError
        If a class is too small (with ``below="fail"``), or fewer than two are left.
    """
    counts = Counter(folders)
    _check_names(counts, params)
    learnt = dict.fromkeys(params.drop, "") | {old: new for new, olds in params.merge.items() for old in olds}
    learnt = {folder: learnt.get(folder, folder) for folder in sorted(counts)}
    small = _small(counts, learnt, params.least)
    if small and params.below == "fail":
        raise DataError(
            f"{_SECTION}.least: wanted at least {params.least} photographs a class, found fewer of "
            f"{', '.join(f'{shown(name)} ({count})' for name, count in small.items())}; "
            "set classes.below to drop or merge them, or drop them by name"
        )
    if small:
        taken = set(learnt.values()) - set(small)
        rest = "" if params.below == "drop" else params.rest
        if rest and rest in taken:
            raise ParameterError(
                f"{_SECTION}.rest: wanted a name of its own for the small classes, found {shown(rest)}"
            )
        learnt = {folder: rest if name in small else name for folder, name in learnt.items()}
    left = sorted(set(learnt.values()) - {""})
    if len(left) < 2:
        raise DataError(f"{_SECTION}: wanted two classes or more to learn, found {shown(', '.join(left)) or 'none'}")
    return learnt


def _small(counts: Mapping[str, int], learnt: Mapping[str, str], least: int) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for folder, name in learnt.items():
        sizes[name] += counts[folder]
    return {name: size for name, size in sorted(sizes.items()) if name and size < least}


def _check_names(counts: Mapping[str, int], params: ClassParams) -> None:
    merged = [folder for folders in params.merge.values() for folder in folders]
    for key, names in (("drop", params.drop), ("merge", merged)):
        for name in names:
            if name not in counts:
                near = difflib.get_close_matches(name, counts, n=1)
                hint = f" (perhaps {shown(near[0])}?)" if near else ""
                found = ", ".join(sorted(map(shown, counts)))
                raise ParameterError(
                    f"{_SECTION}.{key}: wanted class folders, found {shown(name)}{hint}; there are {found}"
                )
    twice = _repeated([*params.drop, *merged])
    if twice:
        raise ParameterError(f"{_SECTION}: wanted each folder once in drop and merge, found {shown(twice)} twice")
    for name in params.merge:
        if name in counts and name not in merged:
            raise ParameterError(
                f"{_SECTION}.merge: wanted a new name, found {shown(name)}, a folder that is not among those merged"
            )
        if not name:
            raise ParameterError(f"{_SECTION}.merge: wanted a name for the merged folders, found none")


def _repeated(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
