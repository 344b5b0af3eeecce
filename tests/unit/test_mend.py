"""What a killed dvc leaves broken, cut short wherever a kill can cut it."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import assert_one_line_error, weldproof

from pipeline import mend as module
from pipeline.errors import PipelineError
from pipeline.mend import mend

LOCK = """\
schema: '2.0'
stages:
  resize:
    cmd: PYTHONPATH=. python src/resize.py "photos" data/resized
    deps:
    - path: photos
      hash: md5
      md5: 497d0ab72867039f42b49ab64f846efd.dir
      size: 3756106
      nfiles: 30
    params:
      params.yaml:
        resize.size: 224
    outs:
    - path: data/resized
      hash: md5
      md5: 19100ab72867039f42b49ab64f846efd.dir
      size: 12
  split:
    cmd: echo
    outs:
    - path: data/split/assignment.csv
      hash: md5
      md5: '4970'
      isexec: true
"""
POINTER = (
    "outs:\n- md5: 497d0ab72867039f42b49ab64f846efd.dir\n  size: 3756106\n  nfiles: 30\n  hash: md5\n  path: photos\n"
)


def git(*arguments):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], check=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose dvc.lock and photos.dvc are committed; the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_SECONDS_BETWEEN", 0.01)
    (tmp_path / "photos").mkdir()
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(LOCK)
    (tmp_path / "photos.dvc").write_text(POINTER)
    git("init", "-q")
    git("add", "dvc.lock", "photos.dvc")
    git("commit", "-qm", "first")
    return tmp_path


def content_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git/" not in str(path)}


def test_what_is_intact_is_not_touched(project):
    (project / ".dvc" / "tmp" / "rwlock").write_text('{"read": {"/x": [{"pid": 999999999, "cmd": "dvc"}]}}')
    before = content_of(project)
    assert mend() == []
    assert content_of(project) == before


def test_lock_is_broken_just_where_dvc_cannot_read_it(tmp_path):
    """Cut at every place, and read by dvc itself."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.utils.strictyaml import YAMLValidationError

    lock = tmp_path / "dvc.lock"
    with Repo.init(str(tmp_path), no_scm=True) as repo:

        def dvc_reads(text):
            lock.write_text(text)
            try:
                Lockfile(repo, str(lock)).load()
            except (DvcException, YAMLValidationError):
                return False
            return True

        cuts = [LOCK[:end] for end in range(len(LOCK) + 1)]
        theirs = [dvc_reads(cut) for cut in cuts]
    assert [module._is_lock(cut.encode()) for cut in cuts] == theirs
    assert any(theirs[:-1])
    assert not all(theirs)


def test_cut_lock_is_taken_back_as_committed(project):
    (project / "dvc.lock").write_text(LOCK[:20])
    (line,) = mend()
    assert line.startswith("dvc.lock: was cut short; taken back as it was committed")
    assert (project / "dvc.lock").read_text() == LOCK
    assert (project / ".weldproof" / "dvc.lock.broken").read_text() == LOCK[:20]
    assert mend() == []


@pytest.mark.parametrize("committed", [None, ""])
def test_cut_lock_without_a_good_one_in_git_is_removed(project, committed):
    if committed is None:
        git("rm", "-q", "--cached", "dvc.lock")
    else:
        (project / "dvc.lock").write_text(committed)
    git("commit", "-qam", "second")
    (project / "dvc.lock").write_text("")
    (line,) = mend()
    assert "removed" in line
    assert not (project / "dvc.lock").exists()


def test_lock_with_a_merge_to_finish_is_left_alone(project):
    conflict = f"<<<<<<< HEAD\n{LOCK}=======\n{LOCK}>>>>>>> other\n"
    (project / "dvc.lock").write_text(conflict)
    assert mend() == []
    assert (project / "dvc.lock").read_text() == conflict


