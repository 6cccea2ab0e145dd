"""Tables with bytes changed, cut out or put in: every reader reads them or refuses them, and never trips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pylon_zoo.data.chexpert_labels import CLASSES as CHEXPERT_CLASSES
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import DataError

KAGGLE = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
NIH_ENTRIES = "Image Index,Finding Labels,Follow-up #,Patient ID\n1.png,Mass|Edema,0,1\n2.png,No Finding,0,2\n"
NIH_BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n1.png,Mass,256,512,128,64,,,\n"
XML = (
    "<annotation><size><width>8</width><height>8</height></size><object><name>dog</name><difficult>0</difficult>"
    "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>8</ymax></bndbox></object></annotation>"
)
COCO = {
    "categories": [{"id": 1, "name": "dog"}],
    "images": [{"id": 1, "file_name": "1.png", "height": 8, "width": 8}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4.5]}],
}
DET = [{"file_name": "1.png", "syms": ["Mass"], "boxes": [[1, 2, 3, 4]], "polygons": [[[1, 2], [3, 4], [5, 6]]]}]
CHEXPERT = (
    "Path,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Atelectasis,"
    "Pneumothorax,Pleural Effusion,Support Devices\nvalid/p/s/v.png,0,1,0,0,0,0,0,0,0,0\n"
)
RLE = {"p_s_v": {"Cardiomegaly": {"size": [8, 8], "counts": [10, 4, 50]}, "Edema": {"size": [8, 8], "counts": "P2"}}}

# dataset and split → its files; the images are of 8×8 pixels
TREES: dict[tuple[str, str], dict[str, str]] = {
    ("nih-cxr14", "test"): {
        "Data_Entry_2017.csv": NIH_ENTRIES,
        "BBox_List_2017.csv": NIH_BOXES,
        "train_val_list.txt": "2.png\n",
        "test_list.txt": "1.png\n",
        "images/1.png": "",
        "images/2.png": "",
    },
    ("voc", "val"): {"ImageSets/Main/val.txt": "1\n", "Annotations/1.xml": XML, "JPEGImages/1.jpg": ""},
    ("vindr-cxr", "train"): {
        "train.csv": f"{KAGGLE}1,Cardiomegaly,3,R1,1,2,3,4\n1,No finding,14,R2,,,,\n",
        "train_meta.csv": "image_id,dim0,dim1\n1,8,8\n",
        "train/1.png": "",
    },
    ("csv", "test"): {
        "labels.csv": "image,patient,split,Mass\n1.png,p,test,1\n",
        "boxes.csv": "image,label,x0,y0,x1,y1\n1.png,Mass,1,2,3,4\n",
        "1.png": "",
    },
    ("coco", "val"): {"val.json": json.dumps(COCO), "val/1.png": ""},
    ("chestx-det", "test"): {"ChestX_Det_test.json": json.dumps(DET), "test_data/1.png": ""},
    ("voc-xml", "val"): {"ImageSets/Main/val.txt": "1\n", "Annotations/1.xml": XML, "JPEGImages/1.jpg": ""},
    ("rsna-pneumonia", "train"): {
        "stage_2_train_labels.csv": "patientId,x,y,width,height,Target\n8,128,256,512,512,1\n",
        "images/8.png": "",
    },
    ("mimic-cxr", "val"): {
        "mimic-cxr-2.0.0-chexpert.csv": f"subject_id,study_id,{','.join(CHEXPERT_CLASSES)}\n10,20,1.0,-1.0{',' * 11}\n",
        "mimic-cxr-2.0.0-metadata.csv": "dicom_id,subject_id,study_id,ViewPosition\na,10,20,PA\n",
        "mimic-cxr-2.0.0-split.csv": "dicom_id,study_id,subject_id,split\na,20,10,validate\n",
        "MS_CXR_Local_Alignment_v1.1.0.csv": (
            "dicom_id,category_name,x,y,w,h,image_width,image_height\na,Edema,1,2,3,4,8,8\n"
        ),
        "files/p10/p10/s20/a.jpg": "",
    },
    ("cub", "val"): {
        "metadata/CUB/val/image_ids.txt": "b/1.png\n",
        "metadata/CUB/val/class_labels.txt": "b/1.png,0\n",
        "metadata/CUB/val/image_sizes.txt": "b/1.png,8,8\n",
        "metadata/CUB/val/localization.txt": "b/1.png,1,2,3,4\n",
        "CUB/b/1.png": "",
    },
    ("siim-pneumothorax", "train"): {"train-rle.csv": "ImageId, EncodedPixels\n8, 2048 512 512 512\n", "8.png": ""},
    ("visa", "test"): {
        "split_csv/2cls_highshot.csv": "object,split,label,image,mask\nc,test,anomaly,c/1.png,c/m.png\n",
        "c/1.png": "",
        "c/m.png": "",
    },
    ("jsrt", "train"): {
        "CLNDAT_EN.txt": "JPCLN008.IMG\t5\t20\t53\tmale\t1634\t692\tmalignant\n",
        "CNNDAT_EN.TXT": "JPCNN001.IMG\t30\tmale\tnon-nodule\n",
        "JPCLN008.png": "",
        "JPCNN001.png": "",
    },
    ("chexlocalize", "val"): {
        "gt_segmentations_val.json": json.dumps(RLE),
        "valid.csv": CHEXPERT,
        "valid/p/s/v.png": "",
    },
}
TABLES = [(*key, file) for key, files in TREES.items() for file, text in files.items() if text]


@pytest.fixture(scope="module")
def trees(tmp_path_factory) -> Callable[[str, str], Path]:
    made: dict[str, Path] = {}
    for (name, _), files in TREES.items():
        made[name] = tmp_path_factory.mktemp(name)
        for file, text in files.items():
            path = made[name] / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if text:
                path.write_text(text, encoding="utf-8")
            else:
                Image.linear_gradient("L").resize((8, 8)).save(path)
    return made.__getitem__


@pytest.mark.parametrize(("name", "split"), TREES)
def test_the_trees_are_good_as_they_are(trees, name, split):
    sample, *others = open_dataset(f"{name}:{trees(name)}", split)
    assert sample.target.nansum() > 0
    assert len(sample.boxes) > 0 or sample.masks is not None
    assert len(others) == (name == "jsrt")


@pytest.mark.parametrize(("name", "split", "file"), TABLES, ids=lambda value: value)
@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_table_is_read_or_refused(trees, name, split, file, data):
    root, good = trees(name), TREES[name, split][file].encode()
    start = data.draw(st.integers(0, len(good)), "from")
    end = data.draw(st.integers(start, min(len(good), start + 12)), "to")
    words = [
        b"",
        b"-1",
        b"0",
        b"1e999",
        b"nan",
        b"null",
        b"[]",
        b"{}",
        b'"',
        b",",
        b"\n",
        b"\0",
        b"\xff",
        b"<a>",
        b"9" * 20,
    ]
    put = data.draw(st.sampled_from(words) | st.binary(max_size=4), "in place of it")
    try:
        (root / file).write_bytes(good[:start] + put + good[end:])
        for sample in open_dataset(f"{name}:{root}", split):
            assert (sample.boxes[:, 1:] >= 0).all()
            assert (sample.boxes[:, 1:] <= 8).all()
            assert (sample.boxes[:, 3:] > sample.boxes[:, 1:3]).all()
            assert bool(((sample.target == 0) | (sample.target == 1) | sample.target.isnan()).all())
    except DataError as error:
        assert str(root) in str(error)  # noqa: PT017 (reading is allowed as well)
    finally:
        (root / file).write_bytes(good)
