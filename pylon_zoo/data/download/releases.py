"""The releases that may be downloaded without a login.

No address could be tried where this was written: each is from where its line says. A size or checksum stands here only
where somebody publishes it. The Hub tells those of its files itself, see `pylon_zoo.data.download.hub`. What has none
is checked by the length that the server announces and by the archive's own checksums, and its SHA-256 is recorded.
"""

from __future__ import annotations

from pylon_zoo.data.download.table import Part, Release, RemoteFile, Unpacking

# The mirror's commit that has all twelve archives; later ones changed its description only.
NIH_MIRROR = "hub:alkzar90/NIH-Chest-X-ray-dataset@d444bf39439f4fbfac6922e2472b1bf2554309e7/data/"
NIH_TABLES = ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt")
NIH_BOX = "https://nihcc.box.com/shared/static/{}.gz"
NIH_BOX_NAMES = (  # of images_001.tar.gz and so on, from the NIH's own batch_download_zips.py
    "vfk49d74nhbxq3nqjg0900w5nvkorp5c",
    "i28rlmbvmfjbl8p2n3ril0pptcmcu9d1",
    "f1t00wrtdk94satdfb9olcolqx20z2jp",
    "0aowwzs5lhjrceb3qp67ahp0rd1l1etg",
    "v5e3goj22zr6h8tzualxfsqlqaygfbsn",
    "asi7ikud9jwnkrnkj99jnpfkjdes7l6l",
    "jn1b4mw4n6lnh74ovmcjb8y48h8xj07n",
    "tvpxmn7qyrgl0w8wfh9kqfjskv6nmm1j",
    "upyy3ml7qdumlgk2rfcvlb9k6gvqq2pj",
    "l6nilvfa9cg3s28tqv1qc1olm3gnz54p",
    "hhq8fkdgvcari67vfhs7ppg2w6ni4jze",
    "ioqwiy20ihqwyr8pf4c24eazhh281pbu",
)
NIH_IMAGES, NIH_TEST_IMAGES = 112_120, 25_596  # as the release's lists have them


def _nih(archives: tuple[RemoteFile, ...]) -> dict[str, Part]:
    """The parts of either source; images lie in archives by number, those of a split all over them."""
    tables = tuple(RemoteFile(name, (f"{NIH_MIRROR}{name}",)) for name in NIH_TABLES)
    test = NIH_TEST_IMAGES / NIH_IMAGES
    return {
        "tables": Part(tables),
        **{archive.name.partition(".")[0]: Part((archive,)) for archive in archives},
        "test": Part(archives, default=False, listed_in="test_list.txt", share=test),
        "train": Part(archives, default=False, listed_in="train_val_list.txt", share=1 - test),
    }


def _nih_archive(number: int, name: str, address: str) -> RemoteFile:
    return RemoteFile(name, (address,), unpacking=Unpacking(f"images_{number:03}/images", "*.png", depth=1))


def _nih_names(suffix: str) -> list[tuple[int, str]]:
    return [(number, f"images_{number:03}{suffix}") for number in range(1, len(NIH_BOX_NAMES) + 1)]


NIH = Release(
    what="NIH ChestX-ray14: 112,120 chest radiographs, 14 labels, boxes of 8",
    terms="no restriction on use; cite Wang et al. 2017, link to the page below, name the NIH Clinical Center",
    home="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    sources={
        "hub": _nih(
            tuple(_nih_archive(number, name, f"{NIH_MIRROR}images/{name}") for number, name in _nih_names(".zip"))
        ),
        "nih": _nih(
            tuple(
                _nih_archive(number, name, NIH_BOX.format(box))
                for (number, name), box in zip(_nih_names(".tar.gz"), NIH_BOX_NAMES, strict=True)
            )
        ),
    },
    about="about 45 GB",
    note="`hub` is a mirror on the Hugging Face Hub; `nih` takes the images from the NIH's own Box, which publishes no "
    "checksums, and the four tables from the mirror. `test` and `train` read every archive and keep a split's images.",
)

VOC_ADDRESSES = ("https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{name}", "https://data.pjreddie.com/files/{name}")


def _voc(year: str, name: str, size: int, md5: str) -> RemoteFile:
    """The first address and the md5 as in torchvision 0.29, the second's and the size as in TensorFlow Datasets."""
    addresses = tuple(address.format(year=year, name=name) for address in VOC_ADDRESSES)
    return RemoteFile(name, addresses, size, f"md5:{md5}", Unpacking("", "VOCdevkit/*"))


VOC_2012 = _voc("2012", "VOCtrainval_11-May-2012.tar", 1_999_639_040, "6cd6e144f989b92b3379bac3b3de84fd")
VOC_2007 = (
    _voc("2007", "VOCtrainval_06-Nov-2007.tar", 460_032_000, "c52e279531787c972589f7e41ab4ae64"),
    _voc("2007", "VOCtest_06-Nov-2007.tar", 451_020_800, "b6e924de25625d8de591ea690078ad9f"),
)
VOC = Release(
    what="Pascal VOC 2012, and 2007 if asked for: photographs with boxes of 20 classes",
    terms="photographs of Flickr, under Flickr's terms of use",
    home="http://host.robots.ox.ac.uk/pascal/VOC/",
    sources={
        "oxford": {
            "2012": Part((VOC_2012,), options=("year=2012",)),
            "2007": Part(VOC_2007, default=False, options=("year=2007",)),
        }
    },
)

