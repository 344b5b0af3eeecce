"""Who becomes champion, on a real registry in a database file; what is written down; and the way back."""

import shutil
from contextlib import suppress
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
from closure import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.__main__ import _parser
from pipeline.errors import TrackingError
from pipeline.promotion import AGAINST, CROWNED, VERDICT, WHY, judge, objections
from pipeline.tracking.store import Store
from pipeline.tracking.versions import Crown, Versions

RULE = {"least_gain": 0.0, "class_loss": 0.05}
SIZES = {"crack": 40, "pore": 8, "sound": 60}
NAME = "weldproof"


@pytest.fixture
def place(tmp_path, monkeypatch, empty_store):
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / "assignment.csv").write_text("path,class_name,sha256,group,part,fold,note\n")
    return tmp_path


@pytest.fixture
def registry(place):
    return Registry(place)


class Registry:
    """A store, and models that are registered there without a net: a run with its answers is all that is judged."""

    def __init__(self, place):
        self.place, self.address, self.source = place, f"sqlite:///{place}/mlflow.db", (place / "no net").as_uri()
        self.store = Store(self.address)
        self.client = self.store.client
        self.versions = Versions(self.store, NAME)
        self.experiment = self.client.create_experiment("x", artifact_location=(place / "artifacts").as_uri())
        self.client.create_registered_model(NAME)

    def run(self, answers):
        tags = {"dvc.packed": "a" * 32, "mlflow.source.git.commit": "c" * 40, "mlflow.note.content": "| table |"}
        run = self.client.create_run(self.experiment, tags=tags)
        self.client.log_metric(run.info.run_id, "test/macro_f1", 0.5)
        if answers is not None:
            self.client.log_text(run.info.run_id, answers, "reports/predictions.csv")
        return run.info.run_id

    def register(self, answers):
        """Register a model with these answers; return its number."""
        version = self.client.create_model_version(NAME, source=self.source, run_id=self.run(answers))
        return int(version.version)

    def judge(self, number, store=None, **rule):
        run_id = self.versions.get(number).run_id
        judge(store or self.store, run_id, {"name": NAME, "rule": RULE | rule}, self.place)

    def add(self, answers, **rule):
        """Register and judge; return the number and the verdict's words."""
        number = self.register(answers)
        self.judge(number, **rule)
        return number, self.tags(number)[WHY]

    def tags(self, number):
        return self.versions.get(number).tags

    @property
    def champion(self):
        return self.versions.crown().champion

    @property
    def challenger(self):
        return self.versions.crown().challenger


def answers(sizes=None, **wrong):
    """A predictions.csv; of each class so many are wrong."""
    rows = ["path,actual,predicted,probability"]
    names = list(sizes or SIZES)
    for place, (name, size) in enumerate((sizes or SIZES).items()):
        said = [names[place - 1] if k < wrong.get(name, 0) else name for k in range(size)]
        rows += [f"{name}/{k}.png,{name},{predicted},0.9" for k, predicted in enumerate(said)]
    return "\n".join(rows) + "\n"


POOR, GOOD = answers(crack=20, sound=30, pore=4), answers(crack=2, sound=3, pore=1)


def test_first_version_is_champion_and_says_what_it_is(registry):
    number, why = registry.add(POOR)
    assert why == "The first: there was no champion to compare it with."
    assert registry.versions.crown() == Crown(champion=1, challenger=None, history=(1,))
    tags = registry.tags(number)
    assert tags[VERDICT] == "champion"
    assert (tags["dvc.packed"], tags["git.commit"], tags["test/macro_f1"]) == ("a" * 32, "c" * 40, "0.5000")
    assert AGAINST not in tags
    said = registry.client.get_model_version(NAME, "1").description
    assert said == f"When it was registered: **champion**. {why}\n\n| table |"


def test_better_one_becomes_champion(registry):
    registry.add(POOR)
    number, why = registry.add(GOOD)
    assert why.startswith("Compared as B with the champion, version 1, as A. B is better than A: of 108 photographs")
    assert "Not promoted" not in why
    assert registry.versions.crown() == Crown(champion=2, challenger=None, history=(1, 2))
    assert registry.tags(number)[AGAINST] == "1"


