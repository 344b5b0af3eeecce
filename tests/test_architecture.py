"""The walls of docs/architecture.md, held: who may import whom, and what makes a stage run again."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT, import_closure, imported_modules
from ruamel.yaml import YAML

from pipeline.training.recipe import TrainParams

PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
# In a file of its own, so that a plain `dvc repro` does not run it.
PIPELINE["stages"] |= YAML(typ="safe").load((ROOT / "feasibility" / "dvc.yaml").read_text())["stages"]
CODE = ("pipeline/", "src/")
# What people put there, and no stage makes.
SOURCES = {"${data.folder}", "data/groups.csv"}
STAGES = {name: re.search(r"src/\w+\.py", stage["cmd"]).group() for name, stage in PIPELINE["stages"].items()}
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline").rglob("*.py"))

# Room -> what it may import of the project. Single modules count as rooms of their own.
WALLS = {
    "errors": set(),
    "text": set(),
    "files": {"errors"},
    "params": {"errors", "files"},
    "stage": {"errors", "files"},
    "mend": {"errors", "files", "text"},
    "lr": {"errors", "files", "params", "data", "training", "evaluation", "tracking"},
    "runs": {"errors", "text", "data", "tracking"},
    "compare": {"runs", "evaluation"},
    "promotion": {"errors", "text", "runs", "evaluation", "tracking"},
    "champion": {"errors", "text", "params", "promotion", "evaluation", "tracking"},
    "beside": {"promotion", "tracking"},
    "data": {"errors", "files", "text", "params", "stage"},
    "training": {"errors", "files", "text", "params", "stage", "data"},
    "evaluation": {"errors", "files", "text", "params", "stage", "data", "training"},
    "report": {"errors", "files", "text", "params", "stage", "data", "training", "evaluation"},
    "feasibility": {"errors", "files", "text", "params", "stage", "data", "training", "evaluation", "report"},
    "classifier": {"errors", "text", "data", "training"},
    "serving": {"errors", "classifier", "training"},
    "registry": {"text", "classifier", "training", "tracking"},
    "predict": {"errors", "text", "params", "data", "evaluation", "registry", "tracking"},
    "export": {"errors", "files", "text", "data", "training", "predict", "registry"},
    "tracking": {"errors", "files"},
    "__init__": set(),
    "__main__": {
        "errors",
        "files",
        "text",
        "params",
        "stage",
        "lr",
        "compare",
        "champion",
        "promotion",
        "mend",
        "data",
        "training",
        "evaluation",
        "predict",
        "export",
        "tracking",
    },
}
# Heavy or far-reaching packages -> the only rooms that may import them.
OWNERS = {
    "mlflow": {"tracking"},
    "dvc": {"mend"},
    "torch": {"training"},
    "onnxruntime": {"export"},
    "torchvision": {"training"},
    "sklearn": {"training", "evaluation", "feasibility"},
    "matplotlib": {"evaluation", "report", "feasibility"},
    "cv2": {"data"},
    "pandas": {"serving"},
    "cleanlab": {"report"},
}


def room_of(path: str) -> str:
    return Path(path).relative_to("pipeline").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES)
def test_module_imports_only_what_its_room_may(path):
    room = room_of(path)
    for module in imported_modules(ROOT / path):
        top, *rest = module.split(".")
        if top == "pipeline" and rest:
            assert rest[0] in WALLS[room] | {room}, f"{path} imports {module}"
        if top in OWNERS:
            assert room in OWNERS[top], f"{path} imports {module}"


def test_process_beside_a_stage_is_a_program_of_its_own_that_starts_light():
    """`tracking` starts it by its name and imports nothing of it; MLflow and PyTorch are loaded when they are needed."""
    from pipeline.tracking.sender import PROGRAM

    room = PROGRAM.removeprefix("pipeline.")
    assert {name for name, allowed in WALLS.items() if room in allowed} == set()
    command = f"import sys, {PROGRAM}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"mlflow", "torch", "numpy", "sklearn"} & {name.split(".")[0] for name in loaded.stdout.split()}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_exactly_the_files_that_its_script_imports(stage):
    code = {path for path in PIPELINE["stages"][stage]["deps"] if path.startswith(CODE)}
    wanted = import_closure(ROOT / STAGES[stage])
    lines = "\n".join(f"      - {path}" for path in sorted(wanted))
    assert code == wanted, f"the code in dvc.yaml's stages.{stage}.deps must be:\n{lines}"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_the_outputs_that_its_command_reads(stage):
    command = PIPELINE["stages"][stage]["cmd"].split()
    outs = [out for other in PIPELINE["stages"].values() for out in _paths(other["outs"])]
    own = set(_paths(PIPELINE["stages"][stage]["outs"]))
    # A folder that gets outputs of its own is written to, not read.
    words = [word for word in command[3:] if not any(out.startswith(f"{word}/") for out in own)]
    read = {out for out in outs for word in words if out == word or out.startswith(f"{word}/")} - own
    data = {path for path in PIPELINE["stages"][stage]["deps"] if not path.startswith(CODE)} - SOURCES
    assert data == read


def test_feasibility_runs_again_by_what_its_recipe_is_made_of_alone():
    """What it forces, or has no use for, may change: other nets would not come of it."""
    unread = {"mode", "seed", "final", "launcher", "compile", "threads", "outlier_rate"}
    unread |= {"plateau_patience", "plateau_factor"}
    wanted = {f"train.{key}" for key in set(TrainParams.model_fields) - unread} | {"feasibility"}
    assert set(PIPELINE["stages"]["feasibility"]["params"]) == wanted


def _paths(outs):
    return [next(iter(out)) if isinstance(out, dict) else out for out in outs]


@pytest.mark.parametrize("script", sorted((ROOT / "src").glob("*.py")), ids=lambda path: path.name)
def test_stage_script_is_short(script):
    assert len(script.read_text().splitlines()) <= 60


@pytest.mark.parametrize("script", ["sample", "resize", "pack_npy", "group", "split"])
def test_data_stage_loads_nothing_heavy(script):
    """What a data stage loads is read from a real start, so that a dependency's own imports count as well."""
    command = f"import runpy, sys; runpy.run_path('src/{script}.py'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "mlflow", "pandas", "sklearn", "matplotlib", "scipy"} & {name.split(".")[0] for name in loaded}
