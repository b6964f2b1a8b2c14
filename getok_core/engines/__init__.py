"""One vendor a module, imported only when asked for."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelError
from ..manifest import Manifest, read_manifest, verified
from ..protocol import Engine, Progress

DEVICES = ("cpu", "cuda")
ENGINES = {"onnx": "onnx", "torch": "torch", "tensorrt": "onnx"}
"""engine -> what a model folder must be made for, as its manifest's engines say; the first that fits is the default"""


def load_engine(
    model: Path | str, device: str = "cpu", threads: int = 0, progress: Progress | None = None, engine: str = ""
) -> Engine:
    """A model folder -> an engine that is loaded. Slow: never call it inside a callback.

    device: cpu, cuda, or http://HOST:PORT of a server that holds the weights; then the folder's manifest is enough.
    threads: CPU threads, 0 for one a core. engine: onnx, torch or tensorrt; "" for the first that the folder is made
    for. Raises ModelError on a folder, manifest, digest, device or engine that will not do.
    """
    folder = Path(model)
    if device.startswith(("http://", "https://")):
        return _served(folder, device, progress)
    if device not in DEVICES:
        raise ModelError(f"device {device!r} is unknown: use one of {', '.join(DEVICES)}, or http://HOST:PORT")
    if engine and engine not in ENGINES:
        raise ModelError(f"engine {engine!r} is unknown: use one of {', '.join(ENGINES)}")
    manifest = read_manifest(folder)
    with verified(folder, manifest):
        loaded = _made(folder, manifest, device, threads, engine)
        loaded.load(progress)
    return loaded


def _made(folder: Path, manifest: Manifest, device: str, threads: int, wanted: str) -> Engine:
    """The engine wanted, not loaded. Its vendor is imported here and nowhere before."""
    engine = wanted or next((name for name, made_for in ENGINES.items() if made_for in manifest.engines), "onnx")
    if ENGINES[engine] not in manifest.engines:
        made_for = ", ".join(manifest.engines)
        raise ModelError(f"{folder} is made for {made_for}, not for {engine}: export it for {ENGINES[engine]} too")
    if engine == "torch":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # or its threads spin against whatever shares the cores
        try:
            if "config.json" in manifest.files:  # a folder of the transformers library
                from .torch_engine import TorchEngine

                return TorchEngine(folder, manifest, device, threads)
            from .nano_torch import NanoTorchEngine
        except ImportError:
            raise ModelError("engine 'torch' needs torch and safetensors: pip install 'getok_ros[torch]'") from None
        return NanoTorchEngine(folder, manifest, device, threads)
    from .onnx_engine import OnnxEngine

    return OnnxEngine(folder, manifest, device, threads, tensorrt=engine == "tensorrt")


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
