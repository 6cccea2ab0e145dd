from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from radiographs import IDENTITY, noise, write_radiograph

from pylon_zoo.errors import ConfigError, ImageError, UnknownNameError
from pylon_zoo.explanation.caption import add_notice
from pylon_zoo.explanation.dicom.job import NOTICE
from pylon_zoo.explanation.explainer import explain
from pylon_zoo.explanation.result import Explanation

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom-out]")
highdicom = pytest.importorskip("highdicom", reason="needs the extra [dicom-out]")

WHEN = datetime(2026, 1, 2, 3, 4, 5)
LABELS = ("nodule", "mass", "effusion")
MODEL = "tiny.of_tests"
# Two regions of nodule, one of mass, none of effusion; its cells are 8 by 8 pixels.
HEATMAP = torch.full((3, 5, 6), -4.0)
HEATMAP[0, 1, 1], HEATMAP[0, 3, 4], HEATMAP[1, 4, 0], HEATMAP[2, 2, 2] = 3.0, 2.0, 1.0, -1.0
SOP_CLASSES = {
    "map": "1.2.840.10008.5.1.4.1.1.30",
    "segmentation": "1.2.840.10008.5.1.4.1.1.66.4",
    "capture": "1.2.840.10008.5.1.4.1.1.7",
    "report": "1.2.840.10008.5.1.4.1.1.88.33",
}


@pytest.fixture
def explained(fixed_model: Callable, tmp_path: Path) -> Callable[..., Explanation]:
    """`explained(name="a.dcm", stored=None, **attributes)`: a radiograph with those attributes, explained."""

    def run(name: str = "a.dcm", stored: np.ndarray | None = None, **attributes: object) -> Explanation:
        return explain(fixed_model(HEATMAP, LABELS), write_radiograph(tmp_path / name, stored, **attributes))

    return run


def written(explanation: Explanation, folder: Path, **options: object) -> dict[str, pydicom.Dataset]:
    """Stem of the file → what pydicom reads of it."""
    files = explanation.to_dicom(folder, **{"model_name": MODEL, "when": WHEN, **options})
    assert sorted(files) == sorted(folder.iterdir())
    return {file.stem: pydicom.dcmread(file) for file in files}


def test_four_kinds_of_one_patient_and_study(explained: Callable, tmp_path: Path) -> None:
    explanation = explained()
    objects = written(explanation, tmp_path / "out")
    assert list(objects) == [
        *("map_1_nodule", "map_2_mass", "map_3_effusion", "segmentation"),
        *("capture_1_nodule", "capture_2_mass", "capture_3_effusion", "report"),
    ]
    source = pydicom.dcmread(explanation.path)
    for stem, dataset in objects.items():
        assert dataset.SOPClassUID == SOP_CLASSES[stem.split("_")[0]]
        assert {name: str(dataset[name].value) for name in IDENTITY} == IDENTITY
        assert dataset.StudyInstanceUID == source.StudyInstanceUID
        assert dataset.SeriesInstanceUID != source.SeriesInstanceUID
        assert NOTICE.lower() in dataset.SeriesDescription
        assert dataset.ManufacturerModelName == MODEL
        content = (tmp_path / "out" / f"{stem}.dcm").read_bytes()
        assert source.SOPInstanceUID.encode() in content, "it does not say what it is about"
        assert content.lower().count(NOTICE.lower().encode()) > 1
        assert (dataset.ContentDate, dataset.ContentTime) == ("20260102", "030405")
    assert len({dataset.SOPInstanceUID for dataset in objects.values()}) == len(objects)
    assert len({dataset.SeriesInstanceUID for dataset in objects.values()}) == 4
    assert [objects[f"map_{place}"].InstanceNumber for place in ("1_nodule", "2_mass", "3_effusion")] == [1, 2, 3]


def test_a_map_is_the_probability_map_to_the_bit(small_model, tmp_path: Path) -> None:
    explanation = explain(small_model, write_radiograph(tmp_path / "a.dcm"))
    (stem,) = written(explanation, tmp_path / "out", kinds=["map"], labels=["mass"])
    map_ = highdicom.pm.ParametricMap.from_file(tmp_path / "out" / f"{stem}.dcm")
    assert np.array_equal(map_.pixel_array, explanation.probability_map("mass").numpy())
    frame = map_.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert frame.ReferencedSOPInstanceUID == pydicom.dcmread(explanation.path).SOPInstanceUID
    assert frame.SpatialLocationsPreserved == "YES"
    mapping = map_.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeMeaning == "Class activation"


