"""What a model says about one class of one image."""

from __future__ import annotations

from dataclasses import dataclass

from pylon_zoo.explanation.peaks import Box, Point


@dataclass(frozen=True)
class Finding:
    """One class of one image.

    Attributes:
        label: the class.
        probability: of the class in the image, in [0, 1].
        peak: where its map is highest, in pixels of the original image.
        boxes: around each region whose probability reaches the threshold, the one with the highest value first;
            borders included, in pixels of the original image. Empty when no region does.
        threshold: the probability from which on the class counts as found.

    Example:
        >>> Finding("crack", 0.9, Point(x=12, y=7), (Box(10, 5, 14, 9),), 0.5).peak.x
        12
    """

    label: str
    probability: float
    peak: Point
    boxes: tuple[Box, ...]
    threshold: float

    @property
    def found(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold
