"""The losses: boxes are recognised in a pack, and weigh what they are told to."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing: install the training extra")

import torch

from getok_core.lattice import Lattice
from getok_core.queries import standard_vocabulary
from getok_core.vocabulary import CLOSE, DELETE, OFFSET_START
from tests.training.samples_test import FRAME, VOCABULARY
from training.losses import in_boxes, token_losses
from training.samples import make_sample
from training.segments import IGNORE


def a_pack(seed: int = 3, n: int = 32):
    sample = make_sample(FRAME, Lattice(n), standard_vocabulary(n), np.random.default_rng(seed), length=600)
    return {name: torch.from_numpy(getattr(sample.packs[0], name))[None] for name in ("ids", "targets", "goals")}


def test_what_is_asked_inside_a_box_is_a_corner_or_its_end() -> None:
    one, line = a_pack(), 0
    targets, inside = one["targets"][0].tolist(), in_boxes(one["ids"])[0].tolist()
    for target, boxed in zip(targets, inside, strict=True):
        if target == IGNORE:
            continue
        read = DELETE <= target < OFFSET_START + 9
        if boxed:
            assert VOCABULARY.is_grid(target) or read or target == CLOSE["box"]
        else:
            assert target != CLOSE["box"]
            line += VOCABULARY.is_grid(target)
    assert line > 20 and any(boxed and VOCABULARY.is_grid(t) for t, boxed in zip(targets, inside, strict=True))


def test_a_weight_moves_the_means_to_what_it_weighs() -> None:
    one, vocabulary = a_pack(), VOCABULARY.size
    logits = torch.randn(*one["ids"].shape, vocabulary, generator=torch.Generator().manual_seed(0))
    boxed = in_boxes(one["ids"])
    targets = one["targets"].long()

    def grid(targets: torch.Tensor, goals: torch.Tensor, weight: torch.Tensor | float = 1.0) -> float:
        return float(token_losses(logits, targets, goals, 32, weight)[0][0])

    nowhere = torch.full_like(one["goals"], torch.nan)
    boxes = grid(torch.where(boxed, targets, IGNORE), torch.where(boxed[..., None], one["goals"], nowhere))
    plain = grid(targets, one["goals"])
    heavy = grid(targets, one["goals"], torch.where(boxed, 1e6, 1.0))
    assert plain == pytest.approx(grid(targets, one["goals"], torch.ones(boxed.shape)))
    assert heavy == pytest.approx(boxes, rel=1e-4) and abs(plain - boxes) > 1e-3
