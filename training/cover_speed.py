"""How much faster the greedy cover is than the loop it equals. `python -m training.cover_speed`.

Proposals are ellipses around lattice points, as a segmenter would draw them over one thing made of several. Packing
counts as part of the cover's time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from getok_core.cover import TAU, Cover, cover, pack
from getok_core.metrics.areas import overlap


def naive_cover(proposals: NDArray[np.bool_], truth: NDArray[np.bool_], tau: float = TAU) -> Cover:
    """The definition: every union with every proposal (N, H, W), counted pixel by pixel in every round."""
    union, iou = np.zeros_like(truth), 0.0
    chosen: list[int] = []
    ious: list[float] = []
    while truth.any() and iou < tau:
        reached = [overlap(union | proposal, truth).iou for proposal in proposals]
        if max(reached, default=0.0) <= iou:
            break
        best = int(np.argmax(reached))
        union, iou = union | proposals[best], reached[best]
        chosen.append(best)
        ious.append(iou)
    return Cover(tuple(chosen), tuple(ious))


def ellipses(n: int, side: int, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """n * n proposals (n * n, side, side), one around each cell, and a truth (side, side) of nine larger ones."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(np.float32)

    def drawn(centre: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.bool_]:
        return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1

    proposals = np.zeros((n * n, side, side), np.bool_)
    for index in range(n * n):
        centre = (np.array([index % n, index // n]) + 0.5) * side / n
        proposals[index] = drawn(centre, rng.uniform(0.04, 0.16, 2) * side)
    truth = np.zeros((side, side), np.bool_)
    for _ in range(9):
        truth |= drawn(rng.uniform(0.25, 0.75, 2) * side, rng.uniform(0.08, 0.2, 2) * side)
    return proposals, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=32, help="lattice points a side, one proposal each")
    parser.add_argument("--side", type=int, default=840, help="pixels a side")
    args = parser.parse_args()
    proposals, truth = ellipses(args.n, args.side)
    began = time.perf_counter()
    fast = cover(pack(proposals), pack(truth[None])[0])
    packed_s, began = time.perf_counter() - began, time.perf_counter()
    slow = naive_cover(proposals, truth)
    naive_s = time.perf_counter() - began
    assert fast == slow, "the covers differ"
    print(
        f"{len(proposals)} proposals of {args.side} x {args.side}, {len(fast.chosen)} chosen, IoU {fast.ious[-1]:.3f}: "
        f"packed {packed_s:.3f} s, naive {naive_s:.2f} s, {naive_s / packed_s:.0f} times faster, the same choice"
    )


if __name__ == "__main__":
    main()
