"""What to make of an uncertain label, and one dataset's labels in the words of another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pylon_zoo.data.dataset import LabelledDataset, SampleTransform
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

UNCERTAIN = {"ones": 1.0, "zeros": 0.0, "ignore": math.nan}
"""Policy → what becomes of an uncertain label, written -1 in tables; CheXpert's names (Irvin et al., AAAI 2019)."""


def uncertain_value(policy: str) -> float:
    """What a policy makes of an uncertain label: 1, 0 or NaN.

    Args:
        policy: `"ones"`, `"zeros"` or `"ignore"`.

    Raises:
        UnknownNameError: no such policy.

    Example:
        >>> uncertain_value("ones")
        1.0
    """
    if policy not in UNCERTAIN:
        raise UnknownNameError(
            f"Unknown policy '{policy}' for uncertain labels: one of {', '.join(UNCERTAIN)}."
            f"{suggest(policy, UNCERTAIN)}"
        )
    return UNCERTAIN[policy]


class RelabelledDataset(LabelledDataset):
    """A dataset in other classes: those of the model it is to be measured on, say. The source is left as it is.

    A new class is present where any of its sources is, unknown (NaN) where none is present and one is unknown, else
    absent; without sources it is unknown everywhere. Boxes and masks go to every new class that their class is a source
    of; those of classes that are no source are left out.

    Args:
        source: the dataset; its own transform is applied first.
        mapping: new class → the classes of `source` that make it up, in the order of the new classes.
        transform: `Sample -> Sample`, applied after relabelling.

    Raises:
        UnknownNameError: a class that the source does not have; suggests the nearest.
        ConfigError: no classes.

    Example:
        >>> from pylon_zoo.data.phantom import PhantomCxr
        >>> data = RelabelledDataset(PhantomCxr("test", size=64, count=2), {"Fluid": ["Effusion"], "Other": []})
        >>> data.targets()[:, 1]
        tensor([nan, nan])
    """

    def __init__(
        self,
        source: LabelledDataset,
        mapping: Mapping[str, Sequence[str]],
        *,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(source.split, transform)
        if not mapping:
            raise ConfigError("A mapping of labels needs at least one class.")
        self.source = source
        self.name, self.channels, self.splits = source.name, source.channels, source.splits
        self.classes = tuple(mapping)
        index_of = {name: index for index, name in enumerate(source.classes)}
        for name, parts in mapping.items():
            if isinstance(parts, str):
                raise ConfigError(f"The sources of '{name}' must be a list of classes: write ['{parts}'].")
            for part in parts:
                if part not in index_of:
                    raise UnknownNameError(
                        f"'{name}' is to be made of '{part}', which '{source.name}' does not have: it has "
                        f"{', '.join(source.classes)}.{suggest(part, source.classes)}"
                    )
        self._parts = [[index_of[part] for part in parts] for parts in mapping.values()]

    def __len__(self) -> int:
        return len(self.source)

    def load(self, index: int) -> Sample:
        """The source's sample with the new labels, boxes and masks."""
        sample = self.source[index]
        found = [
            torch.cat([torch.full_like(of[:, :1], new), of[:, 1:]], dim=1)
            for new, parts in enumerate(self._parts)
            for part in parts
            for of in [sample.boxes[sample.boxes[:, 0] == part]]
        ]
        boxes = torch.cat([sample.boxes[:0], *found])
        target = self._relabel(sample.target[None])[0]
        return replace(sample, target=target, boxes=boxes, masks=self._masks(sample.masks))

    def _masks(self, masks: Tensor | None) -> Tensor | None:
        return None if masks is None else torch.stack([masks[parts].any(dim=0) for parts in self._parts])

    def targets(self) -> Tensor:
        """All labels, (len, K) of the new classes."""
        return self._relabel(self.source.targets())

    @property
    def patients(self) -> list[str]:
        """The source's."""
        return self.source.patients

    def _relabel(self, targets: Tensor) -> Tensor:
        """(N, K of the source) → (N, K)."""
        columns = []
        for parts in self._parts:
            of = targets[:, parts]
            unknown = of.isnan().any(dim=1) if parts else torch.ones(len(targets), dtype=torch.bool)
            present = (of == 1).any(dim=1)
            columns.append(torch.where(unknown & ~present, torch.nan, present.float()))
        return torch.stack(columns, dim=1)
