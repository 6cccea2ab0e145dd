from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from pylon_zoo.data.dicom import read_dicom
from pylon_zoo.data.images import read_image
from pylon_zoo.errors import ImageError, MissingDependencyError

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom]")

STORED = np.array([[0, 1000, 2000], [3000, 4000, 4095]], dtype=np.uint16)


def write(path, stored=STORED, **attributes):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.save_as(path, enforce_file_format=True)
    return path


def lut(entries, first, depth):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.LUTDescriptor = [len(entries), first, depth]
    item.LUTData = np.array(entries, dtype=np.uint16).tobytes()
    item["LUTData"].VR = "OW"
    item.ModalityLUTType = "US"
    return [item]


def grey(path):
    image = read_dicom(path)
    assert image.dtype == torch.float32
    assert image.shape[0] == 1
    return image[0].double().numpy()


def test_without_a_window_the_range_is_that_of_bits_stored(tmp_path):
    assert grey(write(tmp_path / "a.dcm")) == pytest.approx(STORED / 4095)


def test_signed_values_start_at_the_lowest_possible(tmp_path):
    signed = np.array([[-2048, 0, 2047]], dtype=np.int16)
    assert grey(write(tmp_path / "a.dcm", signed)) == pytest.approx(np.array([[0, 2048 / 4095, 1]]))


def test_rescaling_alone_changes_nothing_but_a_negative_slope_inverts(tmp_path):
    assert grey(write(tmp_path / "a.dcm", RescaleSlope=2, RescaleIntercept=-1024)) == pytest.approx(STORED / 4095)
    assert grey(write(tmp_path / "b.dcm", RescaleSlope=-1, RescaleIntercept=4095)) == pytest.approx(1 - STORED / 4095)


