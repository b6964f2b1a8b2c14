"""One vendor a module, imported only when asked for."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from ..manifest import check_files, read_manifest
from ..protocol import Engine, Progress

DEVICES = ("cpu", "cuda")


def load_engine(model: Path | str, device: str = "cpu", threads: int = 0, progress: Progress | None = None) -> Engine:
    """A model folder -> an engine that is loaded. Slow: never call it inside a callback.

    device: cpu, cuda, or http://HOST:PORT of a server that holds the weights; then the folder's manifest is enough.
    threads: CPU threads, 0 for one a core. Raises ModelError on a folder, manifest, digest or device that will not do.
    """
    folder = Path(model)
    if device.startswith(("http://", "https://")):
        return _served(folder, device, progress)
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


def _served(folder: Path, server: str, progress: Progress | None) -> Engine:
    """The model of a manifest on a server that speaks OpenAI's chat interface; refinements are written out."""
    from .http_engine import HttpEngine
    from .sequential_engine import SequentialEngine

    manifest = read_manifest(folder)
    if "http" not in manifest.engines:
        raise ModelError(f"{folder} is made for {', '.join(manifest.engines)}, not for a server: leave {server} out")
    engine = HttpEngine(manifest, server)
    engine.load(progress)
    return SequentialEngine(engine)