@pytest.mark.parametrize(
    ("new", "rule", "words"),
    [
        (POOR, {}, "No difference can be shown: A and B give the same answers"),
        (answers(crack=21, sound=40, pore=5), {}, "the interval of the gain in macro F1 does not lie above 0."),
        (GOOD, {"least_gain": 0.6}, "the interval of the gain in macro F1 does not lie above 0.6."),
        (answers(crack=1, pore=8), {}, "Not promoted: F1 fell by more than 0.05 at pore ("),
        (
            answers({"crack": 40, "sound": 60}, crack=2),
            {},
            "Not promoted: of pore, which the champion was tested on, both were tested on no photograph.",
        ),
        (answers({"other": 30, "folder": 30}), {}, "found none: 108 in A, such as crack/0.png, and 60 in B"),
        (
            "path,actual\n",
            {},
            "could not be compared with the champion, version 1: reports/predictions.csv of version 2",
        ),
        (None, {}, "wanted it among the artifacts of run"),
        ("\0\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), {}, "could not be compared"),
    ],
)
def test_others_are_challengers_and_say_why(registry, new, rule, words):
    registry.add(POOR)
    number, why = registry.add(new, **rule)
    assert words in why
    assert registry.versions.crown() == Crown(champion=1, challenger=number, history=(1,))
    assert registry.tags(number)[VERDICT] == "challenger"


def test_a_loss_that_the_rule_allows_is_no_objection(registry):
    registry.add(POOR)
    number, _ = registry.add(answers(crack=1, pore=8), class_loss=0.3)
    assert registry.champion == number
    number, _ = registry.add(answers(crack=2, pore=8), least_gain=-0.5)
    assert registry.champion == number


def test_a_loss_of_just_what_is_allowed_is_none(registry):
    """1 - 0.05 is 0.95 to a person, and not to floating point."""
    both = {"support": [20, 20], "class_names": ["crack", "pore"]}
    a, b = (SimpleNamespace(f1=np.array(f1)) for f1 in ([1.0, 0.5], [0.95, 0.44]))
    scores = SimpleNamespace(f1=np.array([0.95 - 1.0, 0.44 - 0.5]), macro_f1=0.1)
    told = objections(SimpleNamespace(a=a, b=b, value=scores, low=scores, **both), [], RULE)
    assert list(told) == ["Not promoted: F1 fell by more than 0.05 at pore (0.50 -> 0.44, 20 photographs)."]


def test_photographs_of_one_group_count_once(registry, place):
    """What 108 photographs show, the same as three groups do not."""
    registry.add(POOR)
    rows = "".join(f"{name}/{k}.png,{name},0,{name},test,,\n" for name, size in SIZES.items() for k in range(size))
    (place / "assignment.csv").write_text(f"path,class_name,sha256,group,part,fold,note\n{rows}")
    _, why = registry.add(GOOD)
    assert "The 108 photographs form 3 groups" in why
    assert registry.champion == 1


def _delete_run(registry, run_id):
    registry.client.delete_run(run_id)


def _delete_artifacts(registry, run_id):
    shutil.rmtree(registry.place / "artifacts" / run_id)


def _delete_run_for_ever(registry, run_id):
    registry.client.delete_run(run_id)
    registry.client._tracking_client.store._hard_delete_run(run_id)


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (_delete_run, "of version 1: wanted its run, found that run"),
        (_delete_artifacts, "of version 1: wanted it among the artifacts of run"),
        (_delete_run_for_ever, "cannot look at a run: "),
    ],
)
def test_champion_whose_answers_are_lost_stays(registry, lose, words):
    registry.add(POOR)
    lose(registry, registry.versions.get(1).run_id)
    _, why = registry.add(GOOD)
    assert words in why
    assert (registry.champion, registry.challenger) == (1, 2)


def test_champion_without_a_run_stays(registry):
    registry.client.create_model_version(NAME, source=registry.source)
    registry.versions.promote(1)
    _, why = registry.add(GOOD)
    assert "found that it was registered without one" in why
    assert (registry.champion, registry.challenger) == (1, 2)


def test_champion_that_was_deleted_leaves_its_place(registry):
    registry.add(POOR)
    registry.client.delete_model_version(NAME, "1")
    number, why = registry.add(POOR)
    assert why.startswith("The first")
    assert registry.champion == number


def test_judged_once(registry):
    """Not again after its evaluation was repeated, nor when a person has gone back meanwhile."""
    registry.add(POOR)
    registry.add(GOOD)
    registry.versions.go_back()
    before = registry.tags(2)
    registry.judge(2)
    assert (registry.champion, registry.tags(2)) == (1, before)