@pytest.mark.parametrize("end", [0, 6, 20, POINTER.index("  path"), len(POINTER) - 4])
@pytest.mark.parametrize("committed", [True, False])
def test_cut_pointer_to_the_photographs(project, end, committed):
    if not committed:
        git("rm", "-q", "--cached", "photos.dvc")
        git("commit", "-qm", "second")
    (project / "photos.dvc").write_text(POINTER[:end])
    (line,) = mend()
    assert line.startswith("photos.dvc: was cut short; ")
    wanted = POINTER if committed else 'outs:\n- path: "photos"\n  hash: md5\n'
    assert (project / "photos.dvc").read_text() == wanted
    assert mend() == []


def test_cut_pointer_that_nothing_gives_back(project):
    git("rm", "-q", "--cached", "photos.dvc")
    git("commit", "-qm", "second")
    (project / "photos.dvc").write_text("")
    (project / "photos").rmdir()
    with pytest.raises(PipelineError, match=r"photos.dvc: wanted its former state in git or photos beside it"):
        mend()


@pytest.mark.parametrize("content", ["", "{", '{"write": {"/x": {"pi', "[]", '{"write": 5}'])
def test_broken_table_is_removed(project, content):
    table = project / ".dvc" / "tmp" / "rwlock"
    table.write_text(content)
    (line,) = mend()
    assert line.startswith(".dvc/tmp/rwlock: ")
    assert not table.exists()


def test_table_that_names_another_process_is_removed(project):
    """Its number belonged to a dvc once; dvc would wait for whoever has it now."""
    table = project / ".dvc" / "tmp" / "rwlock"
    table.write_text(json.dumps({"write": {"/x": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    assert len(mend()) == 1
    assert not table.exists()


@pytest.fixture
def dvc_at_work(project):
    """A process that looks like a dvc in the project whose stage runs: it holds no lock."""
    (project / "dvc").write_text("import sys\nprint(flush=True)\nsys.stdin.read()\n")
    process = subprocess.Popen([sys.executable, "dvc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.communicate()


def test_nothing_is_done_while_a_stage_of_dvc_runs(project, dvc_at_work):
    (project / ".dvc" / "tmp" / "rwlock").write_text("{")
    (project / "dvc.lock").write_text("")
    before = content_of(project)
    words = rf"dvc.lock, .dvc/tmp/rwlock: wanted no dvc at work .* \(process {dvc_at_work.pid}\)"
    with pytest.raises(PipelineError, match=words):
        mend()
    after = content_of(project)
    after.pop(project / ".dvc" / "tmp" / "lock")
    assert after == before


def test_table_of_a_dvc_at_work_is_intact(project, dvc_at_work):
    table = json.dumps({"write": {"/x": {"pid": dvc_at_work.pid, "cmd": "dvc repro"}}})
    (project / ".dvc" / "tmp" / "rwlock").write_text(table)
    assert mend() == []


def test_lock_that_dvc_holds_keeps_hands_off(project):
    """With the class that dvc itself locks by."""
    from zc.lockfile import LockFile

    (project / "dvc.lock").write_text("")
    held = LockFile(str(project / ".dvc" / "tmp" / "lock"))
    with pytest.raises(PipelineError, match="wanted no dvc at work"):
        mend()
    assert (project / "dvc.lock").read_text() == ""
    held.close()
    assert len(mend()) == 1


def test_file_caught_while_dvc_writes_it(project, monkeypatch):
    from zc.lockfile import LockFile

    held = LockFile(str(project / ".dvc" / "tmp" / "lock"))
    (project / "dvc.lock").write_text("")
    monkeypatch.setattr(time, "sleep", lambda _: (project / "dvc.lock").write_text(LOCK))
    assert mend() == []
    held.close()


def test_verb(project):
    for name in ("dvc.yaml", "params.yaml"):
        (project / name).write_text("{}")

    def run():
        return weldproof("mend", folder=project)

    assert run().stdout == "nothing is broken\n"
    (project / "dvc.lock").write_text("")
    assert run().stdout.startswith("dvc.lock: was cut short")
    git("rm", "-q", "--cached", "photos.dvc")
    git("commit", "-qm", "second")
    (project / "photos.dvc").write_text("")
    (project / "photos").rmdir()
    assert_one_line_error(run(), "photos.dvc: wanted its former state")
