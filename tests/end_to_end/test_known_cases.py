"""Sets of which the right verdict is known get it: three by trainings of real nets, the others by what learns quicker.

`python benchmarks/known_cases.py --nets` asks nets about all of them.
"""

import feasibility_cases as cases
import known_sets as sets
import numpy as np
import pytest

from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.standing import standing_so, wanted_in_all
from pipeline.feasibility.verdict import Verdict, judge
from pipeline.training.device import cpu_threads

pytestmark = pytest.mark.slow

SCORES, BY_CHANCE, CURVES = ("folds",), ("folds", "shuffled"), ("folds", "curve")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    with cpu_threads(1):
        return cases.experienced(tmp_path_factory.mktemp("weights") / "experienced.safetensors")


def found(known, weights, kinds=SCORES, ask=cases.ask_head) -> tuple[Verdict, Evidence]:
    with cpu_threads(1):
        evidence = cases.evidence(known, weights, kinds, ask=ask)
    return judge(evidence), evidence


def test_a_fine_set_is_a_go(weights):
    verdict, evidence = found(sets.fine(0), weights, ask=cases.ask_net)
    assert (verdict.kind, verdict.rule) == ("go", "go")
    assert evidence.noise.rate.high < 0.1


def test_labels_that_mean_nothing_are_a_stop(weights):
    verdict, evidence = found(sets.pure_noise(0), weights, BY_CHANCE)
    assert (verdict.kind, verdict.rule) == ("change", "no-signal")
    assert not evidence.noise.believed


def test_shuffled_labels_are_found_and_counted(weights):
    known = sets.wrong_labels(0)
    verdict, evidence = found(known, weights, ask=cases.ask_net)
    assert (verdict.kind, verdict.rule) == ("change", "wrong-labels")
    assert evidence.noise.rate.low <= known.wrong.mean() <= evidence.noise.rate.high
    assert "of them are likely wrong" in verdict.headline
    listed = [doubt.row for doubt in evidence.noise.doubts.doubts]
    assert known.wrong[listed].mean() > 0.8


def test_more_are_wanted_of_a_rare_class(weights):
    verdict, evidence = found(sets.one_rare(0), weights, CURVES)
    rare = evidence.class_names.index(sets.RARE)
    assert (verdict.kind, verdict.rule) == ("collect", "collect")
    assert standing_so(evidence, "wants more") == [rare]
    assert f"“{sets.RARE}”" in verdict.headline
    assert 20 <= wanted_in_all(evidence, rare).low <= 80


def test_two_classes_that_are_one_are_to_be_merged(weights):
    verdict, _ = found(sets.twins(0), weights)
    assert (verdict.kind, verdict.rule) == ("change", "one-class")
    assert verdict.headline == "Change the task: take “fissure” and “hair” as one class."


def test_a_twin_that_is_not_even_learnt_is_not_merged(weights):
    def ask(study, training):
        told = cases.ask_head(study, training)
        asked = study.packed.labels[np.concatenate([training.judged, training.seen])]
        twin, third = (study.class_names.index(name) for name in (sets.TWINS[1], sets.CLEAR[0]))
        told[asked == twin, third] += 1
        return told / told.sum(axis=1, keepdims=True)

    verdict, evidence = found(sets.twins(0), weights, ask=ask)
    assert verdict.rule == "underfit"
    assert [pair.told_apart for pair in evidence.pairs].count(False) == 0


def test_nets_that_were_not_trained_for_long_enough_are_no_news_of_the_photographs():
    """The fine set of above, by nets that begin at random and see each photograph some ten times."""
    with cpu_threads(1):
        evidence = cases.evidence(sets.fine(0), None, SCORES, ask=cases.ask_net, shown=1500)
    verdict = judge(evidence)
    assert (verdict.kind, verdict.rule) == ("unknown", "underfit")


def test_copies_are_no_score(weights):
    verdict, evidence = found(sets.copies(0), weights)
    assert (verdict.kind, verdict.rule) == ("change", "copies")
    assert evidence.leaks.gap.low > 0.2


def test_a_file_type_that_gives_the_class_away_is_no_score(weights):
    verdict, _ = found(sets.file_types(0), weights)
    assert (verdict.kind, verdict.rule) == ("change", "shortcut")
    assert "the file type gives the class away" in verdict.headline


def test_of_a_handful_nothing_is_known(weights):
    verdict, _ = found(sets.too_few(0), weights, BY_CHANCE)
    assert (verdict.kind, verdict.rule) == ("unknown", "too-small")
    assert "photograph" in verdict.headline