def test_version_that_was_deleted_is_not_judged(registry):
    number = registry.register(POOR)
    run_id = registry.versions.get(number).run_id
    registry.client.delete_model_version(NAME, str(number))
    judge(registry.store, run_id, {"name": NAME, "rule": RULE}, registry.place)
    assert registry.champion is None


class Wire:
    """The real client, of which one call is lost: on its way there, or on the way back, when it has done its work.

    Which one: the `lost`-th of all, or the first of the name `lost`.
    """

    def __init__(self, client, lost, answered):
        self._client, self._lost, self._answered, self.calls = client, lost, answered, 0

    def __getattr__(self, name):
        def call(*values, **named):
            self.calls += 1
            lost = self._lost in (self.calls, name)
            if lost and not self._answered:
                raise ConnectionError("lost on its way there")
            answer = getattr(self._client, name)(*values, **named)
            if lost:
                raise ConnectionError("lost on its way back")
            return answer

        return call


def test_broken_off_after_any_call_and_done_again_it_is_as_done_once(registry):
    store, client, lost = Store(registry.address), registry.client, 0
    while True:
        lost += 1
        number = registry.register(POOR)
        store.client = wire = Wire(client, lost, answered=True)
        with suppress(TrackingError):
            registry.judge(number, store)
        registry.judge(number)
        assert registry.versions.crown() == Crown(champion=number, challenger=None, history=(number,))
        tags = registry.tags(number)
        assert (tags[VERDICT], tags[WHY][:9]) == ("champion", "The first")
        assert client.get_model_version(NAME, str(number)).description.startswith(
            "When it was registered: **champion**"
        )
        if wire.calls < lost:
            return
        client.delete_registered_model_alias(NAME, "champion")
        client.set_registered_model_tag(NAME, "champions", "")


@pytest.mark.parametrize("lost", ["update_model_version", "set_registered_model_alias", "set_registered_model_tag"])
def test_reason_outlives_a_call_that_is_lost(registry, lost):
    registry.add(POOR)
    number = registry.register(GOOD)
    store = Store(registry.address)
    store.client = Wire(store.client, lost, answered=True)
    with pytest.raises(TrackingError):
        registry.judge(number, store)
    registry.judge(number)
    assert registry.tags(number)[WHY].startswith("Compared as B with the champion, version 1")
    assert registry.versions.crown() == Crown(champion=2, challenger=None, history=(1, 2))


def test_answers_that_a_working_store_does_not_give_are_no_reason_to_try_again(registry):
    registry.add(POOR)
    number = registry.register(GOOD)
    store = Store(registry.address)
    store.client = Wire(store.client, "download_artifacts", answered=False)
    registry.judge(number, store)
    assert "cannot download reports/predictions.csv: lost on its way there" in registry.tags(number)[WHY]
    assert registry.challenger == number


def test_two_at_once_are_judged_one_after_the_other(registry):
    """Both are better than the champion, and neither than the other: one of them stays challenger."""
    registry.add(POOR)
    numbers = [registry.register(GOOD) for _ in range(2)]
    threads = [Thread(target=registry.judge, args=(number, Store(registry.address))) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {registry.champion, registry.challenger} == set(numbers)
    assert registry.tags(registry.challenger)[AGAINST] == str(registry.champion)


def test_one_that_nobody_judges_is_not_waited_for_longer_than_that(registry, monkeypatch):
    monkeypatch.setattr("pipeline.promotion.PATIENCE", 0.5)
    registry.register(GOOD)
    number, _ = registry.add(POOR)
    assert registry.champion == number
    registry.judge(1)
    assert registry.champion == 1


def test_champion_that_is_made_by_hand_meanwhile_is_compared_with(registry, monkeypatch):
    monkeypatch.setattr("pipeline.promotion.PATIENCE", 0.0)
    registry.add(POOR)
    other, new = registry.register(GOOD), registry.register(GOOD)
    store = Store(registry.address)

    class Meanwhile(Wire):
        def download_artifacts(self, *values):
            registry.versions.promote(other)
            return self._client.download_artifacts(*values)

    store.client = Meanwhile(store.client, "nothing", answered=True)
    registry.judge(new, store)
    assert (registry.champion, registry.tags(new)[AGAINST]) == (other, str(other))


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.booleans()), max_size=6))
@example([(1, 2, True), (2, 3, False)])  # twice the history is what is lost
def test_any_moves_and_their_failures_leave_what_was_or_what_was_wanted(registry, moves):
    """A move is a number, or 0 for back; the history is a stack."""
    if registry.versions.get(3) is None:
        for _ in range(3):
            registry.register(POOR)
    registry.client.set_registered_model_tag(NAME, "champions", "")
    with suppress(Exception):
        registry.client.delete_registered_model_alias(NAME, "champion")
    stack = []
    for number, lost, answered in moves:
        store = Store(registry.address)
        store.client = Wire(store.client, lost, answered)
        versions = Versions(store, NAME)
        after = stack[:-1] if not number and len(stack) > 1 else stack
        after = [*stack, number] if number and stack[-1:] != [number] else after
        with suppress(TrackingError):
            versions.promote(number) if number else versions.go_back()
        now = registry.versions.crown()
        found = now.champion, registry.versions.former(now)
        outcomes = {(each[-1] if each else None, _former(each)): each for each in (stack, after)}
        assert found in outcomes, (stack, after, found)
        stack = outcomes[found]


