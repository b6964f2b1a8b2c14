"""All drawings of a replay together: what cannot be drawn here is one line, and the others are still there."""

from __future__ import annotations

import sys

import pytest
import replay_folder as folder

from getok_ros.label_free import check
from getok_ros.replay_drawings import draw_all
from getok_ros.replayed import Replayed


def drawn(tmp_path, capfd) -> tuple[list[str], list[str]]:
    """Names of what was drawn, and the lines told on the way."""
    run = Replayed(folder.write(tmp_path))
    paths = draw_all(run, folder.frames, list(check(run)), str(tmp_path / "drive.rrd"))
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("getok: ")]
    return [path.name for path in paths], told


def test_everything_that_people_look_at_is_drawn(tmp_path, capfd):
    pytest.importorskip("av", reason="films need PyAV: pip install av")
    pytest.importorskip("rerun", reason="needs the Rerun SDK: pip install rerun-sdk")
    assert drawn(tmp_path, capfd) == (["overlay.mp4", "scenes", "drive.rrd", "report.html"], [])
    assert (tmp_path / "worth_labelling.jsonl").is_file() and (tmp_path / "cvat" / "annotations.xml").is_file()
    page = (tmp_path / "report.html").read_text()
    assert 'data-film="overlay.mp4"' in page and '<section id="worth">' in page, (
        "the page comes last and shows the rest"
    )


def test_without_the_extras_each_is_one_line_and_the_rest_is_drawn(tmp_path, capfd, monkeypatch):
    for vendor in ("av", "rerun"):
        monkeypatch.setitem(sys.modules, vendor, None)
    names, told = drawn(tmp_path, capfd)
    assert names == ["scenes", "report.html"]
    assert len(told) == 2 and "extra film" in told[0] and "getok_ros[rerun]" in told[1]
