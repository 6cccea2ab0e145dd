"""The releases that need a login: how to get them, and what must have arrived.

Their publishers hand them out to those who agreed to their terms, so that nothing here downloads them. Numbers of
images are those that the releases' own pages or papers state.
"""

from __future__ import annotations

from pylon_zoo.data.download.table import Agreement, Way

PHYSIONET_TERMS = "PhysioNet's credentialed access: a training course, and the data use agreement of the release"
KAGGLE_TERMS = "the rules of the competition at Kaggle"
KAGGLE_LOGIN = (
    "Make an account at https://www.kaggle.com and, in its settings, an API token; `pip install kaggle` finds it in "
    "~/.kaggle."
)


def _physionet(project: str, version: str) -> tuple[str, ...]:
    return (
        "Make an account at https://physionet.org, and ask for credentialed access in its settings; that needs the "
        "CITI course 'Data or Specimens Only Research'.",
        f"Sign the data use agreement at the end of https://physionet.org/content/{project}/{version}/.",
        "$ wget -r -N -c -np -nH --cut-dirs=3 --user YOUR_NAME --ask-password -P {root} "
        f"https://physionet.org/files/{project}/{version}/",
        "A download that broke goes on where it stopped when the same command runs again.",
    )


def _kaggle(competition: str) -> tuple[str, ...]:
    return (
        KAGGLE_LOGIN,
        f"Accept the rules at https://www.kaggle.com/competitions/{competition}/rules; until then Kaggle answers 403.",
        f"$ kaggle competitions download -c {competition} -p {{root}}",
        f"$ unzip -q -n {{root}}/{competition}.zip -d {{root}}",
    )


VINDR_IMAGES = (("train/*.dicom",), 15_000)

AGREEMENTS: dict[str, Agreement] = {
    "vindr_cxr": Agreement(
        what="VinDr-CXR: 15,000 chest radiographs, read by three radiologists each, with boxes",
        terms=f"{PHYSIONET_TERMS}; or {KAGGLE_TERMS}",
        home="https://physionet.org/content/vindr-cxr/1.0.0/",
        sources={
            "physionet": Way(
                _physionet("vindr-cxr", "1.0.0"),
                VINDR_IMAGES,
                ("annotations/annotations_train.csv", "annotations/image_labels_train.csv", "train/*"),
            ),
            "kaggle": Way(_kaggle("vinbigdata-chest-xray-abnormalities-detection"), VINDR_IMAGES),
        },
    ),
    "mimic_cxr": Agreement(
        what="MIMIC-CXR-JPG: 377,110 chest radiographs with 13 labels",
        terms=PHYSIONET_TERMS,
        home="https://physionet.org/content/mimic-cxr-jpg/2.1.0/",
        sources={
            "physionet": Way(
                (
                    *_physionet("mimic-cxr-jpg", "2.1.0"),
                    "For boxes, put the CSV of https://physionet.org/content/ms-cxr/ into the same folder.",
                ),
                (("files/p*/p*/s*/*.jpg",), 377_110),
                (
                    "files/*",
                    "mimic-cxr-2.0.0-chexpert.csv.gz",
                    "mimic-cxr-2.0.0-metadata.csv.gz",
                    "mimic-cxr-2.0.0-split.csv.gz",
                ),
            )
        },
    ),
    "chexpert": Agreement(
        what="CheXpert: 223,648 chest radiographs to train and validate, with 13 labels",
        terms="Stanford's research use agreement",
        home="https://stanfordmlgroup.github.io/competitions/chexpert/",
        sources={
            "stanford": Way(
                (
                    "Sign in and agree at https://stanfordaimi.azurewebsites.net/datasets/"
                    "8cbd9ed4-2eb9-4565-affc-111cf4f7ebe2, which then shows an address of your own.",
                    "$ azcopy copy 'THE_ADDRESS' {root} --recursive",
                    "Unpack the archives there, so that {root} holds train.csv, valid.csv, train/ and valid/, or the "
                    "release's folder with them.",
                ),
                (
                    (
                        "train/patient*/study*/*.jpg",
                        "valid/patient*/study*/*.jpg",
                        "CheXpert*/train/patient*/study*/*.jpg",
                        "CheXpert*/valid/patient*/study*/*.jpg",
                    ),
                    223_648,
                ),
            )
        },
    ),
    "rsna_pneumonia": Agreement(
        what="RSNA Pneumonia Detection Challenge: 26,684 of the NIH's radiographs, boxes of opacities",
        terms=f"{KAGGLE_TERMS}; RSNA asks to be named, see its page",
        home="https://www.rsna.org/education/ai-resources-and-training/ai-image-challenge/"
        "rsna-pneumonia-detection-challenge-2018",
        sources={
            "kaggle": Way(_kaggle("rsna-pneumonia-detection-challenge"), (("stage_2_train_images/*.dcm",), 26_684))
        },
    ),
    "siim_pneumothorax": Agreement(
        what="SIIM-ACR Pneumothorax Segmentation: the NIH's radiographs with masks",
        terms=KAGGLE_TERMS,
        home="https://www.kaggle.com/competitions/siim-acr-pneumothorax-segmentation",
        sources={
            "kaggle": Way(
                (
                    *_kaggle("siim-acr-pneumothorax-segmentation"),
                    "If that brings no images, the competition's page says where they are now; unpack them anywhere in "
                    "{root}, beside stage_2_train.csv or train-rle.csv.",
                )
            )
        },
    ),
    "padchest": Agreement(
        what="PadChest: more than 160,000 chest radiographs with 174 findings",
        terms="BIMCV's research use agreement",
        home="https://bimcv.cipf.es/bimcv-projects/padchest/",
        sources={
            "bimcv": Way(
                (
                    "Ask for access at https://bimcv.cipf.es/bimcv-projects/padchest/; the answer names the address of "
                    "the archives.",
                    "Download the archives 0.zip, 1.zip, … and PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz "
                    "into {root}.",
                    "$ cd {root} && for one in [0-9]*.zip; do unzip -q -n $one -d ${{one%.zip}}; done",
                    "The images must then lie in {root}/0, {root}/1, … as the table's column ImageDir says.",
                )
            )
        },
    ),
}
"""Dataset, as in `pylon_zoo.data.registry.DATASETS` → how to get it."""
