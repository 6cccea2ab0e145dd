"""A model that reads its answer off the image, and images that hold the answer."""

from __future__ import annotations

import pytest
from cards import Cards, RingedCards, read_cards


@pytest.fixture
def cards():
    """The dataset class."""
    return Cards


@pytest.fixture
def ringed():
    """The dataset class with masks."""
    return RingedCards


@pytest.fixture
def oracle():
    """A model that is always right."""
    return read_cards()
