"""ONNX graphs of a model folder -> TensorRT engines: `python -m training.export --tensorrt models/nano engines/`.

Strongly typed: products and convolutions in half precision, all else as the graph says; with `--precision fp8` products
with weights in float8, scaled by what synthetic scenes bring (SM89 and later). An engine belongs to one model, one
precision, one GPU and one TensorRT, which its name holds; where they differ it is built anew. `--check` compares them
with onnxruntime on this machine's GPU.
"""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from getok_core.engines.onnx_engine import GRAPHS, OnnxEngine, feeds
from getok_core.errors import GetokError, ModelError
from getok_core.lattice import Lattice
from getok_core.manifest import Manifest, check_files, read_manifest
from getok_core.queries import STANDING, standard_vocabulary
from getok_core.reading import packed

from .float8_ranges import ranges_of
from .typed_graphs import typed

VENDORS = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
"""in the order they are tried; TensorRT-RTX builds without a GPU when told for which"""
PRECISIONS = ("fp16", "fp8")
SIZES = {"batch": (1, 5, 32), "length": (1, 16, 640), "seen": (1, 64, 1024), "seen + 1": (2, 65, 1025)}
"""free dimensions of the graphs: least, usual, most"""
TIMINGS = "timing.cache"
TOLERANCES = {"fp16": 0.1, "fp8": 1.0}
"""largest difference of logits from onnxruntime in fp32"""


def vendor() -> Any:
    """TensorRT's Python module, whichever is installed. Raises ModelError without one."""
    for name in VENDORS:
        try:
            if name.endswith("_bindings"):
                importlib.import_module("tensorrt_rtx_libs")
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ModelError("no TensorRT is installed: pip install 'getok_ros[tensorrt]', or use the system's own")


def key_of(manifest: Manifest, gpu: str, trt: Any, precision: str = "fp16") -> str:
    """What an engine belongs to, as part of a file name."""
    return re.sub(r"[^\w.]+", "-", f"{manifest.digest}-{precision}-{gpu}-{trt.__name__}-{trt.__version__}")


def gpu_name() -> str:
    """The GPU of this machine, or "" without one."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def build(model: Path, out: Path, target: str = "", show: bool = True, precision: str = "fp16") -> dict[str, Path]:
    """Builds what is not there yet -> graph and engine file. target: SM80, SM89 .. for a GPU that is not in here.

    Raises ModelError on a folder, a graph or a GPU that will not do.
    """
    trt, manifest = vendor(), read_manifest(model)
    check_files(model, manifest)
    if "onnx" not in manifest.engines:
        raise ModelError(f"{model} holds no ONNX graphs: export it with --engines onnx")
    gpu = target or gpu_name()
    if not gpu:
        raise ModelError("this machine has no GPU: name one with --target SM89, which TensorRT-RTX can build for")
    out.mkdir(parents=True, exist_ok=True)
    engines = {name: out / f"{name}-{key_of(manifest, gpu, trt, precision)}.engine" for name in GRAPHS}
    wanted = {name: path for name, path in engines.items() if not path.is_file()}
    ranges = ranges_of(model) if wanted and precision == "fp8" else {}
    for name, path in wanted.items():
        plan = _plan(trt, model / f"{name}.onnx", out / TIMINGS, target, show, ranges.get(name))
        for old in out.glob(f"{name}-*.engine"):
            old.unlink()
        path.write_bytes(plan)
    return engines


def _plan(trt: Any, path: Path, timings: Path, target: str, show: bool, ranges: dict[str, float] | None) -> bytes:
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(typed(onnx.load(str(path)), ranges).SerializeToString()):
        raise ModelError(f"{path} cannot be parsed by TensorRT: {' '.join(parser.get_error(0).desc().split())[:300]}")
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, onnx.load(str(path), load_external_data=False)))
    if target:
        _aim(trt, config, target)
    known = timings.read_bytes() if timings.is_file() else b""
    cache = config.create_timing_cache(known) or config.create_timing_cache(b"")
    config.set_timing_cache(cache, ignore_mismatch=True)
    if show:
        config.progress_monitor = _monitor(trt, path.stem)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"{path}: TensorRT builds no engine for {target or gpu_name()}: see its messages above")
    timings.write_bytes(bytes(memoryview(config.get_timing_cache().serialize())))
    return bytes(memoryview(plan))


def _profile(builder: Any, graph: onnx.ModelProto) -> Any:
    """Ranges of every input with a free dimension."""
    profile = builder.create_optimization_profile()
    for one in graph.graph.input:
        dims = one.type.tensor_type.shape.dim
        if any(dim.dim_param for dim in dims):
            ranges = [SIZES[dim.dim_param] if dim.dim_param else (dim.dim_value,) * 3 for dim in dims]
            profile.set_shape(one.name, *zip(*ranges, strict=True))
    return profile


def _aim(trt: Any, config: Any, target: str) -> None:
    offered = getattr(trt, "ComputeCapability", None)
    capability = getattr(offered, target, None)
    if capability is None:
        known = ", ".join(name for name in dir(offered) if name.startswith("SM")) or "none"
        raise ModelError(f"{trt.__name__} cannot build for {target!r} from here: it offers {known}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(capability, 0)


def _monitor(trt: Any, name: str) -> Any:
    """Prints each phase as it begins."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                print(f"{name}: {phase_name}, {num_steps} steps", flush=True)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None: ...

    return Monitor()


