"""DICOM as it comes: compressed, shifted, huge on paper; the paper's conversion; and bytes that nobody wrote."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pylon_zoo.data.dicom import read_dicom
from pylon_zoo.data.dicom_paper import equalise, read_dicom_as_paper
from pylon_zoo.data.prepared import PrepareOptions
from pylon_zoo.data.shrink import shrink
from pylon_zoo.errors import ConfigError, ImageError

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom]")

RAMP = (np.arange(24 * 32).reshape(24, 32) * 5).astype(np.uint16)


def make(stored: np.ndarray = RAMP, **attributes):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored = 12 if stored.dtype.itemsize == 2 else 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def save(path: Path, dataset) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def encapsulated(stored: np.ndarray, format: str, syntax: str, **attributes):
    from pydicom import encaps, uid

    stream = io.BytesIO()
    Image.fromarray(stored).save(stream, format, **attributes)
    dataset = make(stored)
    dataset.PixelData = encaps.encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = getattr(uid, syntax)
    return dataset


def lut(entries: np.ndarray, depth: int):
    item = pydicom.Dataset()
    item.LUTDescriptor = [len(entries), 0, depth]
    item.LUTData = entries.astype(np.uint16).tobytes()
    item["LUTData"].VR = "OW"
    return [item]


def run_length():
    from pydicom.uid import RLELossless

    dataset = make()
    dataset.compress(RLELossless, generate_instance_uid=False)
    return dataset


def test_run_length_encoding(tmp_path):
    assert torch.equal(read_dicom(save(tmp_path / "a.dcm", run_length())), read_dicom(save(tmp_path / "b.dcm", make())))


def test_jpeg_and_jpeg_2000(tmp_path):
    smooth = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    lossless = encapsulated(smooth, "JPEG2000", "JPEG2000Lossless", no_jp2=True)
    assert (read_dicom(save(tmp_path / "a.dcm", lossless))[0] * 255).round().byte().numpy().tolist() == smooth.tolist()
    lossy = encapsulated(smooth, "JPEG", "JPEGBaseline8Bit", quality=95)
    assert np.abs(read_dicom(save(tmp_path / "b.dcm", lossy))[0].numpy() * 255 - smooth).max() < 4


def test_a_compression_without_a_decoder_names_the_plugins(tmp_path):
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGLSLossless

    if get_decoder(JPEGLSLossless).is_available:
        pytest.skip("a JPEG-LS plugin is installed")
    dataset = encapsulated(np.zeros((8, 8), np.uint8), "JPEG", "JPEGLSLossless")
    with pytest.raises(ImageError, match=r"a\.dcm.*JPEG-LS.*pylibjpeg.*install a plugin"):
        read_dicom(save(tmp_path / "a.dcm", dataset))


def test_the_voi_is_a_choice(tmp_path):
    squared = np.arange(4096) ** 2 // 4096
    path = save(tmp_path / "a.dcm", make(VOILUTSequence=lut(squared, 12), WindowCenter=2000.5, WindowWidth=2001))
    by = {voi: read_dicom(path, voi)[0].double().numpy() for voi in ("lut", "window", "none")}
    assert by["lut"] == pytest.approx(squared[RAMP] / 4095, abs=1e-6)
    assert by["window"] == pytest.approx(np.clip((RAMP - 2000.0) / 2000 + 0.5, 0, 1), abs=1e-6)
    assert by["none"] == pytest.approx(RAMP / 4095, abs=1e-6)
    with pytest.raises(ConfigError, match=r"voi='windo' must be one of .* Did you mean 'window'"):
        read_dicom(path, "windo")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"HighBit": 15}, "12 stored bits below bit 15"),
        ({"Rows": 65535, "Columns": 65535}, "65535 rows and 65535 columns"),
        ({"Rows": 0}, "0 rows"),
        ({"VOILUTSequence": lut(np.zeros(4096), 0)}, "gives no numbers|cannot|can be read"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, attributes, reason):
    with pytest.raises(ImageError, match=rf"a\.dcm'.*({reason})"):
        read_dicom(save(tmp_path / "a.dcm", make(**attributes)))


def test_bits_above_those_stored_do_not_count(tmp_path):
    marked = read_dicom(save(tmp_path / "a.dcm", make(RAMP | 0xF000)))
    assert torch.equal(marked, read_dicom(save(tmp_path / "b.dcm", make())))


def test_as_in_the_paper(tmp_path):
    picture = read_dicom_as_paper(save(tmp_path / "a.dcm", make()))
    assert picture.shape == (1, 768, 1024)
    assert picture.dtype == torch.uint8
    assert (picture[0, 0, 0], picture[0, -1, -1]) == (0, 255)
    inverted = read_dicom_as_paper(
        save(tmp_path / "b.dcm", make(RAMP.max() - RAMP, PhotometricInterpretation="MONOCHROME1", WindowWidth=4096))
    )
    assert torch.equal(inverted, picture)
    # a ramp's histogram is flat already
    middle = picture[0, 384].float().mean() / 255
    assert middle == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ImageError, match=r"c\.dcm' has the value 7 everywhere"):
        read_dicom_as_paper(save(tmp_path / "c.dcm", make(np.full((4, 4), 7, np.uint16))))


def test_the_papers_resize_is_opencvs(tmp_path):
    cv2 = pytest.importorskip("cv2")
    random = np.random.default_rng(0).integers(0, 4096, (1500, 1300)).astype(np.uint16)
    ours = read_dicom_as_paper(save(tmp_path / "a.dcm", make(random)))[0].numpy()
    scaled = (random - random.min()) / (random.max() - random.min())
    theirs = cv2.resize((equalise(scaled) * 255).astype(np.uint8), (int(1300 * 1024 / 1500), 1024))
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_dicom_becomes_png_when_prepared(tmp_path):
    path = save(tmp_path / "a.dicom", make())
    for options, size in (
        (PrepareOptions("nih_cxr14", None, dicom="paper"), (1024, 768)),
        (PrepareOptions("nih_cxr14", 320, dicom="paper"), (427, 320)),
        (PrepareOptions("nih_cxr14", 12, bits=16), (16, 12)),
    ):
        content, original = shrink(path, options, 1)
        assert original == (24, 32)
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.size) == ("PNG", size)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    window = {"WindowCenter": 2000, "WindowWidth": 800, "RescaleSlope": 2, "RescaleIntercept": -5}
    squared = np.arange(4096) ** 2 // 4096
    datasets = [
        make(**window, PhotometricInterpretation="MONOCHROME1"),
        make(VOILUTSequence=lut(squared, 12), ModalityLUTSequence=lut(squared, 12)),
        run_length(),
        encapsulated(RAMP.astype(np.uint8), "JPEG2000", "JPEG2000Lossless", no_jp2=True),
        encapsulated(RAMP.astype(np.uint8), "JPEG", "JPEGBaseline8Bit"),
    ]
    return [save(folder / f"{number}.dcm", dataset).read_bytes() for number, dataset in enumerate(datasets)]


def outcome(read, path):
    """The picture and the path, or black and the message of the only error that is allowed."""
    try:
        return read(path), str(path)
    except ImageError as error:
        return torch.zeros(1, 1, 1), str(error)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=5000)  # milliseconds: a hang is a failure
@given(data=st.data())
def test_mutated_bytes_end_in_a_picture_or_an_error_that_names_the_file(seeds, tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 6))):
        # most of a file is pixels; what breaks readers stands before them
        at = data.draw(st.one_of(st.integers(132, min(900, len(content) - 1)), st.integers(0, len(content) - 1)))
        what = data.draw(st.sampled_from(["replace", "insert", "delete", "cut"]))
        new = data.draw(st.binary(min_size=1, max_size=4))
        if what == "cut":
            del content[max(at, 1) :]
            break
        content[at : at + (0 if what == "insert" else len(new))] = b"" if what == "delete" else new
    path = tmp_path_factory.getbasetemp() / "mutated.dcm"
    path.write_bytes(content)
    for read in (read_dicom, lambda one: read_dicom(one, "none"), read_dicom_as_paper):
        image, message = outcome(read, path)
        assert str(path) in message
        assert image.ndim == 3
        assert torch.isfinite(image.float()).all()
        assert 0 <= image.min() <= image.max() <= (255 if image.dtype == torch.uint8 else 1)
