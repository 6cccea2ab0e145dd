from __future__ import annotations

import random
from collections import Counter

import pytest
import torch

from pylon_zoo.data.splits import assign_by_hash, assign_stratified, check_patient_leak, split_hash
from pylon_zoo.errors import ConfigError, DataError

PATIENTS = [str(number) for number in range(10_000)]
FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}


def test_the_assignment_is_frozen():
    # sha256 of "s:1", "s:2", "s:3" begins with 1b, 5b, d1: 0.11, 0.36, 0.82. A change here changes everyone's split.
    assert assign_by_hash(["1", "2", "3", "1"], {"a": 0.3, "b": 0.3, "c": 0.4}, salt="s") == ["a", "b", "c", "a"]


def test_a_patient_may_be_named_by_a_file_whose_name_is_no_unicode():
    names = ["scan-\udcff.png", "scan-\udcfe.png", "\ud800"]
    assert set(assign_by_hash(names, FRACTIONS, salt="x")) <= set(FRACTIONS)
    assert split_hash(names, torch.eye(3)) != split_hash([*names[:2], "c"], torch.eye(3))


def test_shares_are_met_within_three_sigma():
    counts = Counter(assign_by_hash(PATIENTS, FRACTIONS, salt="x"))
    for split, share in FRACTIONS.items():
        assert abs(counts[split] / len(PATIENTS) - share) < 3 * (share * (1 - share) / len(PATIENTS)) ** 0.5


def test_neither_order_nor_company_matters():
    alone = dict(zip(PATIENTS, assign_by_hash(PATIENTS, FRACTIONS, salt="x"), strict=True))
    shuffled = random.Random(0).sample(PATIENTS, 500)
    assert assign_by_hash(shuffled, FRACTIONS, salt="x") == [alone[patient] for patient in shuffled]


def test_another_salt_is_another_split():
    first, second = (assign_by_hash(PATIENTS, FRACTIONS, salt=salt) for salt in "xy")
    assert first != second


def test_moving_a_border_moves_only_the_patients_beyond_it():
    small = assign_by_hash(PATIENTS, {"train": 0.9, "val": 0.1}, salt="x")
    large = assign_by_hash(PATIENTS, {"train": 0.8, "val": 0.2}, salt="x")
    assert all(now == "val" for before, now in zip(small, large, strict=True) if before == "val")


def test_everything_or_nothing():
    assert set(assign_by_hash(PATIENTS, {"train": 1.0, "val": 0.0}, salt="x")) == {"train"}
    assert assign_by_hash([], FRACTIONS, salt="x") == []


def test_every_stratum_is_shared_out_to_within_one():
    strata = ["rare" if int(name) % 97 == 0 else "common" for name in PATIENTS]
    splits = assign_stratified(PATIENTS, strata, FRACTIONS, salt="x")
    counts = Counter(zip(strata, splits, strict=True))
    for stratum, size in Counter(strata).items():
        for split, share in FRACTIONS.items():
            assert abs(counts[stratum, split] - share * size) <= 1
    alone = dict(zip(PATIENTS, splits, strict=True))
    order = random.Random(0).sample(range(len(PATIENTS)), len(PATIENTS))
    again = assign_stratified([PATIENTS[i] for i in order], [strata[i] for i in order], FRACTIONS, salt="x")
    assert again == [alone[PATIENTS[i]] for i in order]
    assert assign_stratified(["1"], ["only"], FRACTIONS, salt="x") == ["train"]


@pytest.mark.parametrize("fractions", [{"a": 0.5}, {"a": 1.5, "b": -0.5}, {}, {"a": float("nan")}])
def test_shares_that_are_none(fractions):
    with pytest.raises(ConfigError, match="add up to 1"):
        assign_by_hash(["1"], fractions, salt="x")


def test_a_shared_patient_is_named():
    with pytest.raises(DataError, match=r"Patient '7' \(and 1 more\) is in both 'train' and 'test'"):
        check_patient_leak(train=["1", "7", "8"], val=["2"], test=["8", "7", "7"])
    with pytest.raises(DataError, match="Patient '2' is in both 'val' and 'test'"):
        check_patient_leak(train=["1"], val=["2"], test=["2"])


def test_disjoint_splits_pass():
    check_patient_leak(train=["1", "1"], val=["2"], test=[])


NAN = float("nan")


def test_a_splits_hash_is_frozen():
    # sha256 of "1: 1 0\n2: 0 ?"
    expected = "f0b64b0606f1086965583850f1800e0e848b9637b3e6d491892960478dccd83c"
    assert split_hash(["1", "2"], torch.tensor([[1.0, 0.0], [0.0, NAN]])) == expected
    assert split_hash(["2", "1"], torch.tensor([[0.0, NAN], [1.0, 0.0]])) == expected


@pytest.mark.parametrize(
    ("patients", "targets"),
    [
        (["1", "3"], [[1, 0], [0, NAN]]),
        (["1", "2"], [[1, 0], [0, 0]]),
        (["1", "2"], [[1, 1], [0, NAN]]),
        (["1"], [[1, 0]]),
        (["1", "2", "2"], [[1, 0], [0, NAN], [0, NAN]]),
    ],
)
def test_other_images_or_labels_have_another_hash(patients: list[str], targets: list[list[float]]):
    assert split_hash(patients, torch.tensor(targets)) != split_hash(["1", "2"], torch.tensor([[1.0, 0.0], [0.0, NAN]]))


def test_a_patient_for_every_image():
    with pytest.raises(DataError, match="1 patients were given for 2 images"):
        split_hash(["1"], torch.zeros(2, 3))
