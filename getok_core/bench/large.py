"""A Qwen2.5-VL shape timed: the library's generate(), the library at its best, and our engine stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..assembly import Heard, assemble
from ..engines.anchored_engine import AnchoredEngine
from ..engines.qwen_choosing import Chooser, Slots
from ..engines.qwen_decoding import Decoder
from ..engines.qwen_network import QwenNetwork
from ..engines.qwen_pixels import Pixels
from ..engines.torch_engine import TorchEngine
from ..errors import ModelError
from ..grammar import parse
from ..lattice import Size
from ..manifest import Manifest
from ..perceiver import Look, Perceiver
from ..protocol import Engine, Limits, Reply, Request
from ..queries import PROMPT_VERSION, STANDING
from ..refine import Draft
from ..view import RGB
from ..vocabulary import PAD
from .floors import Ceilings, Floors, floors_of, measure_ceilings, memory
from .forced_scene import ForcedScene, Script, text_tokens
from .large_network import random_model, random_vocabulary, rows_of
from .table import Report, Row, machine, timed

VIEWS: dict[str, Size] = {"tiny": (112, 112), "3b": (896, 896), "7b": (896, 896)}
CAMERA: Size = (1280, 720)
TOKENS = 160


class ScriptedChooser(Chooser):
    """Does all the work of choosing, and then says what the script says."""

    script: Tensor

    def pick(self, logits: Tensor, legal: Tensor, slots: Slots, hot: bool) -> tuple[Tensor, Tensor]:
        token, logp = super().pick(logits, legal, slots, hot)
        wanted = self.script[: len(token)].gather(1, slots.length[:, None])[:, 0]
        return torch.where(wanted != PAD, wanted, token), logp


class ScriptedDecoder(Decoder):
    """Answers of forced length and content, so that random weights draw the scene."""

    def __init__(self, engine: TorchEngine, network: QwenNetwork, script: Script):
        super().__init__(network, engine.passes, engine.replays)
        self.scripted = ScriptedChooser(self.automaton)
        self.scripted.script = torch.zeros(32, 4 * TOKENS, dtype=torch.int64, device=network.device)
        self.chooser, self._script = self.scripted, script
        self.batches = 0

    def set_up(
        self, slots: Slots, requests: Sequence[Request], prompts: Sequence[Sequence[int]], limits: Limits
    ) -> None:
        super().set_up(slots, requests, prompts, limits)
        self.batches += 1
        said = np.zeros(tuple(self.scripted.script.shape), np.int64)
        for row, request in enumerate(requests):
            answer = self._script.said(request)
            said[row, : len(answer)] = answer
        self.scripted.script.copy_(torch.from_numpy(said))


class Large:
    """One shape on one device, with everything that its rows are measured with."""

    def __init__(self, shape: str, device: str, scene: ForcedScene, dtype: torch.dtype, model: Any = None):
        self.shape, self.device, self.scene = shape, device, scene
        self.vocabulary = random_vocabulary(rows_of(shape))
        self.view = VIEWS[shape]
        self.model = model or random_model(shape, self.vocabulary, device, dtype)
        self.manifest = Manifest(f"random {shape}", f"Qwen2.5-VL-{shape}", self.vocabulary.n, self.vocabulary.digest,
                                 PROMPT_VERSION, self.view, "bfloat16", 1, TOKENS, {}, ("torch",))  # fmt: skip
        self.script = Script(scene, self.vocabulary, self.view)
        self.engine = TorchEngine.over(self.model, self.vocabulary, Pixels(), self.manifest)
        assert self.engine.network is not None
        self.network = self.engine.network
        self.decoder = self.engine.decoder = ScriptedDecoder(self.engine, self.network, self.script)
        self.decoder.make_room(16, 512, TOKENS)
        self.image: RGB = np.random.default_rng(0).integers(0, 256, (self.view[1], self.view[0], 3), dtype=np.uint8)
        self.frame: RGB = np.random.default_rng(1).integers(0, 256, (CAMERA[1], CAMERA[0], 3), dtype=np.uint8)

    def wait(self) -> None:
        self.engine.wait()

    def timed(self, work: Callable[[], object], runs: int) -> float:
        """As table.timed, after one call that makes graphs and chooses kernels."""
        work()
        return timed(work, runs, self.wait)

    # -- ours ------------------------------------------------------------------------------------------------------

    def replies(self, engine: Engine, requests: Sequence[Request] | None = None) -> list[Reply]:
        with engine.open([self.image]) as frames:
            return frames.propose(requests or self.script.requests, Limits(TOKENS))

    def drafts(self, replies: Sequence[Reply]) -> list[Draft]:
        drafts = list[Draft]()
        for request, reply in zip(self.script.requests, replies, strict=True):
            parsed = parse(reply.ids, self.vocabulary, request.form)
            if any(one.parts for one in parsed.instances):
                drafts.append(Draft.of(request.prompt, tuple(int(token) for token in reply.ids[:-1]), parsed.instances))
        return drafts

    def stages(self, report: Report, floors: Floors, runs: int, rounds: int) -> None:
        """Our engine, stage by stage and whole."""
        engine, anchored = self.engine, AnchoredEngine(self.engine)
        report.add(Row("vision", self.timed(lambda: engine.see(self.image), runs), floors.vision))
        report.add(
            Row(
                "prefill", self.timed(engine.prefill, runs), floors.prefill, note=f"{self.network.prefix_tokens} tokens"
            )
        )
        total: dict[str, float] = {}
        for name, mode in (("propose, one sequence a list", engine), ("propose, anchors", anchored)):
            with mode.open([self.image]) as frames:
                ms = self.timed(lambda f=frames: f.propose(self.script.requests, Limits(TOKENS)), runs)
                calls, steps = self.decoder.batches, self.decoder.all_steps
                frames.propose(self.script.requests, Limits(TOKENS))
                calls, steps = self.decoder.batches - calls, self.decoder.all_steps - steps
            floor = steps * floors.step + calls * floors.reading(64)
            report.add(Row(name, ms, floor, note=f"{steps} steps, {calls} passes over prompts"))
            total[name] = floor
        drafts = self.drafts(self.replies(engine))
        tokens = sum(len(draft.sequence(self.vocabulary)[0]) for draft in drafts)
        with engine.open([self.image]) as frames:
            ms = self.timed(lambda: frames.refine(drafts, Limits(TOKENS)), runs)
        report.add(Row("refine, one round in one pass", ms, floors.reading(tokens), note=f"{tokens} tokens"))
        report.add(Row("parse", self.timed(lambda: self._parse(engine), runs), note="answers -> scene, on the host"))
        whole = floors.vision + floors.prefill + rounds * floors.reading(tokens)
        for name, mode, way in (("scene, one sequence a list", engine, "propose, one sequence a list"),
                                ("scene, anchors", anchored, "propose, anchors")):  # fmt: skip
            perceiver = Perceiver(mode, refinements=rounds)
            ms = self.timed(lambda p=perceiver: p.perceive(self.frame), runs)
            report.add(Row(name, ms, whole + total[way], note=f"{rounds} round(s), 720p image in, scene out"))

    def _parse(self, engine: Engine) -> None:
        heard: list[Heard] = []
        for request in self.script.requests:
            parse(self.script.said(request), self.vocabulary, request.form)
            heard.append(Heard("lanes", [], [], False))
        assemble(heard, self.view, {}, self.manifest.title)

    def fused(self, runs: int, rounds: int) -> Row:
        """The whole scene once more, after torch has compiled what lies between the products."""
        return self._whole("scene, anchors, small kernels fused", self.engine.compile, runs, rounds, "torch.compile")

    def shrunk(self, runs: int, rounds: int) -> Row:
        """The same with the language model's weights in 8 bits."""
        return self._whole(
            "scene, anchors, 8-bit layers", self.engine.shrink, runs, rounds, "float8 weights and inputs"
        )

    def _whole(self, name: str, change: Callable[[], None], runs: int, rounds: int, note: str) -> Row:
        try:
            change()
            perceiver = Perceiver(AnchoredEngine(self.engine), refinements=rounds)
            ms = self.timed(lambda: perceiver.perceive(self.frame), runs)
        except Exception as error:  # a compiler may fail in any way; the other rows still count
            return _failed(name, error)
        return Row(name, ms, note=note)

    # -- the library's ---------------------------------------------------------------------------------------------

    def generate(self, tokens: int, **options: Any) -> None:
        """One question about the image, answered with so many tokens."""
        chat, prompt = self.network.chat, self.script.requests[0].prompt
        ids = torch.tensor([[*chat.opening(self.network.vision.tokens), *chat.turns(prompt)[0]]], device=self.device)
        patches = torch.from_numpy(Pixels().patches(self.image)).to(self.device, self.network.dtype)
        grid = torch.tensor([Pixels().grid(self.view)], device=self.device)
        with torch.inference_mode():
            self.model.generate(
                input_ids=ids, pixel_values=patches, image_grid_thw=grid, attention_mask=torch.ones_like(ids),
                mm_token_type_ids=(ids == chat.image).int(), max_new_tokens=tokens, min_new_tokens=tokens,
                do_sample=False, **options,
            )  # fmt: skip

    def baselines(self, report: Report, compiled: bool) -> None:
        """The library's generate() on the same weights; one question stands for all, in its favour."""
        self.generate(3)
        written = text_tokens(self.scene, CAMERA)
        for name, tokens in (
            ("generate(), grid tokens", self.script.tokens),
            ("generate(), text coordinates", written),
        ):
            ms = timed(lambda n=tokens: self.generate(n), 1, self.wait)
            report.add(Row(name, ms, note=f"{tokens} tokens, one image, no refinement"))
        if compiled:
            report.add(self._best(self.script.tokens))

    def _best(self, tokens: int) -> Row:
        name = "generate(), static cache and compiled"
        try:
            self.generate(tokens, cache_implementation="static")
            self.generate(tokens, cache_implementation="static")
            ms = timed(lambda: self.generate(tokens, cache_implementation="static"), 1, self.wait)
        except Exception as error:  # a compiler may fail in any way; the other rows still count
            return _failed(name, error)
        return Row(name, ms, note=f"{tokens} grid tokens")


