import pytest

from pipeline.data.classes import ClassParams, learnt_classes
from pipeline.errors import DataError, ParameterError

COUNTS = {"a": 500, "b": 85, "c": 37, "d": 58, "e": 116, "f": 8, "g": 19}
FOLDERS = [name for name, count in COUNTS.items() for _ in range(count)]


def learn(**changes):
    return learnt_classes(
        FOLDERS, ClassParams(**({"drop": [], "merge": {}, "least": 3, "below": "fail", "rest": "other"} | changes))
    )


def test_as_they_are():
    assert learn() == {name: name for name in COUNTS}


@pytest.mark.parametrize("changes", [{"drop": ["f", "g"]}, {"least": 30, "below": "drop"}])
def test_the_five_largest(changes):
    assert {name for name in learn(**changes).values() if name} == set("abcde")


def test_small_classes_become_one():
    learnt = learn(least=30, below="merge", rest="rare")
    assert learnt["f"] == learnt["g"] == "rare"
    assert learnt["a"] == "a"


def test_merged():
    learnt = learn(merge={"bc": ["b", "c"], "d": ["d", "f"]})
    assert (learnt["b"], learnt["c"], learnt["f"], learnt["a"]) == ("bc", "bc", "d", "a")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drop": ["h"]}, r"classes.drop: wanted class folders, found h; there are a, b"),
        ({"merge": {"x": ["a", "hh"]}}, r"classes.merge: wanted class folders, found hh"),
        ({"drop": ["a"], "merge": {"x": ["a", "b"]}}, "found a twice"),
        ({"merge": {"a": ["b", "c"]}}, "wanted a new name, found a, a folder"),
        ({"least": 30, "below": "merge", "rest": "a"}, "classes.rest: wanted a name of its own"),
    ],
)
def test_contradictions(changes, words):
    with pytest.raises(ParameterError, match=words):
        learn(**changes)


def test_too_small_and_too_few():
    with pytest.raises(DataError, match=r"at least 30 photographs a class, found fewer of f \(8\), g \(19\)"):
        learn(least=30)
    with pytest.raises(DataError, match="wanted two classes or more to learn, found a"):
        learn(drop=list("bcdefg"))
