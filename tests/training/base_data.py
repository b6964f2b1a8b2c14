"""A handful of samples and pictures for tests of the large model's road."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that wait for each other take longer than a tiny model's sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_samples(folder: Path, pictures: int = 6) -> Path:
    """Pictures of one bright rectangle, and four samples about each: a box, a mask, a question, and text alone."""
    rng = np.random.default_rng(0)
    lines = []
    for k in range(pictures):
        image = np.full((60, 80, 3), 40, np.uint8)
        x, y = map(int, rng.integers(5, 30, 2))
        image[y : y + 20, x : x + 30] = 220
        cv2.imwrite(str(folder / f"{k}.png"), image)
        box = [x, y, x + 30, y + 20]
        mask = [[x, y, x + 30, y, x + 30, y + 20, x, y + 20]]
        shown = {"image": f"{k}.png", "size": [80, 60], "source": f"drawn:{k}"}
        lines += [
            {**shown, "query": {"task": "obstacles"}, "kind": "box", "answer": [{"label": "car", "box": box}]},
            {**shown, "query": {"text": "Segment the car"}, "kind": "seg",
             "answer": [{"label": "car", "box": box, "mask": mask}]},
            {**shown, "query": {"task": "sign colour", "region": {"point": [x, y]}}, "kind": "text", "answer": "red",
             "think": "It is bright." if k % 2 else ""},
            {"image": "", "query": {"text": "And three?"}, "kind": "text", "answer": "Three.\nIndeed.",
             "history": [["Count to two.", "One, two."]], "source": f"said:{k}"},
        ]  # fmt: skip
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
