"""The nano in torch: on any device that torch knows, and the reference that exported graphs must agree with."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from ..decoding import Logits, Stepper, decode_frames
from ..errors import ModelError
from ..manifest import Manifest, private_copy
from ..protocol import Caps, Frames, Limits, Offsets, Progress, Reply, Request
from ..queries import standard_vocabulary
from ..reading import Ids, Seen, packed, refine_frames
from ..refine import Draft
from ..view import RGB
from .cores import cores
from .nano_network import Nano, NanoConfig, Picture
from .warming import warm_up

WEIGHTS = "weights.safetensors"
"""the network's tensors; its sizes stand in the metadata, as JSON under "config" """


class NanoTorchEngine:
    """Engine of getok_core.protocol over a network in torch; arithmetic is in fp32, however weights are stored."""

    def __init__(self, folder: Path, manifest: Manifest, device: str = "cpu", threads: int = 0):
        """threads: of the CPU, 0 for one a core; torch has one number for the whole process."""
        self.folder, self.manifest, self.device, self.threads = Path(folder), manifest, device, threads
        self.caps = Caps(images_per_batch=1)
        self.vocabulary = standard_vocabulary(manifest.lattice)
        self.model: Nano | None = None

    @classmethod
    def of(cls, model: Nano, manifest: Manifest) -> NanoTorchEngine:
        """An engine over a network that is there already, on the device where it is, such as one in training."""
        engine = cls(Path(), manifest, str(model.embedding.weight.device))
        engine.model = model.eval()
        return engine

    def load(self, progress: Progress | None = None) -> None:
        """Reads the weights. Raises ModelError on files or a device that will not do."""
        if self.model is not None:
            return
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ModelError("device 'cuda' is not offered by this torch: install torch for CUDA or use cpu")
        torch.set_num_threads(self.threads or cores())
        if progress:
            progress("loading the network", 0.0)
        with private_copy(self.folder, self.manifest) as folder:
            model = read_nano(folder / WEIGHTS, called=self.folder / WEIGHTS)
        c, wanted = model.config, self.manifest
        if (c.n, (c.width, c.height), c.vocabulary_size) != (wanted.lattice, wanted.view, self.vocabulary.size):
            raise ModelError(f"{self.folder / WEIGHTS} is of other sizes than its manifest says: export it again")
        self.model = model.to(self.device)
        if progress:
            progress("warming up", 0.5)
        warm_up(self)
        if progress:
            progress("ready", 1.0)

    def open(self, images: Sequence[RGB]) -> Frames:
        """Encodes images, each (H, W, 3) uint8 of the manifest's view. Raises ValueError on another size."""
        if self.model is None:
            raise RuntimeError("the engine is not loaded: call load() first")
        return _TorchFrames(self.model, self, images)

    def close(self) -> None:
        """Frees the network."""
        self.model = None


class _TorchFrames:
    """Pictures encoded, with their prefix keys and values."""

    def __init__(self, model: Nano, engine: NanoTorchEngine, images: Sequence[RGB]):
        began = time.monotonic()
        wanted = (*engine.manifest.view[::-1], 3)
        for image in images:
            if image.shape != wanted:
                raise ValueError(f"this engine takes images of shape {wanted}, got {image.shape}: resize with View")
        self._model, self._vocabulary = model, engine.vocabulary
        self._pictures = [picture_of(model, image) for image in images]
        self.seconds = time.monotonic() - began

    def __enter__(self) -> _TorchFrames:
        return self

    def __exit__(self, *reason: object) -> None:
        self._pictures = []

    def propose(self, requests: Sequence[Request], limits: Limits) -> list[Reply]:
        """Answers in the order of the requests; those about one picture are decoded as one batch."""
        return decode_frames(self.steppers(), requests, self._vocabulary, limits)

    def steppers(self) -> list[Stepper]:
        """What decodes a batch, one a picture."""
        return [TorchStepper(self._model, picture) for picture in self._pictures]

    def refine(self, drafts: Sequence[Draft], limits: Limits) -> list[Offsets]:
        """One forward pass over all drafts of a picture gives every offset."""
        return refine_frames([TorchStepper(self._model, one).read for one in self._pictures], drafts, self._vocabulary)


class TorchStepper:
    """Keys and values of one batch of sequences over one picture."""

    def __init__(self, model: Nano, picture: Picture):
        self.model, self.picture = model, picture
        self._device = picture.cells.device
        self._past: list[tuple[Tensor, Tensor]] | None = None
        self._seen = torch.zeros(0, 0, dtype=torch.bool)
        self._lengths = torch.zeros(0, dtype=torch.int64)

    def start(self, prompts: Sequence[Sequence[int]]) -> Logits:
        """Prompts of B sequences -> logits (B, V) of what follows each."""
        ids, position, mask = packed(prompts)
        self._past, self._seen, self._lengths = None, self._on(mask[:, -1]), self._on(position[:, -1] + 1)
        return self._last(self._on(ids), self._on(position), self._on(mask))

    def step(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> Logits:
        """Keeps only `rows` (K,) of the batch, appends a token to each -> logits (K, V)."""
        chosen = self._on(rows)
        self._past = [(k[chosen], v[chosen]) for k, v in self._past or ()]
        new = torch.ones(len(rows), 1, dtype=torch.bool, device=self._device)
        self._seen, self._lengths = torch.cat([self._seen[chosen], new], dim=1), self._lengths[chosen]
        logits = self._last(self._on(tokens)[:, None], self._lengths[:, None], self._seen[:, None])
        self._lengths = self._lengths + 1
        return logits

    @torch.no_grad()
    def read(self, ids: Ids, position: Ids, mask: Seen) -> Logits:
        """Whole sequences at once -> logits (B, T, V) of every place; see getok_core.reading."""
        hidden, _ = self.model.hidden(self._on(ids), self._on(position), self.picture, mask=self._on(mask))
        return _array(self.model.logits(hidden, self.picture))

    @torch.no_grad()
    def _last(self, ids: Tensor, position: Tensor, mask: Tensor) -> Logits:
        hidden, self._past = self.model.hidden(ids, position, self.picture, self._past, mask)
        return _array(self.model.logits(hidden[:, -1:], self.picture)[:, 0])

    def _on(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


@torch.no_grad()
def picture_of(model: Nano, image: RGB) -> Picture:
    """One image (H, W, 3) uint8 of the model's size, encoded."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).to(model.embedding.weight.device)[None]
    return model.look(pixels.permute(0, 3, 1, 2).float())


def read_nano(path: Path, called: Path | None = None) -> Nano:
    """The network of a safetensors file, in fp32, ready to be asked. Raises ModelError, which calls it `called`."""
    called = called or path
    try:
        opened: Any = safe_open(str(path), "pt")
        with opened as file:
            config = NanoConfig(**json.loads(str(dict(file.metadata() or {})["config"])))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        with torch.device("meta"):  # sizes that are not those of the tensors must not claim memory
            Nano(config).load_state_dict(tensors, assign=True)
        model = Nano(config)
        model.load_state_dict(tensors)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{called} cannot be read: {error}; copy or export the model again") from None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{called} holds no nano ({str(error).splitlines()[0]}): export the model again") from None
    return model.eval()


def write_nano(model: Nano, path: Path, half: bool = False) -> None:
    """Saves the network for read_nano; half: in half precision."""
    kept = {name: (tensor.half() if half else tensor).contiguous() for name, tensor in model.state_dict().items()}
    save_file(kept, str(path), {"config": json.dumps(model.config.to_json())})


def _array(logits: Tensor) -> Logits:
    return logits.float().cpu().numpy()
