"""A model folder is refused in one line when it is missing, broken, or speaks another language."""

from __future__ import annotations

import json
import os
import sys

import pytest

from getok_core.engines import load_engine
from getok_core.errors import ModelError
from getok_core.manifest import NAME, Manifest, check_files, private_copy, read_manifest, sha256, verified
from getok_core.queries import PROMPT_VERSION, standard_vocabulary


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "step.onnx").write_bytes(b"not really a graph")
    files = {"step.onnx": sha256(tmp_path / "step.onnx")}
    Manifest("small", "getok-nano", 32, standard_vocabulary().digest, PROMPT_VERSION, (512, 256), "float32", 1, 160,
             files, ("onnx",), ("lanes",)).write(tmp_path)  # fmt: skip
    return tmp_path


def edit(folder, **changes):
    raw = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**raw, **changes}))


def test_what_is_written_is_read(folder):
    manifest = read_manifest(folder)
    assert manifest.view == (512, 256) and manifest.tasks == ("lanes",) and len(manifest.digest) == 7
    check_files(folder, manifest)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no model at .*nowhere"):
        read_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"vocabulary": "0" * 64}, "has vocabulary 00000000"),
        ({"prompt_version": 99}, "has prompt version 99"),
        ({"format": 99}, "has language format 99"),
        ({"lattice": 31}, "malformed"),
        ({"view": 7}, "malformed"),
        ({"view": [10**9, 256]}, r"view is \(1000000000, 256\): 1 to 8192 are taken"),
        ({"view": [512]}, "malformed"),
        ({"tokens": 10**9}, "tokens is"),
        ({"tokens": "160"}, "tokens is"),
        ({"refinements": 5}, "0 to 4 are taken"),
        ({"files": ["step.onnx"]}, "files is no table"),
        ({"unheard": 1}, "malformed"),
    ],
)
def test_another_language_is_refused(folder, changes, fact):
    edit(folder, **changes)
    with pytest.raises(ModelError, match=fact):
        read_manifest(folder)


def test_no_json_is_refused(folder):
    (folder / NAME).write_text("{")
    with pytest.raises(ModelError, match="is no JSON"):
        read_manifest(folder)


