"""A disk that fills while a stage writes, at every amount of space that is left: one line, and all as it was."""

import os
import shutil
import subprocess

import pytest
from conftest import (
    assert_one_line_error,
    files_below,
    make_set,
    run_data_stages,
    run_stage,
    small_params,
    write_params,
)

STAGES = {
    "resize": ("in", "resized"),
    "pack_npy": ("resized", "packed"),
    "group": ("packed", "groups.csv", "grouped"),
    "split": ("packed/index.csv", "grouped/ties.csv", "split"),
}
OUTPUTS = ("resized", "packed", "grouped", "split")
KB = 1024


@pytest.fixture
def small_disk(tmp_path):
    """A place on a disk of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False) if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip() if done else 'no mount'}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def outputs(folder):
    return {
        f"{name}/{path}": (folder / name / path).read_bytes() for name in OUTPUTS for path in files_below(folder / name)
    }


def leave(folder, kilobytes):
    """Fill the disk but for so much."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler.write_bytes(bytes(max(0, free - kilobytes * KB)))


@pytest.mark.parametrize("stage", STAGES)
def test_disk_that_fills(small_disk, tmp_path, stage):
    """The photographs double, and the stage runs with more and more space, until that is enough."""
    params = small_params()
    params["resize"]["size"] = 48
    write_params(small_disk, params)
    make_set(tmp_path / "in", {"a": 30, "b": 30})
    (small_disk / "in").symlink_to(tmp_path / "in")
    run_data_stages(small_disk)
    make_set(tmp_path / "in", {"a": 60, "b": 60})
    for earlier in list(STAGES)[: list(STAGES).index(stage)]:
        assert run_stage(earlier, *STAGES[earlier], folder=small_disk).returncode == 0
    before = outputs(small_disk)
    failures = 0
    for kilobytes in (4, 24, 96, 1024):
        leave(small_disk, kilobytes)
        done = run_stage(stage, *STAGES[stage], folder=small_disk)
        if not done.returncode:
            break
        assert_one_line_error(done, ": No space left on device")
        assert outputs(small_disk) == before, kilobytes
        assert not list(small_disk.rglob(".*.partial")), kilobytes
        failures += 1
    assert not done.returncode
    assert failures
    (small_disk / "filler").unlink()
    after = outputs(small_disk)
    assert after != before
    shutil.rmtree(small_disk / ".weldproof")
    assert run_stage(stage, *STAGES[stage], folder=small_disk).returncode == 0
    assert outputs(small_disk) == after
