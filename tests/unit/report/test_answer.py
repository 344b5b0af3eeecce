import numpy as np
import pytest
from reports import answers, result_of

from pipeline.evaluation.metrics import score
from pipeline.evaluation.result import evaluate_part
from pipeline.report.answer import answer, largest_class_score


def judged(confusion, names=("crack", "pore", "sound")):
    """The result of answers with these counts."""
    confusion = np.array(confusion)
    places = np.repeat(np.arange(confusion.size), confusion.ravel())
    y_true, y_pred = np.divmod(places, len(confusion))
    return evaluate_part(y_true, y_pred, tuple(names), np.random.default_rng(0))


def test_two_sentences_for_somebody_who_reads_nothing_else():
    can, weak = answer(judged([[30, 6, 0], [2, 38, 0], [0, 0, 50]]))
    assert can.startswith(
        "Of 126 photographs that it had not seen, the model names 118 rightly: 94%, with a 95% interval"
    )
    assert "its 3 classes" in can
    assert weak.startswith("It is weakest at “crack” (F1 0.88, ")
    assert "of which it took 6 of 36 for “pore”" in weak
    assert weak.endswith("every class has enough photographs to be judged.")


def test_a_name_that_is_given_too_often():
    _, weak = answer(judged([[20, 0, 0], [0, 60, 0], [9, 0, 51]]))
    assert weak.startswith("It is weakest at “crack” (F1 0.82, ")
    assert "a name that it also gave to 9 photographs of “sound”" in weak


def test_no_mistakes():
    _, weak = answer(judged([[30, 0, 0], [0, 40, 0], [0, 0, 50]]))
    assert weak.startswith("It made no mistake")


def test_classes_that_cannot_be_judged_are_named():
    _, weak = answer(judged([[2, 0, 1], [0, 1, 0], [0, 0, 50]]))
    assert "of “crack” (3 photographs) and “pore” (1 photograph) too few were tested to say anything" in weak


def test_many_that_cannot_be_judged_are_counted():
    confusion = np.diag([60, 50, 3, 2, 2, 1, 1])
    _, weak = answer(judged(confusion, "abcdefg"))
    assert "“c” (3 photographs), “d” (2 photographs), “e” (2 photographs) and 2 more" in weak


def test_none_that_can_be_judged():
    _, weak = answer(judged(np.diag([4, 4, 4])))
    assert weak.startswith("No class has enough photographs")


def test_no_better_than_always_the_same():
    can, weak = answer(judged([[0, 0, 9], [0, 0, 8], [0, 0, 60]]))
    assert "60 rightly" in can
    assert weak.startswith("That is not clearly better than always answering “sound”, which reaches 0.29")


def test_a_class_without_a_photograph():
    can, _ = answer(judged([[30, 6, 0], [2, 38, 0], [0, 0, 0]]))
    assert "the 2 of its 3 classes that stand in this part" in can


@pytest.mark.parametrize("sizes", [[7, 3], [20, 20, 1, 0], [1]])
def test_score_of_the_largest_class(sizes):
    y_true = np.repeat(np.arange(len(sizes)), sizes)
    names = [str(k) for k in range(len(sizes))]
    if len(sizes) == 1:
        sizes, names = [*sizes, 0], ["0", "1"]
    result = result_of(answers(sizes, names))
    name, found = largest_class_score(result)
    assert name == "0"
    assert found == pytest.approx(score(y_true, np.zeros_like(y_true), len(sizes)).macro_f1)


def test_long_names_are_cut():
    _, weak = answer(judged([[30, 6], [2, 38]], ["a_name_that_goes_on_" * 9, "b\n"]))
    assert "“a_name_that_goes_on_a_name_…hat_goes_on_” (F1" in weak
    assert "“b\\n”" in weak


def test_one_sentence_each_whatever_the_scores():
    for seed in range(5):
        sizes = np.random.default_rng(seed).integers(0, 20, 6) + (np.arange(6) == 0)
        for said in answer(result_of(answers(sizes, list("abcdef"), seed, skill=seed / 2))):
            assert said.endswith(".")
            assert ". " not in said