def _failed(name: str, error: Exception) -> Row:
    return Row(name, None, note=f"failed: {type(error).__name__}: {' '.join(str(error).split())[:80]}")


def bench_large(
    shape: str, device: str, scene: ForcedScene, runs: int = 5, rounds: int = 1, compiled: bool = True
) -> Report:
    """All rows of one shape. Raises ModelError without torch's stack, or without the device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device 'cuda' is not offered by this torch: install torch for CUDA or use --device cpu")
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    large = Large(shape, device, scene, dtype)
    report = Report(f"Qwen2.5-VL {shape}, random weights, {str(dtype).removeprefix('torch.')}",
                    machine(device, "torch", "transformers"))  # fmt: skip
    ceilings = measure_ceilings(large.network.device, dtype)
    floors = floors_of(large.network, ceilings)
    large.stages(report, floors, runs, rounds)
    large.baselines(report, compiled)
    if compiled:
        report.add(large.fused(runs, rounds))
    report.add(large.shrunk(runs, rounds))
    whole = [row.name for row in report.rows if row.name.startswith("scene")]
    report.compare("generate(), grid tokens", *whole, "generate(), static cache and compiled")
    _state(report, large, ceilings, floors)
    return report


def growth_large(shape: str, device: str, runs: int = 3) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds a scene against lanes, points, boxes, queries and rounds, lists drawn from anchors."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    first = Large(shape, device, ForcedScene(), dtype)
    lines: dict[str, list[tuple[float, float]]] = {}

    def measure(what: str, value: int, scene: ForcedScene, rounds: int = 1, queries: int = 5) -> None:
        large = Large(shape, device, scene, dtype, model=first.model)
        perceiver = Perceiver(AnchoredEngine(large.engine), refinements=rounds)
        ms = large.timed(lambda: perceiver.look(large.frame, (), STANDING[:queries]), runs)
        lines.setdefault(what, []).append((float(value), ms))

    for lanes in (1, 2, 4, 8):
        measure("lanes", lanes, ForcedScene(lanes=lanes))
    for points in (4, 8, 16):
        measure("points a lane", points, ForcedScene(points=points))
    for boxes in (1, 4, 8, 16):
        measure("boxes", boxes, ForcedScene(boxes=boxes))
    for queries in range(1, 6):
        measure("queries", queries, ForcedScene(), queries=queries)
    for rounds in range(4):
        measure("rounds", rounds, ForcedScene(), rounds=rounds)
    perceiver = Perceiver(AnchoredEngine(first.engine), refinements=1)
    for cameras in (1, 2, 4):
        looks = [Look(first.frame)] * cameras
        ms = first.timed(lambda seen=looks: perceiver.look_at(seen), runs)
        lines.setdefault("cameras", []).append((float(cameras), ms))
    return lines


def _state(report: Report, large: Large, ceilings: Ceilings, floors: Floors) -> None:
    by_name = {row.name: row for row in report.rows}
    best, text = by_name["scene, anchors"], by_name["generate(), text coordinates"]
    if best.ms and text.ms and best.floor_ms:
        report.facts["scene, anchors, against text coordinates"] = f"{text.ms / best.ms:.0f} times faster"
        report.facts["scene, anchors, against the floor of its schedule"] = (
            f"{best.ms / best.floor_ms:.2f} times the floor"
        )
        report.facts["scenes a second"] = 1000 / best.ms
    report.facts["ceilings"] = f"{ceilings.bytes_s / 1e9:.0f} GB/s, {ceilings.flops_s / 1e12:.2f} TFLOP/s"
    report.facts["floor of a step"] = f"{floors.step:.2f} ms"
    report.facts |= memory(large.network)
    report.facts["weights read a scene"] = f"{floors.weights_bytes / 2**30:.2f} GiB"
    if large.device == "cuda":
        report.facts["peak memory"] = (
            f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, the library's baselines included"
        )
