"""Who may import whom, and what an import loads. A new vendor or ROS module is one more row in the tables below."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("getok_core", "getok_ros", "training")

# -- the table -----------------------------------------------------------------------------------------------------

ROS_MODULES = {
    f"getok_ros.{name}"
    for name in ("perception_node", "managed_node", "admission", "pipeline", "worker", "cameras", "outputs", "replies",
                 "messages", "images", "parameters", "diagnostics",
                 "live_client", "connections",
                 "markers", "detections", "ground_projection", "transforms", "interop",
                 "bench_node", "soak_client", "soak_bench", "soak_trials", "soak_endings", "soak_node")
}  # fmt: skip
"""the only modules that may name rclpy or a message; all else in getok_ros runs where ROS was never installed"""

ROS = ("rclpy", "rcl_interfaces", "builtin_interfaces", "launch", "ament_index_python", "tf2_ros", "getok_ros.msg")
"""beside these, every package whose name ends in _msgs"""

CV2_MODULES = {f"getok_core.{name}" for name in ("view", "overlay", "canvas", "captions", "cover")}

ENGINE_VENDORS = {
    "onnx_cached": {"onnxruntime"},
    "onnx_engine": {"onnxruntime"},
    "nano_backbone": {"torch"},
    "nano_network": {"torch"},
    "nano_torch": {"torch", "safetensors"},
    "base_vocabulary": {"tokenizers"},
    "device_automaton": {"torch"},
    "eight_bit": {"torch"},
    "qwen_network": {"torch", "transformers"},
    "qwen_vision": {"torch"},
    "qwen_language": {"torch"},
    "qwen_decoding": {"torch"},
    "qwen_choosing": {"torch"},
    "qwen_passes": {"torch"},
    "replayed": {"torch"},
    "torch_engine": {"torch", "transformers", "peft", "safetensors", "PIL"},
    "tensorrt_engine": {"tensorrt", "cuda"},
    "http_engine": {"cv2"},
    "nano_segmenter": {"onnxruntime", "cv2"},
    "sam2_decoder": {"torch", "transformers", "sam2"},
}
"""one vendor a file; a module that is not named here has none"""

VENDORS = {  # prefix of modules -> what they may import beside numpy and the standard library
    "getok_core.bench": {"torch", "transformers", "tokenizers"},
    "getok_core.metrics": {"cv2"},
    "getok_core.labels": {"yaml", "cv2"},
    "getok_ros": {"cv2", "tqdm", "rosbags", "av", "ray", "rerun", "yaml"},
    "getok_ros.soak": {"cv2", "hypothesis"},
    "getok_ros.salvage": {"lz4", "backports", "compression"},  # what rosbags itself unpacks with
}

OURS = {  # prefix of modules -> which of our packages they may import
    "getok_core": ("getok_core",),
    "getok_ros.demo": ("getok_core", "getok_ros", "training.scenes"),
    "getok_ros.labelled_bag": ("getok_core", "getok_ros", "training.scenes"),
    "getok_ros": ("getok_core", "getok_ros"),
    "training": ("getok_core", "training"),
}

TORCH_STACK = {"torch", "torchvision", "transformers", "peft", "safetensors", "accelerate"}
"""what training may use, and its scenes may not"""

# -- reading imports -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    target: str
    """dotted name of what is imported; for `from a import b` that is a.b"""
    at_import: bool
    """False inside a function, or where only a type checker looks"""

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]

    def of(self, *packages: str) -> bool:
        return any(self.target == package or self.target.startswith(package + ".") for package in packages)

    @property
    def of_ros(self) -> bool:
        return self.of(*ROS) or self.top.endswith("_msgs") or self.top.startswith("launch_")


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of ours."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


@cache
def imports(module: str) -> tuple[Import, ...]:
    file = modules()[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, at_import: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.extend(Import(f"{base}.{alias.name}", at_import) for alias in node.names)
        checked_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, at_import and not checked_only and not inside)

    visit(ast.parse(file.read_text()), True)
    return tuple(found)


def row(table: dict, module: str):
    """The entry of the longest prefix; that of `a.b` also stands for a.b_c."""
    fits = [prefix for prefix in table if module == prefix or module.startswith((prefix + ".", prefix + "_"))]
    return table[max(fits, key=len)] if fits else None


def vendors(module: str) -> set[str]:
    """Packages that a module may import beside ours and the standard library."""
    if module.startswith("getok_core.engines."):
        return {"numpy"} | ENGINE_VENDORS.get(module.rpartition(".")[2], set())
    return {"numpy"} | (row(VENDORS, module) or set()) | ({"cv2"} if module in CV2_MODULES else set())


# -- tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", modules())
def test_every_module_says_in_its_first_line_what_is_true(module):
    source = modules()[module].read_text()
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert docstring.partition("\n")[0].strip() or not source, f"{module} has no docstring"


@pytest.mark.parametrize("module", [name for name in modules() if not name.startswith("training")])
def test_vendors_stay_where_they_are_named(module):
    allowed = vendors(module) | set(PACKAGES) | sys.stdlib_module_names
    foreign = {found.top for found in imports(module) if found.top not in allowed and not found.of_ros}
    assert not foreign, (
        f"{module} imports {sorted(foreign)}: keep to {sorted(vendors(module))}, or name it in the table"
    )


@pytest.mark.parametrize("module", modules())
def test_packages_are_imported_one_way_only(module):
    allowed = row(OURS, module)
    wrong = {found.target for found in imports(module) if found.top in PACKAGES and not found.of(*allowed)}
    assert not wrong, f"{module} imports {sorted(wrong)}: it may import {', '.join(allowed)}"


@pytest.mark.parametrize("module", modules())
def test_ros_is_named_only_where_the_table_says(module):
    named = {found.target for found in imports(module) if found.of_ros}
    assert not named or module in ROS_MODULES, f"{module} imports {sorted(named)}: only {sorted(ROS_MODULES)} may"


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("training.scenes")])
def test_scenes_are_drawn_without_torch(module):
    wrong = {found.target for found in imports(module) if found.of(*TORCH_STACK)}
    outside = {found.target for found in imports(module) if found.top == "training" and not found.of("training.scenes")}
    if module == "training.scenes.__main__":  # the command compares with photographs; drawing never imports it
        outside -= {target for target in outside if target.startswith("training.photos.")}
    wrong |= outside
    assert not wrong, f"{module} imports {sorted(wrong)}: the demo draws scenes without the torch stack"


@pytest.mark.parametrize("module", modules())
def test_no_module_is_named_after_nothing(module):
    assert not set(module.rpartition(".")[2].split("_")) & {"utils", "helpers", "common", "manager", "misc"}


def in_a_fresh_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = "print([name for name in ('torch', 'onnxruntime', 'rclpy', 'tensorrt', 'scipy') if name in sys.modules])"


def test_importing_the_core_loads_no_runtime_and_no_ros():
    assert in_a_fresh_python(f"import sys, getok_core; {LOADED}") == "[]"
    own = [name for name, file in modules().items() if file.parent == ROOT / "getok_core"]
    assert len(own) > 10
    assert in_a_fresh_python(f"import sys, {', '.join(own)}, getok_core.engines; {LOADED}") == "[]"


WITHOUT_ROS = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("rclpy", "rcl_interfaces", "torch") or name.partition(".")[0].endswith("_msgs"):
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Absent())
for name in %r:
    importlib.import_module(name)
"""


def test_all_but_the_ros_modules_import_where_ros_and_torch_are_missing():
    free = [name for name in modules() if name.startswith("getok_ros") and name not in ROS_MODULES]
    free = [name for name in free if not name.endswith("__main__")]
    assert "getok_ros.cli" in free
    in_a_fresh_python(WITHOUT_ROS % free)


def test_scenes_import_where_torch_is_missing():
    scenes = [name for name in modules() if name.startswith("training.scenes") and not name.endswith("__main__")]
    in_a_fresh_python(WITHOUT_ROS % scenes)
