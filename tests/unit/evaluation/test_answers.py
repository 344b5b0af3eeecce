import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.data.packed import IndexRow, PackedSet
from pipeline.errors import DataError
from pipeline.evaluation.answers import read_answers, write_answers
from pipeline.evaluation.predictions import Answers, Predictions
from pipeline.training.detector import Promise


def packed_set(labels, class_names):
    index = [IndexRow(f"{row}.png", "", "", "", "PNG", 1, 1, 1) for row in range(len(labels))]
    return PackedSet(np.zeros((len(labels), 2, 2), np.uint8), np.array(labels, np.int64), tuple(class_names), index)


def made_nets(packed, seed, nets=1):
    """Answers of nets for parts that they share out among them."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(packed.labels))
    pieces = [np.sort(piece) for piece in np.array_split(rows, 2 * nets)]

    def part(own):
        probabilities = rng.dirichlet(np.ones(len(packed.class_names)), len(own))
        paths = [f"{row}.png" for row in own]
        scores = rng.uniform(0, 2, len(own)) if seed % 2 else None
        return Predictions(packed.class_names, packed.labels[own], probabilities, paths, own, own, scores)

    promise = Promise(0.05, 3, 40) if seed % 2 else None
    return [Answers(part(pieces[2 * k]), part(pieces[2 * k + 1]), 1 + k / 3, promise) for k in range(nets)]


names = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1),
    min_size=2,
    max_size=4,
    unique=True,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(class_names=names, count=st.integers(6, 20), nets=st.integers(1, 3), seed=st.integers(0, 99))
def test_what_is_written_is_read(tmp_path, class_names, count, nets, seed):
    packed = packed_set(np.random.default_rng(seed).integers(0, len(class_names), count), class_names)
    written = made_nets(packed, seed, nets)
    write_answers(tmp_path / "answers.npz", written)
    once = (tmp_path / "answers.npz").read_bytes()
    read = read_answers(tmp_path / "answers.npz", packed, np.arange(len(packed.labels)))
    assert [net.temperature for net in read] == [net.temperature for net in written]
    assert [net.promise for net in read] == [net.promise for net in written]
    for one, other in zip(read, written, strict=True):
        for part in ("val", "test"):
            a, b = getattr(one, part), getattr(other, part)
            assert (a.class_names, list(a.paths)) == (b.class_names, list(b.paths))
            for name in ("y_true", "probabilities", "rows", "groups", "outlier_scores"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    write_answers(tmp_path / "answers.npz", read)
    assert (tmp_path / "answers.npz").read_bytes() == once


def test_answers_of_another_set(tmp_path):
    packed = packed_set([0, 1, 0, 1, 0, 1], "ab")
    write_answers(tmp_path / "answers.npz", made_nets(packed, 0))
    for other in (packed_set([0, 1, 0, 1, 0, 1], "ac"), packed_set([0, 1], "ab"), packed_set([-1] * 6, "ab")):
        with pytest.raises(DataError, match=r"wanted answers for these photographs, found .*; run evaluate again"):
            read_answers(tmp_path / "answers.npz", other, np.arange(len(other.labels)))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_what_is_no_such_file(tmp_path, content):
    (tmp_path / "answers.npz").write_bytes(content)
    with pytest.raises(DataError, match="wanted answers for these photographs, found"):
        read_answers(tmp_path / "answers.npz", packed_set([0, 1], "ab"), np.arange(2))


def test_what_is_cut_short_or_another_archive(tmp_path):
    packed = packed_set([0, 1, 0, 1, 0, 1], "ab")
    write_answers(tmp_path / "answers.npz", made_nets(packed, 0))
    whole = (tmp_path / "answers.npz").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-4]):
        (tmp_path / "answers.npz").write_bytes(content)
        with pytest.raises(DataError, match="run evaluate again"):
            read_answers(tmp_path / "answers.npz", packed, np.arange(len(packed.labels)))
    np.savez(tmp_path / "answers.npz", other=np.zeros(3))
    with pytest.raises(DataError, match="run evaluate again"):
        read_answers(tmp_path / "answers.npz", packed, np.arange(len(packed.labels)))


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="wanted the answers that evaluate writes, found nothing"):
        read_answers(tmp_path / "answers.npz", packed_set([0, 1], "ab"), np.arange(2))
