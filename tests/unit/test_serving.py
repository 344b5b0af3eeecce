import base64

import cv2
import numpy as np
import pytest
from conftest import encode, texture
from nets import SIDE, pictures, sharp_net, watchful_net
from odd_files import ODD

from pipeline.errors import DataError
from pipeline.serving import ImageClassifier

FILES = {name: make(0) for name, make in ODD.items()}
FILES |= {ending: encode(texture(7), ending) for ending in (".bmp", ".tif", ".webp", ".jpg")}


@pytest.fixture(scope="module")
def served():
    return ImageClassifier(sharp_net())


@pytest.mark.parametrize("name", FILES)
def test_bytes_and_base64_as_text_or_as_bytes_are_one_file(served, name):
    """MLflow's server hands on what a client sends as `inputs` in the last of these forms."""
    data = FILES[name]
    text = base64.b64encode(data)
    answers = served.predict([data, text.decode(), text])
    assert np.ptp(answers["probability"]) < 1e-6
    assert np.ptp(served.predict(list(FILES.values()))["probability"]) > 0.1


@pytest.mark.parametrize("entry", ["not base64!", b"", "", 7, None, cv2.imencode(".png", texture(0))[1]])
def test_what_is_no_file_is_named_by_its_number(served, entry):
    with pytest.raises(DataError, match=r"^image 1: "):
        served.predict([FILES["palette.png"], entry])


def test_outliers_are_told_and_too_many_of_them_logged_over_calls(served, caplog):
    net = ImageClassifier(watchful_net())
    alike = [encode(picture) for picture in pictures(100)[60:80]]
    white = [encode(np.full((SIDE, SIDE), 255, np.uint8))] * 4
    table = net.predict(alike)
    assert table["outlier"].tolist() == (table["outlier score"] > 1).tolist()
    assert not caplog.records
    for call in range(3):
        assert not caplog.records, call
        assert net.predict(white)["outlier"].all()
    (record,) = caplog.records
    assert record.message.startswith("12 of 12 photographs are unlike anything the model has seen")
    net.predict(white)
    assert len(caplog.records) == 1, "the count starts anew"
    assert served.predict(white)["outlier"].isna().all()
    assert list(net.predict([]).columns) == list(table.columns)
