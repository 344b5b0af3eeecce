import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.evaluation.comparison import Verdict, compare_answers, read_answers
from pipeline.evaluation.comparison_text import remarks, sentence, table, to_json
from pipeline.evaluation.metrics import OVERALL, PER_CLASS
from pipeline.evaluation.tables import write_predictions

CLASSES = ("crack", "pore", "sound")
ANSWERS = st.lists(st.tuples(*[st.sampled_from(CLASSES)] * 3, st.integers(0, 5)), min_size=2, max_size=25)
SCORES = (*OVERALL, *PER_CLASS)


def tables_of(rows):
    """A's and B's answers, and the groups."""
    paths = [f"{place % 7}/{place}.png" for place in range(len(rows))]
    a = {path: (row[0], row[1]) for path, row in zip(paths, rows, strict=True)}
    b = {path: (row[0], row[2]) for path, row in zip(paths, rows, strict=True)}
    return a, b, {path: f"g{row[3]}" for path, row in zip(paths, rows, strict=True)}


def alone(answers):
    return {path: path for path in answers}


def compared(a, b, *groups):
    return compare_answers(a, b, groups or (alone(a | b),), np.random.default_rng(0))


def numbers(scores):
    return [np.asarray(getattr(scores, name)).tolist() for name in SCORES]


def run_of(right, classes=(("crack", 8), ("pore", 40), ("sound", 80)), first=0):
    """Answers of which those photographs are right whose number (in its class) `right` says so."""
    return {
        f"{name}/{k}.png": (name, name if right(k) else classes[(place + 1) % len(classes)][0])
        for place, (name, count) in enumerate(classes)
        for k in range(first, count)
    }


@settings(max_examples=25, deadline=None)
@given(ANSWERS.filter(lambda rows: len({name for row in rows for name in row[:3]}) > 1), st.randoms())
def test_order_changes_nothing_and_exchange_the_signs_alone(rows, random):
    a, b, groups = tables_of(rows)
    once = compared(a, b, groups)
    shuffled = random.sample(list(a.items()), len(a))
    again = compared(dict(shuffled), dict(reversed(b.items())), groups)
    assert to_json(once) == to_json(again)
    back = compared(b, a, groups)
    for name in SCORES:
        np.testing.assert_array_equal(getattr(once.low, name), -np.asarray(getattr(back.high, name)))
        np.testing.assert_array_equal(getattr(once.value, name), -np.asarray(getattr(back.value, name)))
    assert (once.right_a, once.p_value) == (back.right_b, back.p_value)
    opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER, Verdict.UNKNOWN: Verdict.UNKNOWN}
    assert back.verdict is opposite[once.verdict]


def test_a_against_a_is_nothing():
    a = run_of(lambda k: k % 4)
    itself = compared(a, a)
    assert itself.verdict is Verdict.UNKNOWN
    assert (itself.differing, itself.right_a, itself.right_b, itself.p_value, itself.wanted_images) == (
        0,
        0,
        0,
        1,
        None,
    )
    assert not np.any(np.concatenate([np.ravel(number) for number in numbers(itself.value)]))
    assert sentence(itself).startswith(
        "No difference can be shown: A and B give the same answers to all 128 photographs"
    )


def test_better_and_worse_in_a_sentence():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 4 or k % 16 == 0)
    better = compared(a, b)
    assert better.verdict is Verdict.BETTER
    assert better.low.macro_f1 > 0
    assert sentence(better).startswith(
        "B is better than A: of 128 photographs it gets 9 right that A gets wrong and 0 the"
    )
    assert (
        f"macro F1 {better.value.macro_f1:+.2f} [{better.low.macro_f1:+.2f}, {better.high.macro_f1:+.2f}]."
        in sentence(better)
    )
    assert sentence(compared(b, a)).startswith(
        "B is worse than A: of 128 photographs it gets 0 right that A gets wrong and 9"
    )


def test_one_photograph_more_is_no_difference_and_it_says_how_many_would_be_one():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 4 or k == 4)
    hardly = compared(a, b)
    assert hardly.verdict is Verdict.UNKNOWN
    assert hardly.wanted_images > hardly.images
    assert "photographs in the same proportions would be needed to show it" in sentence(hardly)
    # The same evidence so many times: it is shown.
    times = -(-hardly.wanted_images // hardly.images)
    many = [{f"{n}{path}": said for path, said in run.items() for n in range(times)} for run in (a, b)]
    assert compared(*many).verdict is Verdict.BETTER


def test_other_test_parts_are_compared_on_what_is_common():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 3, first=2)
    b |= {"new/1.png": ("pore", "pore")}
    part = compared(a, b)
    assert (part.images, part.only_a, part.only_b) == (122, 6, 1)
    whole = compared({path: a[path] for path in a.keys() & b.keys()}, {path: b[path] for path in a.keys() & b.keys()})
    assert numbers(part.low) == numbers(whole.low)
    assert "on the 122 photographs in both, and not on 6 of A alone and 1 of B alone" in " ".join(remarks(part))
    assert not remarks(whole)


