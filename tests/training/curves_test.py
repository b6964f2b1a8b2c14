"""Curves of training as a picture: every part has its panel, and what is no curve is named in one line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from training import curves

SVG = "{http://www.w3.org/2000/svg}"


def written(folder: Path, *records: dict[str, float]) -> Path:
    folder.mkdir()
    (folder / "curve.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def test_a_panel_a_part_and_a_line_a_run(tmp_path: Path) -> None:
    long = written(tmp_path / "a&b", *({"samples": 100 * i, "grid": 7.0 / i, "rate": 10.0} for i in range(1, 9)))
    short = written(tmp_path / "short", {"samples": 50, "grid": 3.0}, {"samples": 400, "grid": 2.0})
    assert curves.main([str(long), str(short)]) == 0
    root = ElementTree.parse(long / "curves.svg").getroot()
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == 3 and len(root.findall(f"{SVG}rect")) == 3
    last = lines[0].get("points", "").split()[-1].split(",")
    assert float(last[0]) == curves.LEFT + curves.WIDTH and float(last[1]) == curves.TOP + curves.HEIGHT
    assert str(long) in [text.text for text in root.findall(f"{SVG}text")]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "name the folder of a run"), ("", "holds no report yet"), ('{"samples": 1}\n', "holds no report yet"),
     ('{"samples": 1, "grid": 2}\nnonsense\n', "line 2 is no report"), ('{"grid": 2}\n', "line 1 is no report")],
)  # fmt: skip
def test_what_is_no_curve_is_named(text, said, tmp_path: Path, capsys) -> None:
    if text is not None:
        (tmp_path / "curve.jsonl").write_text(text)
    assert curves.main([str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "curves.svg").exists()


def test_rewards_are_drawn_over_steps_and_smoothed(tmp_path: Path) -> None:
    jumping = [{"step": i, "stage": "S1", "reward": float(i % 2), "box gain": 0.5, "seconds": 1} for i in range(40)]
    run = written(tmp_path / "rl", *jumping)
    assert curves.main([str(run)]) == 0
    root = ElementTree.parse(run / "curves.svg").getroot()
    titles = [text.text for text in root.findall(f"{SVG}text")]
    assert {"reward", "box gain", "39 steps"} <= set(titles) and "seconds" not in titles
    assert [value for _, value in curves.read(run)["reward"]][20:] == [0.5] * 20
