"""The Rerun export: every frame, model and stage is in the file; without the SDK one line says so."""

from __future__ import annotations

import subprocess
import sys

import pytest
import replay_folder as folder

from getok_core.errors import GetokError
from getok_ros.rerun_export import export


def test_pictures_scenes_and_times_are_in_the_recording(tmp_path):
    pytest.importorskip("rerun", reason="needs the Rerun SDK: pip install rerun-sdk")
    path = export(folder.write(tmp_path / "out"), tmp_path / "drive.rrd", folder.frames)
    told = subprocess.run([sys.executable, "-m", "rerun", "rrd", "print", "-vvv", str(path)],
                          capture_output=True, text=True, timeout=60, check=True).stdout  # fmt: skip
    assert all(kind in told for kind in ("EncodedImage", "LineStrips2D", "Boxes2D", "Scalars", "TextLog"))
    assert (
        "getok-nano_1a2b3c/lines" in told
        and "/labels/boxes" in told
        and "milliseconds/getok-nano__new__4d5e6f/propose" in told
    )
    assert "solid yellow 0.90" in told and "unclosed" in told


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    pytest.importorskip("rerun", reason="needs the Rerun SDK: pip install rerun-sdk")
    folder.write(tmp_path, 2)
    for path in (tmp_path, tmp_path / "missing" / "drive.rrd"):
        with pytest.raises(GetokError, match="cannot write") as refusal:
            export(tmp_path, path, folder.frames)
        assert "\n" not in str(refusal.value)


def test_without_the_sdk_one_line_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(GetokError, match=r"getok_ros\[rerun\]"):
        export(folder.write(tmp_path, 2), tmp_path / "drive.rrd", folder.frames)
