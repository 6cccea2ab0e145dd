from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiographs import IDENTITY, write_radiograph

from pylon_zoo.data.dicom import NamedBytes
from pylon_zoo.errors import ImageError
from pylon_zoo.explanation.dicom.source import read_source

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom-out]")
pytest.importorskip("highdicom", reason="needs the extra [dicom-out]")


def test_a_source_is_its_file_without_pixels(tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "a.dcm")
    source = read_source(path)
    assert (source.path, source.size) == (str(path), (40, 48))
    assert {name: str(source.dataset[name].value) for name in IDENTITY} == IDENTITY
    assert "PixelData" not in source.dataset


def test_bytes_of_a_file_are_as_good_as_the_file(tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "a.dcm")
    assert read_source(NamedBytes(path.read_bytes(), str(path))) == read_source(path)


def test_what_the_file_lacks_is_empty(tmp_path: Path) -> None:
    names = [name for name in IDENTITY if name != "StudyDescription"]
    source = read_source(write_radiograph(tmp_path / "a.dcm", **dict.fromkeys(names, None)))
    empty = {name: source.dataset[name].value for name in names}
    assert {name for name, value in empty.items() if value not in (None, "")} == set()


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("name", "value"),
    [("PatientSex", "U"), ("PatientBirthDate", "19500000"), ("StudyDate", "ANON"), ("StudyTime", "99")],
)
def test_values_that_the_standard_does_not_know_are_empty(tmp_path: Path, name: str, value: str) -> None:
    assert not read_source(write_radiograph(tmp_path / "a.dcm", **{name: value})).dataset[name].value


def test_private_attributes_and_overlays_stay_behind(tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "secret")
    dataset.add_new(0x60003000, "OW", b"\1\0")
    dataset.save_as(path)
    assert not [tag for tag in read_source(path).dataset.keys() if tag.is_private or tag.group == 0x6000]  # noqa: SIM118


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"StudyInstanceUID": None}, "no valid StudyInstanceUID, so"),
        ({"SOPInstanceUID": None, "SeriesInstanceUID": None}, "no valid SeriesInstanceUID, SOPInstanceUID, so"),
        ({"SOPClassUID": None}, "no valid SOPClassUID"),
        ({"SOPClassUID": "1.2.3.4"}, "SOP class 1.2.3.4, which the DICOM standard does not know"),
        ({"NumberOfFrames": 3}, "holds 3 frames"),
        ({"PixelData": None}, "holds no DICOM image"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "is a colour DICOM"),
    ],
)
def test_what_results_cannot_be_about_is_refused(tmp_path: Path, attributes: dict, message: str) -> None:
    path = write_radiograph(tmp_path / "a.dcm", **attributes)
    with pytest.raises(ImageError, match=message) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


def test_an_identifier_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        path = write_radiograph(tmp_path / "a.dcm", SOPInstanceUID="9a5094b2563a1ef3ff50dc5c7ff71345")
    with pytest.raises(ImageError, match="no valid SOPInstanceUID"), pytest.warns(UserWarning, match="Invalid value"):
        read_source(path)


def test_a_report_is_no_source() -> None:
    path = pydicom.data.get_testdata_file("test-SR.dcm")
    with pytest.raises(ImageError, match="holds no DICOM image"):
        read_source(path)


def test_a_picture_of_another_kind_has_no_patient(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png' is no DICOM file, so it names no patient"):
        read_source(tmp_path / "a.png")


@pytest.mark.parametrize("path", ["nowhere.dcm", "."])
def test_no_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        read_source(tmp_path / path)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_cut_anywhere_is_refused_or_whole_in_what_counts(tmp_path: Path) -> None:
    content = write_radiograph(tmp_path / "a.dcm").read_bytes()
    refused = 0
    for end in range(1, len(content), 97):
        (tmp_path / "cut.dcm").write_bytes(content[:end])
        try:
            read_source(tmp_path / "cut.dcm")
        except ImageError:
            refused += 1
    assert refused > 5
