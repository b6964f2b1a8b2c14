"""Where location tokens look: `python -m training.attention IMAGE --box X1,Y1,X2,Y2 --out heat.png` (figure 9).

Attention from the tokens that spell one box to the patches of the image, averaged over these tokens, heads and layers,
for nanos that write text coordinates, 1-D bins and grid tokens, side by side. The arms come from training.ablation,
trained alike but for their spelling. With --box all are given the same box to say; without, each its own first answer.

Beside each picture stands a number: the share of that attention which falls into the box, over the box's share of the
image; 1 is no preference. A bound grid token carries the features of its cell as input, the others do not: grid-plain
is the arm that differs from text and bins in its spelling alone.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from getok_core.engines.nano_network import Layer, Nano, Picture, rotate
from getok_core.errors import GetokError, QueryError
from getok_core.geometry import XY, Box
from getok_core.lattice import Lattice
from getok_core.queries import TASKS, SceneQuery, check_region, parse_region
from getok_core.view import RGB, View, read_image, write_image
from getok_core.vocabulary import CLOSE, OPEN

from .ablation.answers import answers
from .ablation.arms import Arm, chosen
from .ablation.network import load, shown

QUERY = SceneQuery("obstacles", TASKS["obstacles"].prompt)
LONGEST = 200
"""tokens of an arm's own answer"""
STRENGTH = 0.6
"""of the heat over the image"""
PANEL = 480
"""width of a panel in pixels"""
BAR = 28
"""height of a panel's title in pixels"""


# -- attention ---------------------------------------------------------------------------------------------------


def layer_attention(layer: Layer, x: Tensor, position: Tensor, prefix: tuple[Tensor, Tensor] | None,
                    past: None, mask: Tensor | None) -> Tensor:  # fmt: skip
    """What a layer's forward mixes by: (B, heads, T, P + T), patches first; each row sums to 1."""
    batch, length, dim = x.shape
    q, k, _ = layer.qkv(layer.norm1(x)).view(batch, length, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)
    q, k = rotate(q, position) / math.sqrt(dim // layer.heads), rotate(k, position)
    scores = q @ k.transpose(-1, -2)
    scores = scores if mask is None else scores.masked_fill(~mask[:, None], -1e9)
    return torch.cat([q @ prefix[0].transpose(-1, -2), scores] if prefix else [scores], dim=-1).softmax(-1)


@torch.no_grad()
def attention(model: Nano, ids: Sequence[int], picture: Picture) -> Tensor:
    """One sequence over one picture -> (layers, heads, T, P + T): what each token looks at, patches first."""
    seen: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, given: seen.append(layer_attention(layer, *given)))  # pyright: ignore
        for layer in model.layers
    ]
    try:
        length = len(ids)
        causal = torch.ones(1, length, length, dtype=torch.bool).tril()
        model.hidden(torch.tensor([list(ids)]), torch.arange(length)[None], picture, mask=causal)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(seen)