# -- parity, on a machine with a GPU -------------------------------------------------------------------------------


def check(model: Path, engines: dict[str, Path]) -> float:
    """Largest difference of logits between TensorRT and onnxruntime over the standing prompts. Raises ModelError."""
    if not gpu_name():
        raise ModelError("engines run on the GPU that they were built for: --check needs it in this machine")
    trt, manifest = vendor(), read_manifest(model)
    reference = OnnxEngine(model, manifest, portable=True)
    reference.load()
    width, height = manifest.view
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    vocabulary, lattice = standard_vocabulary(manifest.lattice), Lattice(manifest.lattice)
    ids = packed([query.prompt(vocabulary, lattice, manifest.view) for query in STANDING])
    wanted = reference.run("vision", {"image": image})
    seen = run(trt, engines["vision"], {"image": image})
    found = run(trt, engines["prefill"], feeds(list(seen.values()), *ids))
    return float(np.abs(found["logits"] - reference.run("prefill", feeds(wanted, *ids))[0]).max())


def run(trt: Any, path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One call of an engine file on this GPU: inputs and outputs by name."""
    import torch

    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(path.read_bytes())
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
    held: dict[str, Any] = {}
    for name in names:
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            held[name] = torch.from_numpy(np.ascontiguousarray(inputs[name])).cuda()
            context.set_input_shape(name, tuple(held[name].shape))
            context.set_tensor_address(name, held[name].data_ptr())
    outputs = [name for name in names if name not in held]
    for name in outputs:
        held[name] = torch.zeros(tuple(context.get_tensor_shape(name)), device="cuda")
        context.set_tensor_address(name, held[name].data_ptr())
    context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
    torch.cuda.synchronize()
    return {name: held[name].cpu().numpy() for name in outputs}


def main(arguments: list[str]) -> None:
    """What follows `--tensorrt` on the command line of training.export."""
    parser = argparse.ArgumentParser("python -m training.export --tensorrt", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("model", type=Path, help="model folder with ONNX graphs")
    parser.add_argument("out", type=Path, help="where engines and the timing cache go")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16", help="of products (default: fp16)")
    parser.add_argument("--target", default="", metavar="SM89", help="build for a GPU that is not in this machine")
    parser.add_argument("--check", action="store_true", help="then compare with onnxruntime on this machine's GPU")
    args = parser.parse_args(arguments)
    try:
        engines = build(args.model, args.out, args.target, precision=args.precision)
        worst = check(args.model, engines) if args.check else None
    except GetokError as error:
        parser.exit(2, f"getok: {error}\n")
    size = sum(path.stat().st_size for path in engines.values()) / 2**20
    told = "never executed here" if worst is None else f"logits differ from onnxruntime's by at most {worst:.2g}"
    print(f"{args.out}: {len(engines)} engines, {size:.1f} MiB; {told}")
    most = TOLERANCES[args.precision]
    if worst is not None and not worst <= most:
        parser.exit(1, f"getok: {worst:.2g} is more than {most}: do not use these engines\n")
