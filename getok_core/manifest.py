"""What travels with weights: a folder's manifest.json, checked against this code and against the files beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from .errors import ModelError
from .lattice import Lattice, Size
from .queries import PROMPT_VERSION, standard_vocabulary

FORMAT = 1
"""version of the language in FORMAT.md"""
NAME = "manifest.json"
WEIGHTS = (".onnx", ".bin", ".data", ".safetensors")
"""suffixes of weights"""
HARMLESS = (*WEIGHTS, ".json")
"""suffixes of what a manifest may name: no such file can hold code that is run"""
LARGEST = {"view": 8192, "refinements": 4, "tokens": 4096}
"""what a manifest may ask for at most: pixels a side, rounds, tokens in an answer"""
LARGEST_SMOOTHING = 100.0
LARGEST_BYTES = 2**20
"""of the manifest itself"""


@dataclass(frozen=True)
class Manifest:
    """Everything an engine must know of the weights it runs."""

    name: str
    base: str
    """family of the network: getok-nano, Qwen2.5-VL-7B, ..."""
    lattice: int
    vocabulary: str
    """sha256 of the vocabulary the weights were trained with"""
    prompt_version: int
    view: Size
    """width, height of the model's input; images are resized plainly to it"""
    precision: str
    refinements: int
    """rounds by default"""
    tokens: int
    """largest number of tokens in one answer"""
    files: dict[str, str]
    """file name -> sha256"""
    engines: tuple[str, ...] = ("onnx",)
    tasks: tuple[str, ...] = ()
    """tasks it was trained on"""
    training: dict[str, Any] = field(default_factory=dict[str, Any])
    """how it came about: samples, seconds, commit"""
    format: int = FORMAT
    smoothing: float = 0.0
    """weight with which lines are smoothed (smoothing.py); 0 leaves vertices at the centres of their last cells"""

    @property
    def digest(self) -> str:
        """Seven hex digits that name these weights."""
        return hashlib.sha256("".join(f"{n}:{d}" for n, d in sorted(self.files.items())).encode()).hexdigest()[:7]

    @property
    def title(self) -> str:
        """name and digest, as scenes carry it"""
        return f"{self.name} {self.digest}"

    def write(self, folder: Path) -> None:
        """Saves manifest.json."""
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")


class Digests(Protocol):
    """What a manifest of any kind says of the files beside it."""

    @property
    def files(self) -> dict[str, str]:
        """file name -> sha256"""
        ...


def sha256(path: Path) -> str:
    """Digest of a file, 64 hex digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """A model folder's manifest. Raises ModelError when it is missing, malformed, or of another language or prompt."""
    path = Path(folder) / NAME
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ModelError(
                f"{path} has {path.stat().st_size} bytes: at most {LARGEST_BYTES} are read; export it again"
            )
        raw = json.loads(path.read_text())
    except OSError as error:
        raise ModelError(f"no model at {folder}: {NAME}: {error.strerror or error}; name a model folder") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON ({error}): export the model again") from None
    try:
        raw["view"], raw["engines"], raw["tasks"] = tuple(raw["view"]), tuple(raw["engines"]), tuple(raw["tasks"])
        manifest = Manifest(**raw)
        _check_sizes(manifest, raw["files"])
        ours = standard_vocabulary(Lattice(manifest.lattice).n).digest
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path} is malformed ({error}): export the model again") from None
    for what, theirs, wanted in (
        ("language format", manifest.format, FORMAT),
        ("prompt version", manifest.prompt_version, PROMPT_VERSION),
        ("vocabulary", str(manifest.vocabulary)[:8], ours[:8]),
    ):
        if theirs != wanted:
            raise ModelError(f"{path} has {what} {theirs}, this code speaks {wanted}: use matching weights or code")
    return manifest


def _check_sizes(manifest: Manifest, files: Any) -> None:
    """Raises ValueError for what is out of bounds or of another kind."""
    if not isinstance(files, dict):
        raise ValueError("files is no table of names and digests")
    if type(manifest.smoothing) not in (int, float) or not 0 <= manifest.smoothing <= LARGEST_SMOOTHING:
        raise ValueError(f"smoothing is {manifest.smoothing}: 0 to {LARGEST_SMOOTHING} are taken")
    sides = manifest.view
    asked = {"view": sides, "refinements": (manifest.refinements,), "tokens": (manifest.tokens,)}
    for what, values in asked.items():
        least = 0 if what == "refinements" else 1
        if len(sides) != 2 or not all(type(value) is int and least <= value <= LARGEST[what] for value in values):
            raise ValueError(f"{what} is {values}: {least} to {LARGEST[what]} are taken")


def check_files(folder: Path, manifest: Digests) -> None:
    """Raises ModelError unless the folder's weights are exactly those the manifest names, each with its digest."""
    named = manifest.files
    for name in sorted({*named, *(path.name for path in Path(folder).iterdir() if path.suffix in WEIGHTS)}):
        path = Path(folder) / name
        if name not in named:
            raise ModelError(f"model file {path} is not in the manifest: remove it, or export the model again")
        if path.suffix not in HARMLESS:
            raise ModelError(f"model file {path} is none of {', '.join(HARMLESS)}: no other kind is ever opened")
        if Path(name).name != name or not path.is_file():
            raise ModelError(f"model file {path} is missing: export or copy the model again")
        try:
            found = sha256(path)
        except OSError as error:
            raise ModelError(f"model file {path} cannot be read: {error.strerror or error}; mend its rights") from None
        if found != named[name]:
            wanted = str(named[name])[:8]
            raise ModelError(f"model file {path} has digest {found[:8]}, its manifest says {wanted}: copy it again")
    if not named:
        raise ModelError(f"{folder} names no weights in its manifest: export the model again")


@contextmanager
def verified(folder: Path, manifest: Digests) -> Generator[None]:
    """Files with their digests, which are read in the with block. Raises ModelError, also when they change meanwhile.

    For weights too large for a private copy: what was verified is what was loaded.
    """
    before = _marks(folder, manifest)
    check_files(folder, manifest)
    yield
    if _marks(folder, manifest) != before:
        raise ModelError(f"{folder} changed while it was loaded: load it again when it is whole")


def _marks(folder: Path, manifest: Digests) -> dict[str, tuple[int, ...]]:
    """What changes when a file is replaced or written to; nothing of one that is missing."""
    paths = [path for name in manifest.files if (path := Path(folder) / name).is_file()]
    return {path.name: (at.st_ino, at.st_size, at.st_mtime_ns) for path in paths for at in [path.stat()]}


@contextmanager
def private_copy(folder: Path, manifest: Digests) -> Generator[Path]:
    """The model's files once more, in a folder that nobody else knows, with their digests; gone after the with block.

    A runtime that maps files keeps what it has opened: a model folder written over or cut off at work changes nothing
    until the next load, and what was verified is what was loaded. Raises ModelError.
    """
    with TemporaryDirectory(prefix="getok-model-") as own:
        try:
            for name in manifest.files:
                copyfile(Path(folder) / name, Path(own) / name)
        except OSError as error:
            reason = f"{error.strerror or error}: free some space, or name another folder with TMPDIR"
            raise ModelError(f"{folder} cannot be copied to {own}: {reason}") from None
        check_files(Path(own), manifest)
        yield Path(own)