def test_what_was_relabelled_is_left_out():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 3)
    b["crack/3.png"] = ("pore", "pore")
    part = compared(a, b)
    assert (part.images, part.relabelled) == (127, 1)
    assert "1 photograph left out" in remarks(part)[0]


def test_groups_of_either_table_bind():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 3)
    paths = sorted(a)
    of_a = {path: str(place // 2) for place, path in enumerate(paths)}
    of_b = {path: str((place + 1) // 2) for place, path in enumerate(paths[:4])}
    bound = compared(a, b, of_a, of_b)
    assert bound.groups == 128 // 2 - 1
    assert bound.ungrouped == 0
    assert "form 63 groups" in remarks(bound)[0]
    unknown = compared(a, b, {}, {paths[0]: "x"})
    assert (unknown.groups, unknown.ungrouped) == (128, 127)
    assert "Of 127 photographs it is not known" in remarks(unknown)[0]


def test_accuracy_and_classes_that_say_another_thing_are_told():
    classes = (("crack", 12), ("sound", 300))
    a = run_of(lambda k: k % 10, classes)
    b = {path: (name, "sound") for path, (name, _) in a.items()}
    mixed = compared(a, b)
    assert mixed.verdict is Verdict.WORSE
    told = " ".join(remarks(mixed))
    assert "B is right more often than A (p = " in told
    assert "By F1, B is better at sound" in told


def test_table_and_json_have_all_of_it():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 5)
    one = compared(a, b)
    lines = table(one).splitlines()
    assert [line.split()[:2] for line in lines[2:5]] == [["crack", "8"], ["pore", "40"], ["sound", "80"]]
    assert any(line.startswith("Balanced accuracy") for line in lines)
    assert lines[-1].startswith(
        f"Right in one alone: {one.right_a} in A, {one.right_b} in B; McNemar's exact test: p = "
    )
    entry = json.loads(json.dumps(to_json(one)))
    assert entry["macro_f1"]["difference"] == pytest.approx(entry["macro_f1"]["b"] - entry["macro_f1"]["a"], abs=2e-6)
    assert entry["f1"]["crack"]["low"] <= entry["f1"]["crack"]["difference"] <= entry["f1"]["crack"]["high"]
    assert entry["f1"]["crack"]["images"] == 8
    assert entry["sentence"] == sentence(one)


def test_a_class_of_the_answers_alone():
    a, b = run_of(lambda k: k % 4), run_of(lambda k: k % 5)
    b["crack/1.png"] = ("crack", "new\nclass")
    one = compared(a, b)
    assert one.class_names == ("crack", "new\nclass", "pore", "sound")
    assert "no image here: not measured" in table(one)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (
            {"x.png": ("a", "a")},
            {"y.png": ("a", "b")},
            "tested on, found none: 1 in A, such as x.png, and 1 in B, such as y",
        ),
        ({"x.png": ("a", "a")}, {"x.png": ("b", "b")}, "found all 1 common ones under two"),
        ({"x.png": ("a", "a")}, {"x.png": ("a", "a")}, "at least two classes to compare, found a alone"),
    ],
)
def test_what_cannot_be_compared(a, b, words):
    with pytest.raises(DataError, match=words):
        compared(a, b)


def test_what_evaluate_writes_is_read(tmp_path, make_predictions):
    made = make_predictions([4, 1, 3], ("new\nline", "焊缝 裂纹", 'q"uo,te'))
    write_predictions(tmp_path / "p.csv", made)
    answers = read_answers("A", (tmp_path / "p.csv").read_bytes().decode())
    names = made.class_names
    assert answers == {
        path: (names[true], names[said]) for path, true, said in zip(made.paths, made.y_true, made.y_pred, strict=True)
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "A: wanted the columns path, actual, predicted"),
        ("path,actual\nx,y\n", "missing predicted"),
        ("path,actual,predicted\n", "A: wanted a line a photograph, found none"),
        ("path,actual,predicted\nx,a,a\nx,a,b\n", "each photograph once, found 1 more than once"),
        ("path,actual,predicted\nx,a\n", "cut short"),
    ],
)
def test_what_is_no_table_of_answers(text, words):
    with pytest.raises(DataError, match=words):
        read_answers("A", text)