@pytest.mark.parametrize(
    ("attributes", "orientation", "spacing"),
    [
        ({}, [1, 0, 0, 0, 0, -1], [0.2, 0.1]),
        ({"PatientOrientation": ["P", "F"]}, [0, 1, 0, 0, 0, -1], [0.2, 0.1]),
        ({"PatientOrientation": ["RA", "H"], "PixelSpacing": None}, [-1, 0, 0, 0, 0, 1], [1, 1]),
        ({"PatientOrientation": None, "ImagerPixelSpacing": [0.3, 0.3]}, [1, 0, 0, 0, 1, 0], [0.2, 0.1]),
        ({"PatientOrientation": ["L", "R"]}, [1, 0, 0, 0, 1, 0], [0.2, 0.1]),
    ],
)
def test_a_radiographs_map_has_a_plane_of_its_own(
    explained: Callable, tmp_path: Path, attributes: dict, orientation: list, spacing: list
) -> None:
    (map_,) = written(explained(**attributes), tmp_path / "out", kinds=["map"], labels=["nodule"]).values()
    shared = map_.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == orientation
    assert shared.PixelMeasuresSequence[0].PixelSpacing == spacing
    assert map_.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient == [0, 0, 0]
    assert map_.FrameOfReferenceUID.startswith("2.25.")


def test_a_slices_map_lies_where_the_slice_does(fixed_model: Callable, tmp_path: Path) -> None:
    path = pydicom.data.get_testdata_file("CT_small.dcm")
    source = pydicom.dcmread(path)
    explanation = explain(fixed_model(HEATMAP, LABELS), path)
    objects = written(explanation, tmp_path / "out")
    for stem in ("map_1_nodule", "segmentation"):
        assert objects[stem].FrameOfReferenceUID == source.FrameOfReferenceUID
        frame = objects[stem].PerFrameFunctionalGroupsSequence[0]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
        shared = objects[stem].SharedFunctionalGroupsSequence[0]
        assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == source.ImageOrientationPatient
        assert shared.PixelMeasuresSequence[0].PixelSpacing == source.PixelSpacing


def test_a_segment_is_where_the_map_reaches_the_threshold(explained: Callable, tmp_path: Path) -> None:
    explanation = explained()
    written(explanation, tmp_path / "out", kinds=["segmentation"])
    segmentation = highdicom.seg.segread(tmp_path / "out" / "segmentation.dcm")
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["nodule", "mass"]
    source = pydicom.dcmread(explanation.path).SOPInstanceUID
    masks = segmentation.get_pixels_by_source_instance([source])[0]
    for place, label in enumerate(("nodule", "mass")):
        assert np.array_equal(masks[..., place] == 1, explanation.probability_map(label).numpy() >= 0.5)
    assert masks.any((0, 1)).all()


def test_without_a_region_there_is_no_segmentation(fixed_model: Callable, tmp_path: Path) -> None:
    explanation = explain(fixed_model(torch.full((1, 5, 6), -4.0), ("nodule",)), write_radiograph(tmp_path / "a.dcm"))
    assert list(written(explanation, tmp_path / "out")) == ["map_1_nodule", "capture_1_nodule", "report"]


def test_a_capture_is_the_overlay_under_a_notice(explained: Callable, tmp_path: Path) -> None:
    explanation = explained()
    (capture,) = written(explanation, tmp_path / "out", kinds=["capture"], labels=["mass"]).values()
    overlay = explanation.overlay("mass")
    assert capture.pixel_array.shape == (*np.asarray(add_notice(overlay, NOTICE)).shape,)
    assert np.array_equal(capture.pixel_array[-overlay.height :], np.asarray(overlay))
    assert capture.pixel_array[: -overlay.height].max() > 200, "the notice is not to be seen"
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == pydicom.dcmread(explanation.path).SOPInstanceUID
    assert capture.PatientOrientation == ["L", "F"]