def heat_of(weights: Tensor, at: Sequence[int], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Attention (layers, heads, T, P + T) of the tokens at some places -> (rows, columns) of patches, its sum 1."""
    rows, columns = shape
    patches = weights[:, :, list(at), : rows * columns].double().mean((0, 1, 2)).reshape(rows, columns)
    return (patches / patches.sum()).numpy()


def preference(heat: NDArray[np.float64], box: XY) -> float:
    """Share of the heat inside a box (2, 2), in parts of the image, over the box's share of it."""
    rows, columns = heat.shape
    down, across = _covered(rows, *box[:, 1].tolist()), _covered(columns, *box[:, 0].tolist())
    return float((heat * down[:, None] * across).sum()) / float((box[1, 0] - box[0, 0]) * (box[1, 1] - box[0, 1]))


def _covered(count: int, low: float, high: float) -> NDArray[np.float64]:
    """(count,) what part of each of so many equal pieces of 0..1 lies between low and high."""
    edges = np.clip(np.arange(count + 1) / count, low, high)
    return np.diff(edges) * count


# -- one arm -----------------------------------------------------------------------------------------------------


def located(arm: Arm, said: Sequence[int]) -> list[int]:
    """Places in an answer of the tokens that spell its first box."""
    if OPEN["box"] not in said:
        return []
    start = list(said).index(OPEN["box"]) + 1
    end = next((at for at in range(start, len(said)) if said[at] == CLOSE["box"]), len(said))
    return [at for at in range(start, end) if arm.spelling.coordinates[said[at]]]


def look(model: Nano, arm: Arm, image: RGB, box: XY | None, label: str) -> tuple[NDArray[np.float64], XY]:
    """An arm's heat over an image, and the box it spelled, (2, 2) in parts of the image. Raises QueryError if none."""
    vocabulary = arm.spelling.vocabulary
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        picture = model.look(shown(pixels, arm, torch.full((1, 4), torch.nan)))
    prompt = list(QUERY.prompt(vocabulary, Lattice(arm.spelling.n), (1, 1)))
    if box is None:
        said = answers(model, picture, [prompt], LONGEST)[0]
    else:
        vertices, _ = arm.spelling.vertices(box)
        said = [*vocabulary.encode_text(label), OPEN["box"], *vertices, CLOSE["box"]]
    at = located(arm, said)
    places = arm.spelling.read(said).places
    drawn = places[np.isfinite(places).all(1)][:2]
    if not at or len(drawn) < 2:
        raise QueryError(f"arm {arm.name} boxes nothing in this image: say what it should with --box X1,Y1,X2,Y2")
    weights = attention(model, [*prompt, *said], picture)
    shape = arm.input[1] // 32, arm.input[0] // 32
    return heat_of(weights, [len(prompt) + place for place in at], shape), np.sort(drawn, axis=0)


# -- picture -----------------------------------------------------------------------------------------------------


def panel(image: RGB, heat: NDArray[np.float64] | None, box: XY | None, title: str) -> RGB:
    """An image (H, W, 3) under its heat, which is drawn from nothing to its own largest value, below a title."""
    height, width = image.shape[:2]
    out: RGB = np.array(image)
    if heat is not None:
        smooth = np.asarray(cv2.resize(heat / heat.max(), (width, height), interpolation=cv2.INTER_CUBIC), np.float64)
        colours = np.asarray(cv2.applyColorMap((255 * np.clip(smooth, 0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO))
        out = np.round((1 - STRENGTH) * image + STRENGTH * colours[..., ::-1].astype(np.float64)).astype(np.uint8)
    if box is not None:
        (left, top), (right, bottom) = np.round(box * (width, height) - 0.5).astype(int).tolist()
        cv2.rectangle(out, (left, top), (right, bottom), (255, 255, 255), 2)
    bar = np.full((BAR, width, 3), 20, np.uint8)
    cv2.putText(bar, title, (6, BAR - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([bar, out])


def figure(image: RGB, arms: Sequence[Arm], runs: Path, box: XY | None, label: str) -> RGB:
    """Panels in a row: the image, then each arm; prints each arm's preference for its box. Raises GetokError."""
    size = image.shape[1::-1]
    small = View(size, (PANEL, max(1, round(PANEL * size[1] / size[0])))).resize(image)
    panels = [panel(small, None, box, "image")]
    for arm in arms:
        heat, drawn = look(load(arm, runs), arm, image, box, label)
        times = preference(heat, drawn if box is None else box)
        print(f"{arm.name}: attention into the box, {times:.2f} times its share of the image")
        panels.append(panel(small, heat, drawn if box is None else box, f"{arm.name}: {times:.2f} x"))
    return np.concatenate(panels, axis=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m training.attention", description="where location tokens look")
    parser.add_argument("image", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="folder of the trained arms")
    parser.add_argument("--arms", default="text,bins,grid-plain,grid", help="names of arms, with commas")
    parser.add_argument("--box", help="X1,Y1,X2,Y2 in pixels: what all arms say; default: each its first answer")
    parser.add_argument("--label", default="car", help="what the box is called")
    options = parser.parse_args(arguments)
    try:
        image = read_image(options.image)
        size = image.shape[1::-1]
        region = check_region(parse_region(options.box), size) if options.box else None
        if region is not None and not isinstance(region, Box):
            raise QueryError(f"--box {options.box}: give X1,Y1,X2,Y2 in pixels")
        box = None if region is None else region.xy / size
        drawn = figure(image, chosen(options.arms), options.runs, box, options.label)
        write_image(options.out, drawn)
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
