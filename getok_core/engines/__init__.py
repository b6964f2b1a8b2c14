"""One vendor a module, imported only when asked for."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from ..manifest import check_files, read_manifest
from ..protocol import Engine, Progress

DEVICES = ("cpu", "cuda")


def load_engine(model: Path | str, device: str = "cpu", threads: int = 0, progress: Progress | None = None) -> Engine:
    """A model folder -> an engine that is loaded. Slow: never call it inside a callback.

    threads: CPU threads, 0 for one a core. Raises ModelError on a folder, manifest, digest or device that will not do.
    """
    folder = Path(model)
    if device not in DEVICES:
        raise ModelError(f"device {device!r} is unknown: use one of {', '.join(DEVICES)}")
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    if "onnx" not in manifest.engines:
        raise ModelError(
            f"{folder} is made for {', '.join(manifest.engines)}; this build runs onnx: export it for onnx"
        )
    from .onnx_engine import OnnxEngine

    engine = OnnxEngine(folder, manifest, device, threads)
    engine.load(progress)
    return engine
