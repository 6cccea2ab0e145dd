"""Splits that keep a patient on one side, and can be recovered from the patients' names alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate, combinations

from torch import Tensor

from pylon_zoo.errors import ConfigError, DataError

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
"""Of each split, where a dataset does not say."""


def assign_by_hash(patients: Sequence[str], fractions: Mapping[str, float], salt: str) -> list[str]:
    """A split for every patient, from a hash of the name.

    The first eight bytes of `sha256("salt:patient")`, as a fraction of 2⁶⁴, fall into one of the splits' shares of
    [0, 1). So the split depends on nothing but the name and the salt: not on order, not on who else is there; a
    patient who appears twice is on one side. Shares are met on average, to about ±√(p(1-p)/patients).

    Args:
        patients: one name per image, repeats welcome.
        fractions: the share of each split; they add up to 1.
        salt: another salt is another split.

    Returns:
        A split name for each entry of `patients`, in order.

    Raises:
        ConfigError: a share is negative, or they do not add up to 1.

    Example:
        >>> assign_by_hash(["12", "13", "12"], {"train": 0.5, "val": 0.5}, salt="example")
        ['val', 'train', 'val']
    """
    share_at = _shares(fractions)
    split = {patient: share_at(_position(patient, salt)) for patient in set(patients)}
    return [split[patient] for patient in patients]


def assign_stratified(
    names: Sequence[str], strata: Sequence[str], fractions: Mapping[str, float], salt: str
) -> list[str]:
    """A split for every name, so that every split has its share of every stratum.

    Within a stratum, names are ranked by the hash of `assign_by_hash`, and each split takes its share of the ranks: the
    same on every machine and in any order, and met to within one name a stratum. Unlike there, adding or removing names
    can move others.

    Args:
        names: one for each image, no repeats.
        strata: the stratum of each.
        fractions: the share of each split; they add up to 1.
        salt: another salt is another split.

    Returns:
        A split name for each entry of `names`, in order.

    Raises:
        ConfigError: a share is negative, or they do not add up to 1.

    Example:
        >>> assign_stratified(["1", "2", "3", "4"], ["a", "b", "a", "b"], {"train": 0.5, "val": 0.5}, salt="s")
        ['train', 'train', 'val', 'val']
    """
    share_at = _shares(fractions)
    members: dict[str, list[str]] = {}
    for name, stratum in zip(names, strata, strict=True):
        members.setdefault(stratum, []).append(name)
    split: dict[str, str] = {}
    for of_stratum in members.values():
        ranked = sorted(of_stratum, key=lambda name: (_position(name, salt), name))
        split |= {name: share_at((rank + 0.5) / len(ranked)) for rank, name in enumerate(ranked)}
    return [split[name] for name in names]


def check_patient_leak(**splits: Iterable[str]) -> None:
    """Refuse splits that share a patient: what is learnt from one would be measured on the other.

    Args:
        **splits: split name → its patients, repeats welcome.

    Raises:
        DataError: names one shared patient, the two splits, and how many more there are.

    Example:
        >>> check_patient_leak(train=["1", "2"], test=["3"])
    """
    unique = {name: set(patients) for name, patients in splits.items()}
    for (first, ours), (second, theirs) in combinations(unique.items(), 2):
        shared = sorted(ours & theirs)
        if shared:
            more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
            raise DataError(
                f"Patient '{shared[0]}'{more} is in both '{first}' and '{second}': put all images of a patient into "
                "one split."
            )


def split_hash(patients: Iterable[str], targets: Tensor) -> str:
    """What tells one set of training images from another: a sha256 of every image's patient and labels.

    The same images in another order give the same hash; one image more, one fewer or one label changed gives another.
    No image is read.

    Args:
        patients: one name per image.
        targets: (N, K) labels, NaN unknown.

    Returns:
        64 hexadecimal digits: sha256 of the sorted lines "patient: labels", labels as 0, 1 and ? for unknown.

    Raises:
        DataError: not one patient per row of labels.

    Example:
        >>> import torch
        >>> split_hash(["1", "2"], torch.eye(2)) == split_hash(["2", "1"], torch.eye(2).flip(0))
        True
    """
    names = list(patients)
    if len(names) != len(targets):
        raise DataError(f"{len(names)} patients were given for {len(targets)} images; give one for each image.")
    words = [" ".join("?" if value != value else f"{value:g}" for value in row) for row in targets.tolist()]
    lines = sorted(f"{name}: {labels}" for name, labels in zip(names, words, strict=True))
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _shares(fractions: Mapping[str, float]) -> Callable[[float], str]:
    """Which split a position in [0, 1) belongs to."""
    shares, names = list(fractions.values()), list(fractions)
    if not (all(share >= 0 for share in shares) and math.isclose(sum(shares), 1, abs_tol=1e-6)):
        raise ConfigError(f"The shares of the splits {dict(fractions)} must be ≥ 0 and add up to 1.")
    ends = [*accumulate(shares)][:-1]  # the last share takes what rounding leaves
    return lambda position: names[bisect_right(ends, position)]


def _position(patient: str, salt: str) -> float:
    digest = sha256(f"{salt}:{patient}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
