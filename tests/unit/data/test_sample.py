"""The drawn sample set: what it contains, that it repeats, and that only the part itself tells its class."""

import hashlib
import inspect
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.data.sample import (
    CONDITIONS,
    SampleParams,
    camera_settings,
    draw_photograph,
    draw_sample_set,
    photograph_name,
)

COUNTS = {"sound_bead": 3, "crack": 2, "burn_through": 1}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` by its relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "not" / "yet" / "there"
    assert draw_sample_set(folder, SampleParams(seed=3, counts=COUNTS)) == COUNTS
    return folder


def test_one_folder_a_condition_with_the_wanted_number_of_photographs(small_set: Path) -> None:
    found = {folder.name: len(list(folder.iterdir())) for folder in small_set.iterdir()}
    assert found == COUNTS
    assert {path.stem for path in (small_set / "crack").iterdir()} == {"crack_0001", "crack_0002"}


def test_files_are_grey_photographs_of_at_least_640_by_480(small_set: Path) -> None:
    for path in small_set.rglob("*_*.*"):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert image.dtype == np.uint8
        assert image.ndim == 2
        assert image.shape[0] >= 480
        assert image.shape[1] >= 640
        assert image.std() > 5


def test_same_seed_gives_the_same_bytes_and_another_seed_gives_others(small_set: Path, tmp_path: Path) -> None:
    first = digests(small_set)
    draw_sample_set(tmp_path / "again", SampleParams(seed=3, counts=dict(reversed(COUNTS.items()))))
    draw_sample_set(tmp_path / "other", SampleParams(seed=4, counts=COUNTS))
    assert digests(tmp_path / "again") == first
    assert not set(digests(tmp_path / "other").values()) & set(first.values())
    assert len(set(first.values())) == len(first)


def test_photograph_does_not_depend_on_the_other_classes(small_set: Path, tmp_path: Path) -> None:
    draw_sample_set(tmp_path, SampleParams(seed=3, counts={"crack": 1}))
    assert digests(tmp_path).items() <= digests(small_set).items()


def test_bytes_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    params = SampleParams(seed=5, counts={"spatter": 4})
    for threads in (1, 4):
        monkeypatch.setattr("pipeline.data.parallel.available_cores", lambda threads=threads: threads)
        draw_sample_set(tmp_path / str(threads), params)
    assert digests(tmp_path / "1") == digests(tmp_path / "4")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_changes_the_picture(condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = draw_photograph(condition, 1, 0)
    monkeypatch.setattr("pipeline.data.sample.CONDITIONS", {**CONDITIONS, condition: CONDITIONS["sound_bead"]})
    differs = bool((draw_photograph(condition, 1, 0) != marked).any())
    assert differs == (condition != "sound_bead")


def test_second_exposure_shows_the_same_part_differently() -> None:
    first, second, other = (draw_photograph("porosity", index, 0) for index in (11, 12, 13))
    assert photograph_name("porosity", 11, 0).startswith("porosity_0011.")
    assert photograph_name("porosity", 12, 0).startswith("porosity_0011_b.")
    assert first.shape == second.shape
    assert (first != second).any()

    def alike(one: np.ndarray, two: np.ndarray) -> float:
        small = [cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA).ravel() for image in (one, two)]
        return float(np.corrcoef(small)[0, 1])

    assert alike(first, second) > 0.95
    assert alike(first, other) < 0.9


def test_camera_and_file_format_cannot_tell_the_condition() -> None:
    """They are functions of index and seed, so each class draws sizes, exposures and formats by one law."""
    assert list(inspect.signature(camera_settings).parameters) == ["index", "seed"]
    for index in range(1, 60):
        size = camera_settings(index, 0)[0].size
        assert size[0] >= 640
        assert size[1] >= 480
        assert len({Path(photograph_name(condition, index, 0)).suffix for condition in CONDITIONS}) == 1
    shapes = {draw_photograph(condition, 2, 0).shape for condition in CONDITIONS}
    assert shapes == {camera_settings(2, 0)[0].size[::-1]}


def test_sizes_and_formats_are_varied() -> None:
    assert len({camera_settings(index, 0)[0].size for index in range(1, 400)}) == 4
    assert {Path(photograph_name("crack", index, 0)).suffix for index in range(1, 400)} == {".jpg", ".png"}


@pytest.mark.parametrize(("condition", "index"), [("rust", 1), ("", 1), ("crack", 0)])
def test_unknown_condition_or_index_is_refused(condition: str, index: int) -> None:
    with pytest.raises(ValueError, match=r"unknown condition|counted from 1"):
        draw_photograph(condition, index, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": 0, "counts": {"rust": 1}},
        {"seed": 0, "counts": {"crack": -1}},
        {"seed": -1, "counts": {}},
        {"seed": "0", "counts": {}},
        {"seed": 0, "counts": {}, "size": 640},
        {"seed": 0},
    ],
)
def test_params_refuse_what_they_do_not_know(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SampleParams.model_validate(wrong)


def test_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", no_space)
    with pytest.raises(OSError, match="No space left"):
        draw_sample_set(tmp_path, SampleParams(seed=0, counts={"sound_bead": 1}))
