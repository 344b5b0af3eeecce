import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.assignment import AssignmentRow, write_assignment
from pipeline.data.card import changes_section, data_card, rows_at
from pipeline.data.manifest import ManifestRow
from pipeline.data.packed import IndexRow, PackedSet
from pipeline.errors import DataError


def row(path, content=None, part="train", note="", class_name=None):
    name = path.split("/")[0] if class_name is None else class_name
    return AssignmentRow(path, name, content or path, (content or path)[:16], part, -1, note)


def packed_of(paths):
    names = tuple(sorted({path.split("/")[0] for path in paths}))
    labels = np.array([names.index(path.split("/")[0]) for path in paths])
    index = tuple(IndexRow(path, path.split("/")[0], path, path, "JPEG", 2**20, 30, 40) for path in paths)
    return PackedSet(np.full((len(paths), 4, 4), 100, np.uint8), labels, names, index)


def test_counts_files_and_light():
    rows = [row("a/1"), row("a/2", part="test"), row("b|c/1", part="", note="ties train and test", class_name="")]
    card = data_card(packed_of([one.path for one in rows]), rows, [])
    assert "3 photographs in 2 class folders, 2 of them used" in card
    assert "| a | a | 2 | 1 | 0 | 1 | 0 | 2 | 100 ± 0 |" in card
    assert r"| b\|c | not learnt | 1 | 0 | 0 | 0 | 1 | 1 | 100 ± 0 |" in card
    assert "Sizes: 40x30 (3); 3.0 MiB in all" in card
    assert "- b|c/1: ties train and test" in card


def test_what_changed():
    before = [row("a/1"), row("a/2"), row("a/3"), row("b/1"), row("b/2")]
    now = [
        row("a/1"),
        row("a/two", "a/2"),
        row("b/1"),
        row("b/2", part="test"),
        row("b/3", "a/3"),
        row("c/1"),
        row("c/2", "c/1"),
    ]
    text = changes_section(before, now, "v1")
    assert "| a | 0 | 0 | 0 | 1 | 1 |" in text
    assert "| b | 0 | 0 | 1 | 0 | 0 |" in text
    assert "| c | 2 | 0 | 0 | 0 | 0 |" in text
    assert "1 photographs that stood there before changed their part" in text
    assert "- b/3: a -> b" in text
    assert "None." in changes_section(now, now, "HEAD")


def test_parts_count_what_is_used():
    rows = [
        row("a/1"),
        row("a/2", note="tied to test", class_name=""),
        row("b/1", note="class not learnt", class_name=""),
    ]
    card = data_card(packed_of([one.path for one in rows]), rows, [])
    assert "| a | a | 2 | 1 | 0 | 0 | 1 |" in card
    assert "| b | not learnt | 1 | 0 | 0 | 0 | 1 |" in card


def test_copies_that_changed_their_label_and_what_got_or_lost_a_part():
    before = [row("a/1"), row("a/1b", "a/1"), row("a/2", part=""), row("a/3", part="test")]
    now = [row("a/2"), row("a/3", part=""), row("b/1", "a/1"), row("b/1b", "a/1")]
    text = changes_section(before, now, "v1")
    assert "| a | 0 | 0 | 0 | 2 | 0 |" in text
    assert "| b | 0 | 0 | 2 | 0 | 0 |" in text
    assert "0 photographs that stood there before changed their part" in text


def test_skipped():
    bad = ManifestRow("a/x.png", "a", "", "", 0, 0, 0, "", -1, "", "empty file")
    rows = [row("a/1")]
    assert "- a/x.png: empty file" in data_card(packed_of(["a/1"]), rows, [bad])
    assert "Skipped" not in data_card(packed_of(["a/1"]), rows, [bad._replace(problem="")])


def test_folds_and_groups():
    rows = [row("a/1")._replace(fold=0), row("a/2", "a/1")._replace(fold=0), row("b/1")._replace(fold=1)]
    card = data_card(packed_of([one.path for one in rows]), rows, [])
    assert "| class | fold 0 | fold 1 |\n|---|--:|--:|\n| a | 2 | 0 |\n| b | 0 | 1 |" in card
    assert "Groups of more than one: 1, with 2 photographs, 2 in the largest." in card


def test_another_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True, capture_output=True
        )

    git("init", "-q")
    rows = [row("ü b/1\n2"), row("b/line\u2028end\x0c\x85"), row("b/1")]
    write_assignment(Path("split.csv"), rows)
    git("add", ".")
    git("commit", "-qm", "one")
    write_assignment(Path("split.csv"), [])
    assert rows_at("HEAD", Path("split.csv")) == rows
    with pytest.raises(DataError, match=r"--against v9: wanted split\.csv as git knows it there"):
        rows_at("v9", Path("split.csv"))
    with pytest.raises(DataError, match="--against --output=x: wanted"):
        rows_at("--output=x", Path("split.csv"))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["split.csv"]
    for content in (b"path,part\nb/1,test\n", b"\xff\n"):
        Path("split.csv").write_bytes(content)
        git("commit", "-qam", "another layout")
        with pytest.raises(DataError, match="--against HEAD: "):
            rows_at("HEAD", Path("split.csv"))
