"""What travels with weights: a folder's manifest.json, checked against this code and against the files beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import ModelError
from .lattice import Lattice, Size
from .queries import PROMPT_VERSION, standard_vocabulary

FORMAT = 1
"""version of the language in FORMAT.md"""
NAME = "manifest.json"


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
        raw = json.loads(path.read_text())
    except OSError as error:
        raise ModelError(f"no model at {folder}: {NAME}: {error.strerror or error}; name a model folder") from None
    except ValueError as error:
        raise ModelError(f"{path} is no JSON ({error}): export the model again") from None
    try:
        raw["view"], raw["engines"], raw["tasks"] = tuple(raw["view"]), tuple(raw["engines"]), tuple(raw["tasks"])
        manifest = Manifest(**raw)
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


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raises ModelError unless every file is there with the digest the manifest names."""
    for name, digest in manifest.files.items():
        path = Path(folder) / name
        if Path(name).name != name or not path.is_file():
            raise ModelError(f"model file {path} is missing: export or copy the model again")
        found = sha256(path)
        if found != digest:
            raise ModelError(f"model file {path} has digest {found[:8]}, its manifest says {digest[:8]}: copy it again")