CHESTX_DET_TABLES = (
    "https://raw.githubusercontent.com/Deepwise-AILab/ChestX-Det-Dataset/d82eb07e66aae1423ba2502522bafaf10cdceb0d/"
)


def _chestx_det_table(name: str, size: int, oid: str) -> RemoteFile:
    """Size and git's name as in the repository that publishes it."""
    return RemoteFile(name, (f"{CHESTX_DET_TABLES}{name}",), size, f"git:{oid}")


def _chestx_det_images(part: str, sha256: str) -> RemoteFile:
    """SHA-256 as in torch_em, which downloads the same archives."""
    name = f"{part}_data.zip"
    address = f"http://resource.deepwise.com/ChestX-Det/{name}"
    return RemoteFile(name, (address,), None, f"sha256:{sha256}", Unpacking(f"{part}_data", "*.png", depth=1))


CHESTX_DET = Release(
    what="ChestX-Det: 3,578 of the NIH's radiographs, boxes and contours of 13 findings",
    terms="annotations Apache-2.0; images as NIH ChestX-ray14",
    home="https://github.com/Deepwise-AILab/ChestX-Det-Dataset",
    sources={
        "deepwise": {
            "tables": Part(
                (
                    _chestx_det_table("ChestX_Det_train.json", 2_163_730, "edac8a3b93033fa4d01b642569711a59d038589a"),
                    _chestx_det_table("ChestX_Det_test.json", 430_181, "a3bed4709ee77ec4da9be3698dffbb80ac2756c0"),
                )
            ),
            "train": Part(
                (_chestx_det_images("train", "413f74a03383280e2d63f6215c8eb581aa386cfec323fb4148f0916d2f5f2900"),)
            ),
            "test": Part(
                (_chestx_det_images("test", "c52677d1e4043bf425bc997d62db2a780f6260ea1d67ad37c65fe3b2ffdef14f"),)
            ),
        }
    },
)

WSOL = "https://raw.githubusercontent.com/clovaai/wsolevaluation/96f4b88679af41f005824661f47e6fe3628af2aa/"
WSOL_TABLES = {  # git's names and sizes of them in that repository
    "metadata/CUB/train/class_labels.txt": (337_398, "fd2808ebea4306938cd68bb669f2c7099bcebde9"),
    "metadata/CUB/train/image_ids.txt": (316_722, "6b0a7025eb9fd8aeb3263022ba5ce9e212484cf0"),
    "metadata/CUB/train/image_sizes.txt": (364_674, "61599b7f0a36110b6f65ad30a4cb2d3c220fdd8f"),
    "metadata/CUB/train/localization.txt": (405_212, "ee7e5a47075067e8baa962306bfd58dcca9703f1"),
    "metadata/CUB/val/class_labels.txt": (39_944, "0f93c497fcd593b42d18c4a78f65943993b9af8e"),
    "metadata/CUB/val/image_ids.txt": (36_496, "0561538f7cb78132e9a349fbe008c9661e276c92"),
    "metadata/CUB/val/image_sizes.txt": (44_555, "e6300a969c023d31dba20ee302e828031823ebeb"),
    "metadata/CUB/val/localization.txt": (51_919, "a69c180f6c5feca83870b11bf8ab85b9995722ce"),
    "metadata/CUB/test/class_labels.txt": (326_010, "2f689e4815259a7da79456caf8b56b658e5a1b73"),
    "metadata/CUB/test/image_ids.txt": (305_941, "dcbd21fc901829ed1f8dbfff392d85adba1ba762"),
    "metadata/CUB/test/image_sizes.txt": (352_293, "cfb3d69570d1a341711136e40543c24627a1c002"),
    "metadata/CUB/test/localization.txt": (391_543, "04318c8f577dbc31d1f1f0bbfe0837dff6622903"),
}
CUB_2011 = RemoteFile(  # md5 as at CaltechDATA; the size as in TensorFlow Datasets
    "CUB_200_2011.tgz",
    ("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",),
    1_150_585_339,
    "md5:97eceeb196236b17998738112f37df78",
    Unpacking("dataset/CUB", "CUB_200_2011/images/*.jpg", depth=2),
)
CUB_V2 = RemoteFile(  # the file that wsolevaluation's README links to, by the address that needs no page in between
    "CUBV2.tar",
    ("https://drive.usercontent.google.com/download?id=1U6cwKHS65wayT9FFvoLIA8cn1k0Ot2M1&export=download&confirm=t",),
    unpacking=Unpacking("dataset/CUB", "*.jpg", depth=2),
)
CUB = Release(
    what="CUB-200-2011: birds of 200 species, a box each, with wsolevaluation's splits and its CUBV2 to validate on",
    terms="photographs of Flickr, each under its own licence; wsolevaluation's labels and boxes CC BY 2.0",
    home="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    sources={
        "caltech": {
            "tables": Part(
                tuple(
                    RemoteFile(name, (f"{WSOL}{name}",), size, f"git:{oid}")
                    for name, (size, oid) in WSOL_TABLES.items()
                )
            ),
            "images": Part((CUB_2011,)),
            "val": Part((CUB_V2,)),
        }
    },
    about="1.2 GB, and the images to validate on",
)

RELEASES: dict[str, Release] = {"nih_cxr14": NIH, "voc": VOC, "chestx_det": CHESTX_DET, "cub": CUB}
"""Dataset, as in `pylon_zoo.data.registry.DATASETS` → its release."""