def _former(stack):
    return next((each for each in stack[-2::-1] if each != stack[-1]), None)


def test_way_back_leaves_out_what_was_deleted(registry):
    for _ in range(3):
        registry.versions.promote(registry.register(POOR))
    registry.client.delete_model_version(NAME, "2")
    assert registry.versions.go_back() == 1
    assert registry.versions.go_back() is None


def test_long_description_is_cut_at_a_line(registry):
    number = registry.register(POOR)
    registry.versions.describe(number, {}, "a line\n" * 900)
    said = registry.client.get_model_version(NAME, str(number)).description
    assert len(said) <= 5000
    assert said.endswith("a line\n\n(cut: the rest stands in the run's description)")


def weldproof(*arguments):
    parsed = _parser().parse_args(["champion", *arguments])
    parsed.verb(parsed)


def test_champion_on_the_command_line(registry, capsys):
    for new in (POOR, GOOD, POOR):
        registry.add(new)
    weldproof()
    said = capsys.readouterr().out
    assert "champion    version 2, " in said
    assert "B is better than A" in said
    assert "challenger  version 3, " in said
    assert "B is worse than A" in said
    assert "before it   version 1" in said
    weldproof("--back")
    assert (
        "Version 1 of weldproof is champion again, in place of version 2; to undo that: weldproof champion --set 2"
        in (capsys.readouterr().out)
    )
    assert "back from version 2" in registry.tags(1)[CROWNED]
    weldproof("--set", "challenger")
    assert registry.versions.crown() == Crown(champion=3, challenger=None, history=(1, 3))
    weldproof("--set", "3")
    assert "already" in capsys.readouterr().out
    weldproof("--back")
    weldproof()
    said = capsys.readouterr().out
    assert "before it   none" in said
    assert "Set by hand by " in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "wanted a champion, found none; evaluate makes one, or --set VERSION"),
        (("--set", "7"), "--set 7: wanted a version of weldproof in MLflow at sqlite:.*, found no version 7"),
        (("--set", "0"), "found no version 0"),
        (("--set", "9" * 30), "found no version 9"),
        (("--set", "challenger"), "found no challenger"),
        (("--back",), "--back: wanted a former champion"),
    ],
)
def test_mistakes_are_one_line(registry, arguments, words):
    registry.register(POOR)
    with pytest.raises(TrackingError, match=words) as error:
        weldproof(*arguments)
    assert "\n" not in str(error.value)
    assert registry.versions.crown() == Crown()


@pytest.mark.parametrize("text", ["", "-1", "1.0", "latest", "²"])
def test_what_is_no_version(text, capsys):
    with pytest.raises(SystemExit):
        _parser().parse_args(["champion", f"--set={text}"])
    assert "wanted the number of a version, or challenger, found" in capsys.readouterr().err


def test_no_store(place, monkeypatch):
    (place / "mlflow.db").unlink()
    with pytest.raises(
        TrackingError, match=r"weldproof in MLflow at sqlite:.*: wanted a store that has it, found none"
    ):
        weldproof()
    assert not (place / "mlflow.db").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="cannot be reached"):
        weldproof("--back")
