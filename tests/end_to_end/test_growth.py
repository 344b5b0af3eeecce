"""A set that grows under the real dvc: killed, run twice at once, taken back, and always the same bytes."""

import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from checkout import checkout, processes
from conftest import encode, environment, files_below, texture

from pipeline.data.assignment import read_rows

OUTPUTS = ("data/resized", "data/packed", "data/grouped", "data/split")
GROWN = 120


def outputs(folder):
    return {
        f"{name}/{path}": (folder / name / path).read_bytes() for name in OUTPUTS for path in files_below(folder / name)
    }


def large_set(folder, count):
    """Photographs that take some milliseconds each; those that stand there already are left alone."""
    for number in range(count):
        path = folder / "abc"[number % 3] / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(encode(texture(number, 1200, 1600), ".jpg"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A checkout with photographs of its own, brought up to the split once, and committed."""
    project = checkout(tmp_path_factory.mktemp("grown") / "project", {"crack": 3, "sound_bead": 3})
    large_set(project.folder / "photos", 90)
    project.run("python", "-m", "pipeline", "use", "photos")
    project.dvc("repro", "split")
    project.commit("v1")
    project.run("git", "tag", "v1")
    return project


@pytest.fixture
def fresh(grown, tmp_path):
    """The same checkout, in a place of its own."""
    shutil.copytree(grown.folder, tmp_path / "project", symlinks=True)
    return type(grown)(tmp_path / "project")


@pytest.fixture(scope="module")
def wanted(grown, tmp_path_factory):
    """The outputs after the growth, made from the photographs, the former split, and nothing else."""
    other = type(grown)(tmp_path_factory.mktemp("nothing") / "project")
    shutil.copytree(grown.folder, other.folder, symlinks=True)
    for name in (*OUTPUTS[:3], ".weldproof"):
        shutil.rmtree(other.folder / name)
    large_set(other.folder / "photos", GROWN)
    other.dvc("repro", "--force", "split")
    return outputs(other.folder)


@pytest.mark.parametrize(
    ("stage", "wait", "victims"),
    [
        ("resize", 0.1, "dvc and stage"),
        ("resize", 0.6, "dvc"),
        ("pack_npy", 0.3, "dvc and stage"),
        ("group", 0.3, "dvc"),
        ("group", 0.6, "dvc and stage"),
        ("split", 0.2, "dvc and stage"),
    ],
)
def test_killed_at_any_moment(fresh, wanted, stage, wait, victims):
    """dvc is killed, with the stage that it runs or without; the next `dvc repro` ends as if nothing had happened."""
    large_set(fresh.folder / "photos", GROWN)
    with processes() as start:
        process = start(
            ["dvc", "repro", "split"],
            cwd=fresh.folder,
            env=environment(PYTHONPATH=""),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for line in process.stdout:
            if line.startswith(f"Running stage '{stage}'"):
                break
        time.sleep(wait)
        if victims == "dvc":
            process.kill()
        else:
            subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        # 0: a machine so fast that it was done.
        assert process.wait(timeout=30) in (-signal.SIGKILL, 0)
        # dvc may have been killed while it wrote its own files, which it does in place.
        fresh.run("python", "-m", "pipeline", "mend")
        fresh.dvc("repro", "split")
        process.stdout.close()
    assert "Data and pipelines are up to date." in fresh.dvc("repro", "split")
    assert outputs(fresh.folder) == wanted


def test_files_of_dvc_that_are_cut_short(fresh, wanted):
    """As a kill leaves them, after a growth that is not committed: mended, nothing of it is lost."""
    large_set(fresh.folder / "photos", GROWN)
    fresh.dvc("repro", "split")
    for name in ("dvc.lock", "photos.dvc", ".dvc/tmp/rwlock"):
        path = fresh.folder / name
        path.write_bytes(path.read_bytes()[:1])
    assert "validation failed" in fresh.dvc("repro", "split", check=False)
    assert len(fresh.run("python", "-m", "pipeline", "mend").splitlines()) == 3
    fresh.dvc("repro", "split")
    assert "Data and pipelines are up to date." in fresh.dvc("repro", "split")
    assert outputs(fresh.folder) == wanted


def test_outputs_that_are_edited_by_hand(fresh):
    before = outputs(fresh.folder)
    for path in (next(fresh.folder.glob("data/resized/a/*.png")), fresh.folder / "data/packed/images.npy"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    output = fresh.dvc("repro", "split")
    assert fresh.stages_run(output)[:2] == ["resize", "pack_npy"]
    assert outputs(fresh.folder) == before


def test_two_at_once(fresh, wanted):
    large_set(fresh.folder / "photos", GROWN)
    with processes() as start:
        options = {"cwd": fresh.folder, "env": environment(PYTHONPATH=""), "text": True}
        both = [
            start(["dvc", "repro", "split"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
            for _ in range(2)
        ]
        said = [process.communicate(timeout=300)[0] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, said
    for code, text in zip(codes, said, strict=True):
        assert code == 0 or "is busy" in text or "Unable to acquire lock" in text, text
        assert "Traceback" not in text
    fresh.dvc("repro", "split")
    assert outputs(fresh.folder) == wanted


@pytest.mark.parametrize("what", ["comes", "changes", "goes"])
def test_photographs_that_are_touched_while_dvc_hashes_them(fresh, what):
    """DVC looks at them after `resize` has ended, and records what it finds as what `resize` saw."""
    photos = fresh.folder / "photos"
    (photos / "a" / "new.jpg").write_bytes(encode(texture(999, 600, 800), ".jpg"))
    (fresh.folder / "later.jpg").write_bytes(encode(texture(998, 600, 800), ".jpg"))
    path = {"comes": "a/later.jpg", "changes": "a/0000.jpg", "goes": "a/0000.jpg"}[what]
    text = (fresh.folder / "dvc.yaml").read_text()
    command = 'src/resize.py "${data.folder}" data/resized'
    assert command in text
    (fresh.folder / "dvc.yaml").write_text(text.replace(command, f"{command} && sh meanwhile.sh"))
    meanwhile = fresh.folder / "meanwhile.sh"
    meanwhile.write_text(f"rm photos/{path}\n" if what == "goes" else f"cp later.jpg photos/{path}\n")
    output = fresh.dvc("repro", "split", check=False)
    assert f"error: photos: wanted photographs at rest, found {path} changed meanwhile" in output
    meanwhile.write_text("")
    assert fresh.stages_run(fresh.dvc("repro", "split"))[:2] == ["resize", "pack_npy"]
    grown = outputs(fresh.folder)
    for folder in OUTPUTS[:3]:
        shutil.rmtree(fresh.folder / folder)
    shutil.rmtree(fresh.folder / ".weldproof")
    fresh.dvc("repro", "-f", "split")
    assert outputs(fresh.folder) == grown


def test_growing_and_going_back(fresh):
    first = {row.sha256: row.part for row in read_rows(fresh.folder / "data/split/assignment.csv")}
    before = outputs(fresh.folder)
    photos = fresh.folder / "photos"
    (photos / "a" / "new.jpg").write_bytes(encode(texture(999, 600, 800), ".jpg"))
    (photos / "a" / "0000.jpg").rename(photos / "b" / "was a.jpg")
    (photos / "c" / "0002.jpg").unlink()
    output = fresh.dvc("repro", "split")
    assert "90 photographs of 3 classes to 32x32 grey, 1 of them new" in output
    assert "split: 1 new photographs" in output
    rows = read_rows(fresh.folder / "data/split/assignment.csv")
    assert all(first.get(row.sha256, row.part) == row.part for row in rows)
    difference = fresh.run("git", "diff", "--numstat", "data/split/assignment.csv").split()
    assert difference[:2] == ["2", "2"]
    card = fresh.run("python", "-m", "pipeline", "data", "--against", "v1")
    assert "| a | 1 | 0 | 0 | 1 | 0 |" in card
    assert "| b | 0 | 0 | 1 | 0 | 0 |" in card
    assert "| c | 0 | 1 | 0 | 0 | 0 |" in card
    assert card.strip() == (fresh.folder / "data" / "card.md").read_text().strip()
    fresh.commit("v2")
    fresh.run("git", "checkout", "-q", "v1")
    fresh.dvc("checkout", "photos.dvc", "resize", "pack_npy", "group")
    assert outputs(fresh.folder) == before
    assert "Data and pipelines are up to date." in fresh.dvc("repro", "split")


def test_choosing_classes_runs_nothing_before_the_split(fresh):
    before = np.array([row.part for row in read_rows(fresh.folder / "data/split/assignment.csv")])
    params = fresh.folder / "params.yaml"
    params.write_text(params.read_text().replace("drop: []", "drop: [c]"))
    output = fresh.dvc("repro", "split")
    assert fresh.stages_run(output) == ["split"]
    rows = read_rows(fresh.folder / "data/split/assignment.csv")
    assert [row.part for row in rows] == before.tolist()
    assert {row.class_name for row in rows} == {"a", "b", ""}
