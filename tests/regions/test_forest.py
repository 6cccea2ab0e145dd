from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pylon_zoo.regions.forest import changes, framed, join, roots


def test_a_long_way_leads_to_its_root():
    assert roots(np.maximum(np.arange(1000) - 1, 0)).tolist() == [0] * 1000
    assert roots(np.zeros(0, dtype=np.int64)).tolist() == []


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), edges=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=60))
def test_joined_things_are_scipys_components(count, edges):
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2) % count
    lowest = join(count, pairs[:, 0], pairs[:, 1])
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    assert lowest.tolist() == [int(np.flatnonzero(labels == label)[0]) for label in labels]


@pytest.mark.parametrize(
    "ladder", [range(500), range(499, -1, -1), [i // 2 if i % 2 else 499 - i // 2 for i in range(500)]]
)
def test_a_chain_is_joined_in_any_order_of_its_numbers(ladder):
    chain = np.array(ladder)
    assert sorted(chain.tolist()) == list(range(500))
    assert join(500, chain[:-1], chain[1:]).tolist() == [0] * 500


def test_stretches():
    assert changes(np.zeros(0)).tolist() == []
    assert changes(np.array([3])).tolist() == [0]


def test_a_frame_is_empty():
    frame = framed(np.ones((2, 3, 4), dtype=bool))
    assert frame.shape == (2, 4, 5)
    assert frame.sum() == 24
    assert not frame[:, 0].any()
    assert not frame[:, :, -1].any()
