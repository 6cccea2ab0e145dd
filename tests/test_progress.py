"""Progress bars."""

from __future__ import annotations

import threading

from pylon_zoo.progress import ByteBar, bar


def test_a_bar_of_images_changes_nothing(capsys):
    assert list(bar(["ab", "c"], "reading", images=3, show=True)) == ["ab", "c"]
    assert "reading" in capsys.readouterr().err
    assert list(bar(["ab", "c"], "reading", images=3, show=False)) == ["ab", "c"]
    assert capsys.readouterr() == ("", "")


def test_a_bar_of_bytes_counts_those_of_all_threads(capsys):
    with ByteBar("downloading", 80_000, show=True) as shown:
        threads = [threading.Thread(target=lambda: [shown.count(10) for _ in range(1000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shown.count(-80)
    assert shown.done == 79_920
    assert "downloading" in capsys.readouterr().err


def test_sentences_show_without_a_bar_and_not_where_they_are_not_wanted(capsys):
    with ByteBar("downloading", None, show=False) as shown:
        shown.say("the server is busy")
    with ByteBar("downloading", None, show=False, notes=False) as shown:
        shown.say("nobody hears this")
    assert capsys.readouterr() == ("", "the server is busy\n")
