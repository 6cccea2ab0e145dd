"""Handwritten digits in clutter: labelled pictures that everyone can read, with boxes, and no download.

The digits are the 1797 of scikit-learn's `load_digits`, 8 by 8 pixels each (E. Alpaydin and C. Kaynak, Optical
Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998).
"""

from __future__ import annotations

from pylon_zoo.data.cluttered_digits.dataset import MEAN, STD, ClutteredDigits
from pylon_zoo.data.cluttered_digits.glyphs import CLASSES
from pylon_zoo.data.cluttered_digits.render import render, sample_labels

__all__ = ["CLASSES", "MEAN", "STD", "ClutteredDigits", "render", "sample_labels"]
