"""One answer for one photograph, whoever is asked: `evaluate`, `predict`, `pipeline.load`, MLflow's model, its server.

The photographs are such as cameras, scanners and drawing programs leave them. And what the server says to payloads that
it cannot answer.
"""

import base64
import csv
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import mlflow
import numpy as np
import pytest
from checkout import Project, client_of, processes
from conftest import (
    EVALUATE,
    TRAIN,
    encode,
    environment,
    make_set,
    run_data_stages,
    run_stage,
    send_what_waits,
    small_params,
    weldproof,
    write_params,
)
from nets import sharp_net
from odd_files import ODD, TINY
from servers import free_port, wait_for

import pipeline
from pipeline.data.assignment import read_rows, write_assignment
from pipeline.data.manifest import read_manifest
from pipeline.errors import TrackingError
from pipeline.training.weights import TrainedModel, load, save

NAMES = ("crack", "pore", "sound")
TOLERANCE = 2e-5
"""Of a probability: batches of other sizes add up in another order, and evaluate writes six digits."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project whose test part is the odd files, made and evaluated by the scripts."""
    folder = tmp_path_factory.mktemp("using") / "the model"
    make_set(folder / "in", dict(zip(NAMES, (6, 5, 5), strict=True)))
    for number, (name, make) in enumerate(ODD.items()):
        (folder / "in" / NAMES[number % 3] / f"odd {name}").write_bytes(make(number))
    (folder / "in" / "sound" / "tiny.png").write_bytes(TINY)
    params = small_params()
    params["resize"] |= {"size": 40, "on_error": "skip"}
    params["train"] |= {"model": "resnet18", "epochs": 1}
    write_params(folder, params)
    (folder / "dvc.yaml").write_text("{}")
    run_data_stages(folder)
    table = folder / "split" / "assignment.csv"
    rows = [row._replace(part="test" if "odd" in row.path else "train") for row in read_rows(table)]
    write_assignment(table, [row._replace(part="val") if row.path.endswith("000.png") else row for row in rows])
    run(TRAIN, folder)
    # Seconds of training leave a net that says the same of all.
    save(folder / "models", TrainedModel(sharp_net().net, load(folder / "models").card))
    run(EVALUATE, folder)
    send_what_waits(folder)
    return folder


def run(stage, folder):
    done = run_stage(*stage, folder=folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def files(place):
    return sorted((place / "in").rglob("odd *"), key=lambda path: path.relative_to(place / "in").as_posix())


@pytest.fixture(scope="module")
def wanted(place, files):
    """What evaluate said of each odd file: its class, and that one's probability."""
    with (place / "reports" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    said = [rows[file.relative_to(place / "in").as_posix()] for file in files]
    assert len(rows) == len(said) == len(ODD)
    probabilities = np.array([float(row["probability"]) for row in said])
    assert np.ptp(probabilities) > 0.1, "a net that says the same of all shows no difference"
    return [row["predicted"] for row in said], probabilities


def agrees(wanted, classes, probabilities):
    assert list(classes) == wanted[0]
    np.testing.assert_allclose(probabilities, wanted[1], atol=TOLERANCE)


def test_predict_says_what_evaluate_said(place, files, wanted):
    done = weldproof("predict", "--format", "jsonl", *files, "in/sound/tiny.png", folder=place)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    agrees(wanted, [each["class"] for each in said], [each["probability"] for each in said])
    (tiny,) = [row for row in read_manifest(place / "resized") if row.problem]
    assert f"in/sound/tiny.png: {tiny.problem}" in done.stderr.splitlines()


def test_programs_are_told_what_evaluate_said(place, files, wanted):
    net = pipeline.load(place / "models")
    for given in (files, [str(file) for file in files], [file.read_bytes() for file in files]):
        answers = net.predict(given)
        agrees(wanted, [each.class_name for each in answers], [each.probability for each in answers])
    # The pixels that a program has where no orientation, palette or alpha is left to resolve.
    (number,) = [number for number, file in enumerate(files) if file.name == "odd colour.png"]
    rgb = cv2.cvtColor(cv2.imread(os.fspath(files[number])), cv2.COLOR_BGR2RGB)
    (answer,) = net.predict([rgb])
    assert answer.probability == pytest.approx(wanted[1][number], abs=TOLERANCE)


def test_model_of_the_registry_is_the_same(place, files, wanted, monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(place)
    store = f"sqlite:///{place / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    # A program may have set another store for its whole process; that sets the variable, too.
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    client = client_of(Project(place))
    (version,) = client.search_model_versions("name = 'weldproof'")
    caplog.set_level("INFO")
    for address in ("models:/weldproof@champion", "models:/weldproof/latest", f"runs:/{version.run_id}/model"):
        answers = pipeline.load(address).predict(files)
        agrees(wanted, [each.class_name for each in answers], [each.probability for each in answers])
    assert [message for message in caplog.messages if message.startswith("model: ")] == [
        "model: models:/weldproof/1",
        "model: models:/weldproof/1",
        f"model: runs:/{version.run_id}/model",
    ]
    assert os.environ["MLFLOW_TRACKING_URI"] == store
    for address in (
        "models:/weldproof@other",
        "models:/weldproof/2",
        "models:/other/latest",
        "runs:/none/model",
        "models:/",
    ):
        with pytest.raises(TrackingError, match="cannot fetch"):
            pipeline.load(address)


@pytest.fixture(scope="module")
def server(place):
    """`mlflow models serve` of the registered model, for all tests of this file; a function that asks it."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        "models:/weldproof@champion",
        "--env-manager",
        "local",
    ]
    log = place / "server.log"
    with processes() as start, log.open("w") as file:
        changes = {"MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"}
        # Without this checkout on the path: the code that came with the model is what is served.
        settings = environment(**changes)
        del settings["PYTHONPATH"]
        process = start([*command, "--port", str(port)], cwd=place, env=settings, stdout=file, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/ping", process, log)

        def ask(body, content_type="application/json"):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request = urllib.request.Request(f"{address}/invocations", data, {"Content-Type": content_type})
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return answer.status, json.loads(answer.read())
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        yield ask
        assert process.poll() is None, log.read_text()


def b64(data):
    return base64.b64encode(data).decode()


def test_server_says_what_evaluate_said(server, files, wanted):
    texts = [b64(file.read_bytes()) for file in files]
    for body in (
        {"inputs": texts},
        {"instances": texts},
        {"dataframe_split": {"columns": ["image"], "data": [[text] for text in texts]}},
        {"dataframe_records": [{"image": text} for text in texts]},
    ):
        status, answer = server(body)
        assert status == 200, answer
        said = answer["predictions"]
        agrees(wanted, [each["class"] for each in said], [each["probability"] for each in said])
        assert [sum(each[f"probability of {name}"] for name in NAMES) for each in said] == pytest.approx(
            [1] * len(said)
        )


def test_clients_at_once_get_each_their_own_answer(server, files, wanted):
    def ask(number):
        return server({"inputs": [b64(files[number % len(files)].read_bytes())]})

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, range(40)))
    assert {status for status, _ in answers} == {200}
    for number, (_, answer) in enumerate(answers):
        (said,) = answer["predictions"]
        assert said["probability"] == pytest.approx(wanted[1][number % len(files)], abs=TOLERANCE)


def bomb():
    """A small file that unpacks into more pixels than are taken."""
    header = bytearray(encode(np.zeros((8, 8), np.uint8)))
    header[16:24] = (40_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    return bytes(header)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (b"no picture", "image 1: wanted a BMP, JPEG, PNG, TIFF or WebP image, found none of these"),
        (b"", "image 1: empty file"),
        (TINY, "image 1: wanted at least 8 pixels a side, found 3x3"),
        (encode(np.zeros((60, 80), np.uint8))[:60], "image 1: "),
        (bomb(), "image 1: wanted at most 268,435,456 pixels, found 40000x40000"),
        (bytes(8_000_000), "image 1: wanted a BMP"),
    ],
    ids=["text", "nothing", "tiny", "cut short", "bomb", "large"],
)
def test_server_says_which_image_it_cannot_read_and_why(server, files, image, words):
    good = files[0].read_bytes()
    status, text = server({"inputs": [b64(good), b64(image)]})
    assert status == 400
    assert words in json.loads(text)["stack_trace"].strip().splitlines()[-1]
    assert server({"inputs": [b64(good)]})[0] == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\xff\xd8\xff\xe0 a file itself", "image/jpeg", 415),
        (b"{not json", "application/json", 400),
        (b"", "application/json", 400),
        ([], "application/json", 400),
        ({}, "application/json", 400),
        ({"inputs": None}, "application/json", 400),
        ({"inputs": ["no base64 !"]}, "application/json", 400),
        ({"inputs": [1, 2]}, "application/json", 400),
        ({"inputs": [[[0]]]}, "application/json", 400),
        ({"inputs": {"a": ["QQ=="], "b": ["QQ=="]}}, "application/json", 400),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [["QQ==", "QQ=="]]}}, "application/json", 400),
        ({"dataframe_split": {"data": 3}}, "application/json", 400),
        (b'image\n"\n', "text/csv", 400),
    ],
)
def test_server_refuses_what_is_malformed_and_goes_on(server, files, body, content_type, status):
    found, text = server(body, content_type)
    assert found == status, text
    assert server({"inputs": [b64(files[0].read_bytes())]})[0] == 200
