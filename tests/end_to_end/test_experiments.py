"""`dvc exp`: only what changed runs, and no run is lost with a temporary copy."""

import json

from checkout import client_of, runs_of


def test_experiment_runs_training_and_evaluation_alone(project):
    output = project.dvc("exp", "run", "-S", "train.lr=0.002")
    assert project.stages_run(output) == ["train", "evaluate", "report"]
    run = runs_of(client_of(project))[-1]
    assert run.data.params["train.lr"] == "0.002"
    assert run.info.run_name == "lr=0.002"
    assert run.data.tags["dvc.experiment"] in project.dvc("exp", "show", "--csv")
    assert "test/macro_f1" in run.data.metrics
    assert "macro_f1" in project.dvc("metrics", "diff", "--all")
    assert "train.lr" in project.dvc("params", "diff", "HEAD")
    project.dvc("plots", "diff", "HEAD", "-o", "dvc_plots")
    project.run("git", "checkout", "-q", "--", "params.yaml", "dvc.lock")
    project.dvc("checkout")
    # What DVC keeps of the experiment and what MLflow has of it are the same answers.
    experiment = run.data.tags["dvc.experiment"]
    found = json.loads(project.run("python", "-m", "pipeline", "compare", "--json", experiment, run.info.run_id))
    assert (found["differing"], found["only_a"], found["only_b"], found["ungrouped"]) == (0, 0, 0, 0)
    assert "of A" in project.run("python", "-m", "pipeline", "compare", "main", experiment)


def test_temporary_copy_and_queue_use_their_own_code_and_the_same_store(project):
    """What is queued is the code at that moment, and its runs land in the store of the main checkout."""
    before = len(runs_of(client_of(project)))
    script = project.folder / "pipeline" / "training" / "history.py"
    original = script.read_text()
    script.write_text(original.replace('"train/loss"', '"train/loss_of_the_copy"'))
    try:
        project.dvc("exp", "run", "--queue", "-S", "train.lr=0.004")
        project.dvc("exp", "run", "--queue", "-S", "train.lr=0.005")
        output = project.dvc("exp", "run", "--temp", "-S", "train.lr=0.003")
        assert project.stages_run(output) == ["train", "evaluate", "report"]
    finally:
        script.write_text(original)
    project.dvc("queue", "start", "--jobs", "2")
    # Waits for the tasks to end.
    log = "".join(project.dvc("queue", "logs", name, "-f") for name in queued_names(project))
    runs = runs_of(client_of(project))[before:]
    assert sorted(run.data.params["train.lr"] for run in runs) == ["0.003", "0.004", "0.005"], log
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"lr={run.data.params['train.lr']}"
        assert "train/loss_of_the_copy" in run.data.metrics
        assert "test/macro_f1" in run.data.metrics
        artifacts = {file.path for file in client_of(project).list_artifacts(run.info.run_id)}
        assert {"reports", "training"} <= artifacts


def queued_names(project):
    lines = project.dvc("queue", "status").splitlines()[1:]
    return [line.split()[0] for line in lines if line.strip() and not line.startswith(("No ", "Worker"))]