def test_a_changed_file_is_refused(folder):
    (folder / "step.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match="its manifest says"):
        load_engine(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "step.onnx").unlink()
    with pytest.raises(ModelError, match=r"step\.onnx is missing"):
        load_engine(folder)


def test_a_file_outside_the_folder_is_refused(folder):
    edit(folder, files={"../step.onnx": "0"})
    with pytest.raises(ModelError, match="is missing"):
        load_engine(folder)


@pytest.mark.parametrize("name", ["weights.pt", "model.pkl", "plugin.so", "modeling.py"])
def test_a_file_that_could_hold_code_is_never_opened(folder, name):
    (folder / name).write_bytes(b"anything")
    edit(folder, files={**read_manifest(folder).files, name: sha256(folder / name)})
    with pytest.raises(ModelError, match="no other kind is ever opened"):
        load_engine(folder)


@pytest.mark.parametrize("name", ["vision.onnx", "weights.bin", "more.safetensors", "step.onnx.data"])
def test_weights_that_the_manifest_does_not_name_are_refused(folder, name):
    (folder / name).write_bytes(b"anything")
    with pytest.raises(ModelError, match=f"{name} is not in the manifest"):
        load_engine(folder)


def test_a_manifest_without_weights_is_refused(folder):
    (folder / "step.onnx").unlink()
    edit(folder, files={})
    with pytest.raises(ModelError, match="names no weights"):
        load_engine(folder)


def test_a_huge_manifest_is_not_read(folder):
    (folder / NAME).write_text(" " * (2**20 + 1))
    with pytest.raises(ModelError, match="at most 1048576 are read"):
        read_manifest(folder)


def test_what_is_loaded_is_a_copy_that_later_damage_does_not_reach(folder):
    with private_copy(folder, read_manifest(folder)) as own:
        (folder / "step.onnx").write_bytes(b"")
        assert (own / "step.onnx").read_bytes() == b"not really a graph"
    assert not own.exists()
    with pytest.raises(ModelError, match="its manifest says"), private_copy(folder, read_manifest(folder)):
        pass


def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("getok_core.manifest.sha256", forbidden)
    with pytest.raises(ModelError, match=r"step\.onnx cannot be read: Permission denied; mend its rights"):
        load_engine(folder)


@pytest.mark.parametrize("how", ["written over", "cut off", "replaced", "removed"])
def test_a_folder_that_changes_while_it_is_loaded_is_refused(folder, tmp_path_factory, how):
    weights, other = folder / "step.onnx", tmp_path_factory.mktemp("other") / "step.onnx"
    other.write_bytes(weights.read_bytes())
    with verified(folder, read_manifest(folder)):
        weights.read_bytes()
    with pytest.raises(ModelError, match="changed while it was loaded"), verified(folder, read_manifest(folder)):
        if how == "written over":
            weights.write_bytes(bytes(len(other.read_bytes())))
        elif how == "cut off":
            os.truncate(weights, 3)
        elif how == "replaced":
            other.replace(weights)
        else:
            weights.unlink()


def test_a_disk_without_space_is_named(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("getok_core.manifest.copyfile", full)
    copy = private_copy(folder, read_manifest(folder))
    with pytest.raises(ModelError, match="No space left on device: free some space"), copy:
        pass


def test_an_unknown_device_is_refused(folder):
    with pytest.raises(ModelError, match="device 'tpu' is unknown: use one of cpu, cuda"):
        load_engine(folder, "tpu")


def test_an_unknown_engine_is_refused(folder):
    with pytest.raises(ModelError, match="engine 'caffe' is unknown: use one of onnx, torch, tensorrt"):
        load_engine(folder, engine="caffe")


@pytest.mark.parametrize(
    ("engines", "wanted", "said"),
    [(["torch"], "onnx", "made for torch, not for onnx: export it for onnx too"),
     (["onnx"], "torch", "made for onnx, not for torch: export it for torch too"),
     (["torch"], "tensorrt", "made for torch, not for tensorrt: export it for onnx too"),
     (["http"], "", "made for http, not for onnx: export it for onnx too")],
)  # fmt: skip
def test_an_engine_that_the_folder_lacks_is_named(folder, engines, wanted, said):
    edit(folder, engines=engines)
    with pytest.raises(ModelError, match=said):
        load_engine(folder, engine=wanted)


def test_torch_that_is_missing_is_named_with_its_remedy(folder, monkeypatch):
    edit(folder, engines=["torch"])
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "getok_core.engines.nano_torch", raising=False)
    with pytest.raises(ModelError, match=r"engine 'torch' needs torch .* pip install 'getok_ros\[torch\]'"):
        load_engine(folder)


@pytest.mark.parametrize(
    ("engine", "device", "offered", "said"),
    [("tensorrt", "cpu", (), "engine 'tensorrt' does not run on cpu: use device cuda"),
     ("tensorrt", "cuda", ("CUDAExecutionProvider",), "engine 'tensorrt' is not offered by this onnxruntime"),
     ("tensorrt", "cuda", ("TensorrtExecutionProvider",), "device 'cuda' is not offered by this onnxruntime"),
     ("onnx", "cuda", (), "device 'cuda' is not offered by this onnxruntime")],
)  # fmt: skip
def test_a_provider_that_onnxruntime_lacks_is_named(folder, monkeypatch, engine, device, offered, said):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [*offered, "CPUExecutionProvider"])
    with pytest.raises(ModelError, match=said):
        load_engine(folder, device, engine=engine)


def test_a_graph_that_is_none_is_refused(folder):
    for name in ("vision", "prefill"):
        (folder / f"{name}.onnx").write_bytes(b"not a graph either")
    edit(folder, files={path.name: sha256(path) for path in folder.glob("*.onnx")})
    with pytest.raises(ModelError, match=r"vision\.onnx cannot be loaded"):
        load_engine(folder)