def test_the_report_has_every_class_with_our_numbers(explained: Callable, tmp_path: Path) -> None:
    explanation = explained()
    written(explanation, tmp_path / "out", kinds=["report"])
    content = highdicom.sr.srread(tmp_path / "out" / "report.dcm").content
    groups = content.get_image_measurement_groups()
    assert [group.finding_type.meaning for group in groups] == ["nodule", "mass", "effusion"]
    for group, finding in zip(groups, explanation.findings, strict=True):
        certainty, threshold = group.get_measurements()
        assert certainty.value / 100 == pytest.approx(finding.probability, abs=1e-12)
        assert threshold.value / 100 == finding.threshold
        (point,) = certainty.referenced_coordinates
        assert point.value.tolist() == [[finding.peak.x + 0.5, finding.peak.y + 0.5]]
    rois = iter(content.get_planar_roi_measurement_groups())
    boxes = [(finding.label, box) for finding in explanation.findings for box in finding.boxes]
    assert len(boxes) == 3
    for label, box in boxes:
        group = next(rois)
        corners = group.roi.value
        assert group.finding_type.meaning == label
        # An SCOORD counts from the corner of the first pixel, a box has its borders included.
        assert (*corners.min(0), *(corners.max(0) - 1)) == tuple(box)
        inside = explanation.probability_map(label)[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1]
        (certainty,) = group.get_measurements()
        assert certainty.value == 100 * float(inside.max())


def test_a_class_has_one_identifier_in_regions_and_report(explained: Callable, tmp_path: Path) -> None:
    written(explained(), tmp_path / "out", kinds=["segmentation", "report"])
    content = highdicom.sr.srread(tmp_path / "out" / "report.dcm").content
    segments = highdicom.seg.segread(tmp_path / "out" / "segmentation.dcm").SegmentSequence
    groups = content.get_image_measurement_groups()
    assert [segment.TrackingUID for segment in segments] == [group.tracking_uid for group in groups[:2]]


def test_white_as_zero_changes_no_result(explained: Callable, tmp_path: Path) -> None:
    stored = noise(1)
    plain = written(explained("a.dcm", stored), tmp_path / "plain")
    inverted = explained("a.dcm", 4095 - stored, PhotometricInterpretation="MONOCHROME1")
    for stem, dataset in written(inverted, tmp_path / "inverted").items():
        assert dataset.SOPInstanceUID == plain[stem].SOPInstanceUID
        if stem.startswith("capture"):
            assert np.array_equal(dataset.pixel_array, plain[stem].pixel_array)


def test_the_same_results_have_the_same_identifiers(explained: Callable, tmp_path: Path) -> None:
    explanation = explained()
    options = {"model_name": MODEL, "labels": ["nodule"]}
    first = explanation.to_dicom(tmp_path / "1", when=WHEN, **options)
    again = explanation.to_dicom(tmp_path / "2", when=WHEN, **options)
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    later = written(explanation, tmp_path / "3", when=datetime(2027, 1, 1), **options)
    assert {file.stem: pydicom.dcmread(file).SOPInstanceUID for file in first} == {
        stem: dataset.SOPInstanceUID for stem, dataset in later.items()
    }


def test_other_results_have_other_identifiers(fixed_model: Callable, tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "a.dcm")
    model = fixed_model(HEATMAP, LABELS)
    uids = {
        name: {stem: dataset.SOPInstanceUID for stem, dataset in written(found, tmp_path / name, **options).items()}
        for name, found, options in (
            ("plain", explain(model, path), {}),
            ("renamed", explain(model, path), {"model_name": "another"}),
            ("stricter", explain(model, path, threshold=0.6), {}),
        )
    }
    assert not set(uids["plain"].values()) & set(uids["renamed"].values())
    changed = {stem for stem, uid in uids["stricter"].items() if uid != uids["plain"][stem]}
    # Contours are drawn at the threshold; maps know nothing of it.
    assert changed == {"segmentation", "report", "capture_1_nodule", "capture_2_mass"}


def test_images_of_a_series_share_series(explained: Callable, tmp_path: Path) -> None:
    one = written(explained("a.dcm"), tmp_path / "1", labels=["nodule"])
    two = written(explained("b.dcm", InstanceNumber=2), tmp_path / "2", labels=["nodule"])
    elsewhere = explained("c.dcm", SeriesInstanceUID="1.2.3", SeriesNumber=None)
    other = written(elsewhere, tmp_path / "3", labels=["nodule"])
    for stem, dataset in one.items():
        assert dataset.SeriesInstanceUID == two[stem].SeriesInstanceUID != other[stem].SeriesInstanceUID
        assert dataset.SOPInstanceUID != two[stem].SOPInstanceUID
        assert dataset.InstanceNumber != two[stem].InstanceNumber
        assert dataset.StudyInstanceUID == two[stem].StudyInstanceUID == other[stem].StudyInstanceUID
    assert [one[stem].SeriesNumber for stem in ("map_1_nodule", "segmentation", "report")] == [201, 202, 204]
    assert other["report"].SeriesNumber == 104