def test_monochrome1_is_inverted_last(tmp_path):
    path = write(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1", WindowCenter=2000.5, WindowWidth=2001)
    assert grey(path) == pytest.approx(np.array([[1, 1, 0.5], [0, 0, 0]]))


def test_a_linear_window_by_hand(tmp_path):
    # centre - 0.5 = 2000, width - 1 = 2000: black up to 1000, white from 3000
    path = write(tmp_path / "a.dcm", WindowCenter=2000.5, WindowWidth=2001)
    assert grey(path) == pytest.approx(np.array([[0, 0, 0.5], [1, 1, 1]]))


def test_the_window_is_in_rescaled_values(tmp_path):
    path = write(tmp_path / "a.dcm", RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000.5, WindowWidth=4001)
    assert grey(path) == pytest.approx(np.array([[0, 0, 0.5], [1, 1, 1]]))


def test_the_first_of_several_windows_counts(tmp_path):
    path = write(tmp_path / "a.dcm", WindowCenter=[2000.5, 100], WindowWidth=[2001, 10])
    assert grey(path)[0] == pytest.approx(np.array([0, 0, 0.5]))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(tmp_path, function):
    from pydicom.pixels import apply_windowing

    path = write(tmp_path / "a.dcm", WindowCenter=1800, WindowWidth=1500, VOILUTFunction=function)
    dataset = pydicom.dcmread(path)
    assert grey(path) == pytest.approx(apply_windowing(dataset.pixel_array, dataset) / 4095, abs=1e-6)


def test_the_voi_lut_wins_over_the_window(tmp_path):
    entries = np.arange(4096) ** 2 // 4096  # up to 4094, of 12 bits
    path = write(tmp_path / "a.dcm", VOILUTSequence=lut(entries, 0, 12), WindowCenter=1, WindowWidth=2)
    assert grey(path) == pytest.approx(entries[STORED] / 4095)


def test_an_8_bit_voi_lut_over_12_bit_pixels(tmp_path):
    path = write(tmp_path / "a.dcm", VOILUTSequence=lut(np.arange(4096) // 16, 0, 8))
    assert grey(path) == pytest.approx((STORED // 16) / 255)


def test_values_outside_a_voi_lut_take_its_ends(tmp_path):
    path = write(tmp_path / "a.dcm", VOILUTSequence=lut([100, 200, 300], 1999, 10))
    assert grey(path) == pytest.approx(np.array([[100, 100, 200], [300, 300, 300]]) / 1023)


def test_the_modality_lut_comes_first(tmp_path):
    path = write(tmp_path / "a.dcm", ModalityLUTSequence=lut(np.arange(4096) * 16, 0, 16))
    assert grey(path) == pytest.approx(STORED * 16.0 / 65535)
    path = write(
        tmp_path / "b.dcm",
        ModalityLUTSequence=lut(np.arange(4096) * 16, 0, 16),
        WindowCenter=32000.5,
        WindowWidth=32001,
    )
    assert grey(path) == pytest.approx(np.array([[0, 0, 0.5], [1, 1, 1]]))


def test_8_bit_pixels_stay_deep_until_normalised(tmp_path):
    stored = np.array([[0, 51, 255, 0]], dtype=np.uint8)
    assert grey(write(tmp_path / "a.dcm", stored, BitsStored=8)) == pytest.approx(stored / 255)


def test_read_image_knows_dicom_by_content_and_by_name(tmp_path):
    expected = read_dicom(write(tmp_path / "a.dcm"))
    assert torch.equal(read_image(tmp_path / "a.dcm"), expected)
    with_preamble = (tmp_path / "a.dcm").rename(tmp_path / "IM0001").read_bytes()
    assert torch.equal(read_image(tmp_path / "IM0001"), expected)
    (tmp_path / "bare.dcm").write_bytes(with_preamble[132:])
    assert torch.equal(read_image(tmp_path / "bare.dcm"), expected)


def test_a_file_without_its_meta_header(tmp_path):
    dataset = pydicom.dcmread(write(tmp_path / "a.dcm"))
    pydicom.dcmwrite(tmp_path / "b.dcm", pydicom.Dataset(dataset), implicit_vr=True, little_endian=True)
    assert grey(tmp_path / "b.dcm") == pytest.approx(STORED / 4095)


@pytest.mark.parametrize(
    ("stored", "attributes", "reason"),
    [
        (
            np.zeros((2, 2, 3), np.uint8),
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
            "colour DICOM .*RGB",
        ),
        (np.zeros((2, 2), np.uint8), {"PhotometricInterpretation": "PALETTE COLOR"}, "colour DICOM .*PALETTE COLOR"),
        (STORED, {"NumberOfFrames": 3}, "holds 3 frames"),
        (STORED, {"WindowCenter": 1, "WindowWidth": 0}, "impossible window .*WindowWidth 0"),
        (STORED, {"WindowCenter": 1, "WindowWidth": 9, "VOILUTFunction": "CUBIC"}, "impossible window .*CUBIC"),
        (STORED, {"RescaleSlope": "nan", "RescaleIntercept": 0}, "NaN or infinite pixels"),
        (STORED, {"PixelData": STORED.tobytes()[:4]}, "is not a DICOM that can be read"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_radiograph_is_refused_with_a_reason(tmp_path, stored, attributes, reason):
    path = write(tmp_path / "a.dcm", stored, **attributes)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_no_pixels(tmp_path):
    path = write(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(ImageError, match="holds no DICOM image"):
        read_image(path)


def test_text_with_a_dicom_name(tmp_path):
    (tmp_path / "a.dcm").write_text("nothing like DICOM\n" * 20, encoding="utf-8")
    with pytest.raises(ImageError, match=r"a\.dcm'"):
        read_image(tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = write(tmp_path / "a.dcm").read_bytes()
    for end in range(1, len(whole) - 1, 7):
        (tmp_path / "cut.dcm").write_bytes(whole[:end])
        with pytest.raises(ImageError):
            read_image(tmp_path / "cut.dcm")


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm")
    for name in [name for name in sys.modules if name.split(".")[0] == "pydicom"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Refuse("pydicom"), *sys.meta_path])
    with pytest.raises(MissingDependencyError, match=r"pylon-zoo\[dicom\]"):
        read_image(path)


class Refuse:
    """A finder for which one package is not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named '{name}'")
