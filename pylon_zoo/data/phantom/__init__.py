"""Procedural chest radiographs: labelled pictures with boxes that need no download.

They are drawn, not taken. They look like chest radiographs to a network, carry the names of real findings because those
were their models, and serve to test, to demonstrate and to compare methods; nothing learnt from them is a diagnosis.
"""

from __future__ import annotations

from pylon_zoo.data.phantom.dataset import MEAN, STD, PhantomCxr
from pylon_zoo.data.phantom.findings import CLASSES
from pylon_zoo.data.phantom.render import Phantom, render, sample_labels

__all__ = ["CLASSES", "MEAN", "STD", "Phantom", "PhantomCxr", "render", "sample_labels"]