@pytest.mark.filterwarnings("error")
def test_names_and_labels_in_any_script(fixed_model: Callable, tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    charset = ["", "ISO 2022 IR 87"]
    path = write_radiograph(tmp_path / "a.dcm", PatientName=name, SpecificCharacterSet=charset, StudyDescription=None)
    explanation = explain(fixed_model(HEATMAP, ("结节", "a\\b" + "c" * 99, "café")), path)
    objects = written(explanation, tmp_path / "out")
    assert {str(dataset.PatientName) for dataset in objects.values()} == {name}
    assert [segment.SegmentLabel for segment in objects["segmentation"].SegmentSequence] == ["结节", "a/b" + "c" * 61]
    groups = highdicom.sr.srread(tmp_path / "out" / "report.dcm").content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in groups] == list(explanation.labels)
    assert len({group.finding_type.value for group in groups}) == 3


def test_one_frame_may_be_counted_and_a_number_may_be_large(explained: Callable, tmp_path: Path) -> None:
    objects = written(explained(NumberOfFrames=1, SeriesNumber=2**31 - 1, InstanceNumber=0), tmp_path / "out")
    assert len(objects) == 8
    assert all(0 < dataset.SeriesNumber < 2**31 for dataset in objects.values())


@pytest.mark.filterwarnings("error")
def test_the_anonymous_have_one_name(explained: Callable, tmp_path: Path) -> None:
    objects = written(explained(PatientName="ANON17"), tmp_path / "out")
    assert {str(dataset.PatientName) for dataset in objects.values()} == {"ANON17"}


def test_relevance_is_called_saliency(explained: Callable, tmp_path: Path) -> None:
    explanation = explained()
    relevant = Explanation(
        **{name: getattr(explanation, name) for name in ("path", "image", "labels", "probabilities")},
        **{name: getattr(explanation, name) for name in ("native_heatmaps", "half_logits", "thresholds")},
        unit="relevance",
    )
    (map_,) = written(relevant, tmp_path / "out", kinds=["map"], labels=["nodule"]).values()
    mapping = map_.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeMeaning == "Saliency"
    assert mapping.LUTExplanation == "nodule: share of the map's maximum"


def test_an_image_from_memory_needs_its_source(fixed_model: Callable, tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "a.dcm")
    explanation = explain(fixed_model(HEATMAP, LABELS), np.zeros((40, 48), np.uint8))
    with pytest.raises(ImageError, match="came from memory, so say with source="):
        explanation.to_dicom(tmp_path / "out", model_name=MODEL)
    assert len(written(explanation, tmp_path / "out", source=path)) == 8


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source": "other.dcm"}, ImageError, "has 30x20 pixels and the explanation is of 48x40"),
        ({"kinds": ["maps"]}, UnknownNameError, "kinds='maps' is not one of map, .* Did you mean 'map'"),
        ({"labels": ["nodul"]}, UnknownNameError, "Did you mean 'nodule'"),
        ({"folder": "a.dcm"}, ConfigError, "cannot be a folder"),
    ],
)
def test_wrong_arguments(
    explained: Callable, tmp_path: Path, monkeypatch, options: dict, error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_radiograph(tmp_path / "other.dcm", noise(size=(20, 30)))
    with pytest.raises(error, match=message):
        explained().to_dicom(**{"folder": tmp_path / "out", "model_name": MODEL, **options})
    assert not [*tmp_path.glob("out/*")]


def test_what_highdicom_says_against_a_source_is_one_sentence(fixed_model: Callable, tmp_path: Path) -> None:
    source = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    del source.FrameOfReferenceUID  # which a CT must have
    source.save_as(tmp_path / "a.dcm")
    explanation = explain(fixed_model(HEATMAP, LABELS), tmp_path / "a.dcm")
    with pytest.raises(ImageError, match=r"a\.dcm' has attributes that no DICOM result can be made with \(.*required"):
        explanation.to_dicom(tmp_path / "out", model_name=MODEL)
    assert not [*(tmp_path / "out").iterdir()], "maps were written before, and are of no use alone"
