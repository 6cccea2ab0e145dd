from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from pylon_zoo.deployment.prediction.loading import HELD, Loaded, batches, in_thread


def images(*sides: int) -> list[Loaded]:
    """One image for each side; 0 is one that could not be read."""
    return [
        Loaded(number, str(number), "", (side, side), torch.zeros(1, side, side))
        if side
        else Loaded(number, str(number), "", error="broken")
        for number, side in enumerate(sides)
    ]


def numbers(*sides: int, batch_size: int, rows_per_part: int = 100) -> list[list[int]]:
    return [[one.number for one in batch] for batch in batches(images(*sides), batch_size, rows_per_part)]


def test_images_of_one_size_make_full_batches() -> None:
    assert numbers(4, 4, 4, 4, 4, batch_size=2) == [[0, 1], [2, 3], [4]]


def test_a_batch_holds_one_size_and_broken_images_stand_alone() -> None:
    assert numbers(4, 8, 0, 4, 8, 4, batch_size=2) == [[2], [0, 3], [1, 4], [5]]


def test_no_batch_holds_images_of_two_parts() -> None:
    assert numbers(4, 4, 4, 4, 4, batch_size=2, rows_per_part=3) == [[0, 1], [2], [3, 4]]
    later = list(batches(images(4, 4, 4, 4, 4)[3:], 2, 3))
    assert [[one.number for one in batch] for batch in later] == [[3, 4]]


def test_a_bounded_number_of_images_waits_for_others_of_their_size() -> None:
    sides = [5, *range(4, 40), 5]
    drawn: list[int] = []

    def drawing() -> Iterator[Loaded]:
        for one in images(*sides):
            drawn.append(one.number)
            yield one

    done = 0
    for batch in batches(drawing(), 2, 1000):
        assert len(drawn) - done <= HELD * 2
        assert len({one.inputs.shape for one in batch}) == 1
        done += len(batch)
    assert done == len(sides)


def test_a_thread_draws_no_further_ahead_than_it_may() -> None:
    drawn = []
    values = in_thread((drawn.append(n) or n for n in range(100)), ahead=3)
    assert next(values) == 0
    time.sleep(0.3)
    assert len(drawn) <= 1 + 3 + 1  # given out, waiting, and the one in the thread's hand
    assert list(values) == list(range(1, 100))


def test_an_exception_in_the_thread_is_raised_in_its_place() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    values = in_thread(failing(), ahead=2)
    assert next(values) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(values)


def test_closing_ends_the_thread() -> None:
    values = in_thread(iter(int, 1), ahead=2)
    next(values)
    values.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]
