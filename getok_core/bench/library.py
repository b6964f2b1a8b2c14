"""The library's own generate() on the same weights: with grid tokens, with text coordinates, and at its best."""

from __future__ import annotations

from typing import Any

import torch

from ..engines.qwen_pixels import Pixels
from .forced_scene import text_tokens
from .scripted import CAMERA, Large
from .table import Report, Row, failed, timed

GRID, TEXT, BEST = "generate(), grid tokens", "generate(), text coordinates", "generate(), static cache and compiled"


def generate(large: Large, tokens: int, **options: Any) -> None:
    """One question about the image, answered with so many tokens."""
    chat, prompt = large.network.chat, large.script.requests[0].prompt
    ids = torch.tensor([[*chat.opening(large.network.vision.tokens), *chat.turns(prompt)[0]]], device=large.device)
    patches = torch.from_numpy(Pixels().patches(large.image)).to(large.device, large.network.dtype)
    grid = torch.tensor([Pixels().grid(large.view)], device=large.device)
    with torch.inference_mode():
        large.model.generate(
            input_ids=ids, pixel_values=patches, image_grid_thw=grid, attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == chat.image).int(), max_new_tokens=tokens, min_new_tokens=tokens,
            do_sample=False, **options,
        )  # fmt: skip


def plain_rows(report: Report, large: Large) -> None:
    """One question stands for all five, in the library's favour; one run each, because they are slow."""
    generate(large, 3)
    for name, tokens in ((GRID, large.script.tokens), (TEXT, text_tokens(large.scene, CAMERA))):
        ms = timed(lambda n=tokens: generate(large, n), 1, large.engine.wait)
        report.add(Row(name, ms, note=f"{tokens} tokens, one image, no refinement"))


def best_row(large: Large) -> Row:
    """What the library compiles itself where it is given a static cache; on a CPU it compiles nothing."""
    tokens = large.script.tokens
    try:
        for _ in range(2):
            generate(large, tokens, cache_implementation="static")
        ms = timed(lambda: generate(large, tokens, cache_implementation="static"), 1, large.engine.wait)
    except Exception as error:  # a compiler may fail in any way; the other rows still count
        return failed(BEST, error)
    return Row(BEST, ms, note=f"{tokens} grid tokens")
