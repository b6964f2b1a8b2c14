"""Segmenters by their folder: the nano that comes with getok, or a checkpoint of SAM or SAM 2."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from ..manifest import NAME
from ..protocol import MaskDecoder


def load_segmenter(folder: Path | str, device: str = "cpu", threads: int = 0) -> MaskDecoder:
    """A folder -> a decoder of `<seg>` that is loaded. Slow: never call it inside a callback. Raises ModelError.

    A folder with manifest.json is a nano segmenter; one with config.json a SAM or SAM 2 as transformers saves them.
    threads: CPU threads of the nano, 0 for one a core.
    """
    folder = Path(folder)
    if (folder / "config.json").is_file() and not (folder / NAME).is_file():
        from .sam2_decoder import load_decoder

        return load_decoder(str(folder), device)
    if not folder.is_dir():
        raise ModelError(f"no segmenter at {folder}: name the folder of one, with manifest.json or SAM's config.json")
    from .nano_segmenter import NanoSegmenter

    nano = NanoSegmenter(folder, device, threads)
    nano.load()
    return nano
