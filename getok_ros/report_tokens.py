"""How a picture becomes tokens: a frame under its lattice with the tokens of what was named, and one point refined."""

from __future__ import annotations

import cv2
import numpy as np

from getok_core.geometry import XY
from getok_core.lattice import Code, Lattice
from getok_core.scene import Scene
from getok_core.view import RGB

from .scene_picture import data_uri

ROUNDS = 3
COLOURS = ("#f0e442", "#56b4e9", "#e69f00")
INKS = ("--yellow", "--sky", "--orange")
Named = tuple[str, str, XY, Code]
"""label, tag, vertices in pixels, their code"""


def figure(scene: Scene, image: RGB, lattice: Lattice) -> str:
    """The frame, its lattice, the cells of up to three things, and their tokens as the model writes them."""
    width, height = scene.width, scene.height
    across, down = width / lattice.n, height / lattice.n
    parts = [
        f'<line class="lattice" x1="{i * across}" x2="{i * across}" y1="0" y2="{height}"/>' for i in range(1, lattice.n)
    ]
    parts += [
        f'<line class="lattice" y1="{j * down}" y2="{j * down}" x1="0" x2="{width}"/>' for j in range(1, lattice.n)
    ]
    texts: list[str] = []
    for (label, tag, xy, code), colour, ink in zip(_named(scene, lattice), COLOURS, INKS, strict=False):
        cells = [(int(i), int(j)) for i, j in code.ij]
        for i, j in dict.fromkeys(cells):
            box = f'x="{i * across:.2f}" y="{j * down:.2f}" width="{across:.2f}" height="{down:.2f}"'
            parts.append(f'<rect class="cell" data-cell="{i}-{j}" {box} fill="{colour}" stroke="{colour}"/>')
        if tag == "pl":
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in xy)
            parts.append(f'<polyline class="line" points="{line}" stroke="{colour}"/>')
        words = " ".join(f'<i data-cell="{i}-{j}" style="color:var({ink})">&lt;grid_{i}_{j}&gt;</i>' for i, j in cells)
        texts.append(f'<p class="tokens">{label} &lt;{tag}&gt; {words} &lt;/{tag}&gt;</p>')
    svg = f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{"".join(parts)}</svg>'
    return f'<div class="picture"><img src="{data_uri(image)}" alt="">{svg}</div>{"".join(texts)}'


def steps(scene: Scene, image: RGB, lattice: Lattice) -> str:
    """One vertex close up: the centre of its cell, then the offset of each round that was used, ever half as long."""
    lanes = [named for named in _named(scene, lattice) if named[1] == "pl"]
    if not lanes:
        return ""
    code = lanes[0][3]
    moved = np.abs(code.offsets).sum(axis=(1, 2))
    inside = ((code.ij > 0) & (code.ij < lattice.n - 1)).all(axis=1)
    at = 1 + int(np.argmax(np.where(inside, moved, -1)[1:-1])) if len(moved) > 2 else 0
    rounds = _rounds_used(scene, lattice)
    size = (scene.width, scene.height)
    path = [lattice.decode(code.ij[at : at + 1], size, code.offsets[at : at + 1, :r])[0] for r in range(rounds + 1)]
    i, j = code.ij[at]
    tails = (
        "half a cell a step; one pass moves every vertex at once.",
        "a quarter now, by the same ten words.",
        "an eighth.",
    )
    captions = [f"<b>&lt;grid_{i}_{j}&gt;</b> names the cell; its centre is the first guess."]
    captions += [
        f"<b>&lt;off_{u}_{v}&gt;</b> {tail}" for (u, v), tail in zip(code.offsets[at, :rounds], tails, strict=False)
    ]
    crop, corner, scale = _close_up(image, scene, lattice, int(i), int(j))
    drawn = (_step(crop, path[: r + 1], corner, scale, text) for r, text in enumerate(captions))
    return f'<div class="steps">{"".join(drawn)}</div>'


def _rounds_used(scene: Scene, lattice: Lattice) -> int:
    """Refinement rounds behind a scene, 0..ROUNDS: after the last one, every vertex lies on its lattice."""
    xy = np.concatenate([lane.points for lane in scene.lanes])
    offsets = lattice.encode(xy, (scene.width, scene.height), ROUNDS).offsets
    return int(np.flatnonzero(np.abs(offsets).any(axis=(0, 2))).max(initial=-1)) + 1


def _step(crop: str, path: list[XY], corner: XY, scale: XY, caption: str) -> str:
    """One close-up of 3 x 3 cells, 300 units a side, with the way the point has come."""
    dots = [(point - corner) * scale for point in path]
    grid = "".join(
        f'<path d="M{c} 0V300M0 {c}H300" stroke="#fff" stroke-opacity=".35" fill="none"/>' for c in (100, 200)
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    trail = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#fff" fill-opacity=".6"/>' for x, y in dots[:-1])
    x, y = dots[-1]
    return (
        '<figure><svg viewBox="0 0 300 300">'
        f'<image href="{crop}" width="300" height="300" preserveAspectRatio="none"/>{grid}'
        f'<rect x="100" y="100" width="100" height="100" fill="none" stroke="#f0e442" stroke-width="2"/>'
        f'<polyline points="{line}" fill="none" stroke="#fff" stroke-width="2"/>{trail}'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="#f0e442" stroke="#101418" stroke-width="3"/></svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _named(scene: Scene, lattice: Lattice) -> list[Named]:
    """Two lanes with the most vertices and the largest obstacle or sign, with their codes."""
    size = (scene.width, scene.height)
    lanes = sorted(
        scene.lanes, key=lambda lane: (-len(np.unique(lattice.encode(lane.points, size).ij, axis=0)), lane.label)
    )
    boxed = [(f"{sign.label} {sign.colour} {sign.visible_state}", sign.box) for sign in scene.signs]
    boxed += [(obstacle.label, obstacle.box) for obstacle in scene.obstacles]
    boxed.sort(key=lambda pair: -(pair[1][2] - pair[1][0]) * (pair[1][3] - pair[1][1]))
    things = [(lane.label, "pl", lane.points) for lane in lanes[: 2 if boxed else 3]]
    things += [(label, "box", box.reshape(2, 2)) for label, box in boxed[:1]]
    return [(label, tag, xy, lattice.encode(xy, size, ROUNDS)) for label, tag, xy in things]


def _close_up(image: RGB, scene: Scene, lattice: Lattice, i: int, j: int) -> tuple[str, XY, XY]:
    """The 3 x 3 cells around a cell as a JPEG, their corner in pixels, and figure units a pixel."""
    cell = np.array([scene.width, scene.height]) / lattice.n
    corner = np.array([i - 1, j - 1]) * cell
    scale = 100 / cell
    into = np.array([[2 * scale[0], 0, -2 * scale[0] * corner[0]], [0, 2 * scale[1], -2 * scale[1] * corner[1]]])
    into[:, 2] += into[:, :2].sum(axis=1) * 0.5 - 0.5  # OpenCV counts from pixel centres
    crop = cv2.warpAffine(image, into, (600, 600), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return data_uri(np.asarray(crop, np.uint8)), corner, scale
