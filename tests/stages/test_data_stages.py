"""resize, pack_npy and split as a person runs them, on good and on bad input."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from closure import ROOT
from conftest import (
    assert_one_line_error,
    encode,
    environment,
    files_below,
    make_set,
    run_data_stages,
    run_stage,
    small_params,
    texture,
    write_params,
)
from filelock import FileLock

from pipeline.data.assignment import read_assignment
from pipeline.data.manifest import read_manifest
from pipeline.data.packed import open_packed


def test_photographs_to_parts(photographs, workplace):
    run_data_stages(workplace, photographs)
    packed = open_packed(workplace / "packed")
    assert packed.images.shape == (15, 32, 32)
    parts = read_assignment(workplace / "split" / "assignment.csv", packed).parts()
    assert (len(parts.val), len(parts.test)) == (3, 3)


STATE = {".weldproof/resize.lock"}


def test_help_is_the_manual(workplace):
    done = run_stage("resize", "--help", folder=workplace)
    assert done.returncode == 0
    assert "one folder a class; never written to" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encode(texture(0), ".jpg")[:400], "cut short"),
        (b"just text", "wanted a BMP, JPEG, PNG, TIFF or WebP image"),
        (b"", "empty file"),
        (encode(np.zeros((1, 1), np.uint8)), "wanted at least 8 pixels a side, found 1x1"),
    ],
)
def test_unreadable_photograph(photographs, workplace, content, words):
    (photographs / "crack" / "bad one.png").write_bytes(content)
    done = run_stage("resize", photographs, "resized", folder=workplace)
    assert_one_line_error(
        done, "1 of 16 photographs cannot be read (resize.on_error: fail)", "crack/bad one.png", words
    )
    assert files_below(workplace) - STATE == {"params.yaml"}


def test_unreadable_photographs_are_skipped_on_demand(photographs, workplace):
    (photographs / "crack" / "bad.png").write_bytes(b"")
    params = small_params()
    params["resize"]["on_error"] = "skip"
    write_params(workplace, params)
    done = run_stage("resize", photographs, "resized", folder=workplace)
    assert done.returncode == 0, done.stderr
    assert "resize: skipped crack/bad.png: empty file" in done.stderr
    assert "1 skipped" in done.stderr
    assert [row.path for row in read_manifest(workplace / "resized") if row.problem] == ["crack/bad.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_photograph_without_permission(photographs, workplace):
    (photographs / "crack" / "000.png").chmod(0)
    done = run_stage("resize", photographs, "resized", folder=workplace)
    assert_one_line_error(done, "crack/000.png: Permission denied")


@pytest.mark.parametrize("target", ["nowhere", "params.yaml"])
def test_missing_data_folder(workplace, target):
    assert_one_line_error(run_stage("resize", target, "resized", folder=workplace), target, "no such folder")


def test_links_are_refused(photographs, workplace):
    (photographs / "crack" / "link.png").symlink_to("/etc/hostname")
    (photographs / "pore" / "loop").symlink_to("loop")
    done = run_stage("resize", photographs, "resized", folder=workplace)
    assert_one_line_error(
        done, "crack/link.png: wanted a file in the folder, found a symbolic link out of it", "pore/loop"
    )


@pytest.mark.parametrize("name", ["sp ace", "quo'te", 'quo"te', "ümlaut", "-dash", "new\nline", "溶接", "$(touch x)"])
def test_odd_names_go_through_the_data_stages(workplace, name):
    make_set(workplace / "in", {name: 3, "other": 3})
    (workplace / "in" / name / f"{name}.png").write_bytes(encode(texture(99)))
    run_data_stages(workplace)
    assert set(open_packed(workplace / "packed").class_names) == {name, "other"}


def test_one_class_only(workplace):
    make_set(workplace / "in", {"only": 3})
    assert_one_line_error(
        run_stage("resize", "in", "resized", folder=workplace), "two classes or more, found one: only (3)"
    )


def test_class_with_too_few_photographs(workplace):
    make_set(workplace / "in", {"a": 5, "b": 2, "c": 1})
    run_data_stages(workplace, last="group")
    done = run_stage("split", "packed/index.csv", "grouped/ties.csv", "split", folder=workplace)
    assert_one_line_error(done, "classes.least: wanted at least 3 photographs a class, found fewer of b (2), c (1)")
    assert not (workplace / "split").exists()


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        (
            "resize",
            {"size": "large"},
            "params.yaml: resize.size: wanted a whole number >= 16 and <= 4096, found 'large'",
        ),
        ("resize", {"sise": 1}, "params.yaml: resize.sise: wanted no such key (perhaps `size`?)"),
        (
            "resize",
            {"on_error": "ignore"},
            "params.yaml: resize.on_error: wanted one of 'fail', 'skip', found 'ignore'",
        ),
        ("resize", None, "params.yaml: resize: wanted a section of this name"),
    ],
)
def test_mistakes_in_the_parameters(photographs, workplace, section, change, words):
    params = small_params()
    if change is None:
        del params[section]
    else:
        params[section] |= change
    write_params(workplace, params)
    assert_one_line_error(run_stage("resize", photographs, "resized", folder=workplace), words)


def limit_file_size():
    # The kernel then refuses to write beyond, as on a full disk, with an error and not with a signal.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))


@pytest.mark.parametrize(("stage", "arguments"), [("resize", ["in", "out"]), ("pack_npy", ["resized", "out"])])
def test_disk_that_takes_no_more(workplace, stage, arguments):
    make_set(workplace / "in", {"a": 30, "b": 30})
    run_stage("resize", "in", "resized", folder=workplace)
    (workplace / "out").mkdir()
    (workplace / "out" / "former").write_text("former")
    command = [sys.executable, ROOT / "src" / f"{stage}.py", *arguments]
    done = subprocess.run(
        command,
        cwd=workplace,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=limit_file_size,
        check=False,
    )
    assert_one_line_error(done, "out", ": File too large")
    assert files_below(workplace / "out") == {"former"}
    assert not list(workplace.glob(".*.partial"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_nothing_half_written(workplace, number):
    params = small_params()
    params["resize"]["size"] = 512  # sheets of 16
    write_params(workplace, params)
    big = encode(texture(0, 3000, 4000), ".jpg")
    for name in ("a", "b"):
        (workplace / "in" / name).mkdir(parents=True)
        for index in range(150):
            (workplace / "in" / name / f"{index}.jpg").write_bytes(big)
    command = [sys.executable, ROOT / "src" / "resize.py", "in", "out"]
    process = subprocess.Popen(command, cwd=workplace, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(workplace.glob("out/a/*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "error: interrupted; nothing half-written is left behind"
    assert "Traceback" not in errors
    assert not (workplace / "out").exists()


def test_verify_is_a_switch(photographs, workplace):
    run_data_stages(workplace, photographs)
    for stage, *arguments in (("resize", photographs, "resized"), ("pack_npy", "resized", "packed")):
        done = run_stage(stage, *arguments, "--verify", folder=workplace)
        assert done.returncode == 0, done.stderr
    assert "0 of them new" in run_stage("resize", photographs, "resized", folder=workplace).stderr


@pytest.mark.parametrize(
    ("stage", "arguments", "made"),
    [
        ("resize", ("photographs", "out"), "manifest.csv"),
        ("pack_npy", ("resized", "out"), "images.npy"),
        ("group", ("packed", "groups.csv", "out"), "ties.csv"),
        ("split", ("packed/index.csv", "grouped/ties.csv", "out"), "assignment.csv"),
    ],
)
def test_second_one_waits_for_the_first(photographs, workplace, stage, arguments, made):
    """As after a `dvc` that was killed and left its stage at work."""
    (workplace / "photographs").symlink_to(photographs)
    run_data_stages(workplace, "photographs")
    with FileLock(workplace / ".weldproof" / f"{stage}.lock"):
        command = [sys.executable, ROOT / "src" / f"{stage}.py", *arguments]
        process = subprocess.Popen(command, cwd=workplace, env=environment(), stderr=subprocess.PIPE, text=True)
        words = f"{stage}: another {stage} is at work in this folder; waiting for it to end\n"
        assert process.stderr.readline() == words
        assert not (workplace / "out").exists()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert (workplace / "out" / made).is_file()


@pytest.mark.parametrize(
    "change", [{}, {"val": 0.3, "allow_moves": True}, {"folds": 3, "allow_moves": True}, {"seed": 9}], ids=str
)
def test_split_that_was_killed_between_its_two_files(workplace, change):
    """The table is new and shares.json still the old one: the next run makes the same of it."""
    make_set(workplace / "in", {"a": 12, "b": 12})
    run_data_stages(workplace)
    shares = (workplace / "split" / "shares.json").read_bytes()
    make_set(workplace / "in", {"a": 17, "b": 15})
    params = small_params()
    params["split"] |= change
    write_params(workplace, params)
    run_data_stages(workplace)
    wanted = {name: (workplace / "split" / name).read_bytes() for name in files_below(workplace / "split")}
    (workplace / "split" / "shares.json").write_bytes(shares)
    done = run_stage("split", "packed/index.csv", "grouped/ties.csv", "split", folder=workplace)
    assert done.returncode == 0, done.stderr
    assert {name: (workplace / "split" / name).read_bytes() for name in files_below(workplace / "split")} == wanted


def test_own_key_and_own_table(photographs, workplace):
    run_data_stages(workplace, photographs, last="pack_npy")
    (workplace / "groups.csv").write_text("path,group\ncrack/000.png,x\nsound/003.png,x\n")
    params = small_params()
    params["group"]["key"] = r"00(4)"
    write_params(workplace, params)
    done = run_stage("group", "packed", "groups.csv", "grouped", folder=workplace)
    assert "group: 4 of 15 photographs in 2 groups, 2 in the largest; ties: 2 key" in done.stderr
    (workplace / "groups.csv").write_text("path,group\ncrack/999.png,x\n")
    done = run_stage("group", "packed", "groups.csv", "grouped", folder=workplace)
    assert_one_line_error(done, "groups.csv: wanted paths of photographs below the data folder, found crack/999.png")
    params["group"]["key"] = "("
    write_params(workplace, params)
    done = run_stage("group", "packed", "groups.csv", "grouped", folder=workplace)
    assert_one_line_error(done, "params.yaml: group.key: wanted a regular expression, found '('")


def test_class_that_is_not_there(photographs, workplace):
    run_data_stages(workplace, photographs, last="group")
    params = small_params()
    params["classes"]["drop"] = ["crak"]
    write_params(workplace, params)
    done = run_stage("split", "packed/index.csv", "grouped/ties.csv", "split", folder=workplace)
    assert_one_line_error(done, "params.yaml: classes.drop: wanted class folders, found crak (perhaps crack?)")
