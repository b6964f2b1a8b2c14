"""The results of a run in pieces small enough to be carried off a machine that gives back small files only.

`cat parcel/part.* | tar xz -C OUT` unpacks them, and the same recipe goes on there: of the long run's checkpoint the
averaged weights travel, in half precision.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

FOLDER, PART = "parcel", 15 * 2**20
"""folder in OUT, and most bytes of a piece"""
AVERAGE = "average.safetensors"


def write_parcel(out: Path, names: Iterable[str]) -> list[Path]:
    """Packs files and folders of `out`, those that are there, and returns the pieces; earlier ones are gone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in sorted(path for name in names for path in _files(out / name)):
            data = halved(path) if path.name == AVERAGE else path.read_bytes()
            entry = tarfile.TarInfo(str(path.relative_to(out)))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    for old in folder.glob("part.*"):
        old.unlink()
    data = packed.getvalue()
    pieces = [folder / f"part.{number:02d}" for number in range(-(-len(data) // PART))]
    for number, piece in enumerate(pieces):
        piece.write_bytes(data[number * PART : (number + 1) * PART])
    return pieces


def halved(path: Path) -> bytes:
    """A safetensors file with its floats in half precision and all it says of itself."""
    with safe_open(str(path), "np") as file:
        meta, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return save({n: t.astype(np.float16) if t.dtype == np.float32 else t for n, t in tensors.items()}, meta)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else []
