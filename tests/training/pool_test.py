"""The pool: the oldest make room, draws belong together, and drafts are made of what the network itself said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from getok_core.errors import GetokError
from getok_core.refine import offset_targets
from getok_core.vocabulary import DELETE, GRID_START, OFFSET_START
from training.feed import Block
from training.light import relit
from training.pool import Filler, Pool
from training.proposals import offset_tokens, with_own_proposals
from training.segments import ROUNDS

CPU = torch.device("cpu")


def block_of(first: int, count: int = 4, length: int = 6) -> Block:
    """Samples that carry their number in every field."""
    number = torch.arange(first, first + count, dtype=torch.int32)
    packed = number[:, None, None].expand(-1, 2, length).clone()
    points = packed.float()[..., None]
    image = number[:, None, None, None].expand(-1, 2, 2, 3).to(torch.uint8)
    goals, aims = points.expand(-1, -1, -1, 2), points.expand(-1, -1, -1, 4)
    dense = number.float()[:, None, None, None].expand(-1, 5, 2, 2)
    return Block(image, packed, packed, packed, packed, goals, packed, aims, dense, dense[:, :, 0, 0])


def test_the_oldest_samples_make_room_and_a_draw_is_of_one_sample():
    pool = Pool(8, CPU)
    for first in (0, 4, 8):
        pool.add(block_of(first))
    batch = pool.draw(200)
    numbers = batch.ids[:, 0]
    assert set(numbers.tolist()) == set(range(4, 12)) and pool.added == 12 and len(pool) == 8
    for field in ("image", "segment", "targets", "goals", "links", "aims", "dense", "dense_known"):
        assert (getattr(batch, field).flatten(1).float() == numbers[:, None]).all(), field


def test_what_the_network_said_is_remembered_for_its_pack_until_the_sample_goes():
    pool = Pool(4, CPU)
    pool.add(block_of(0))
    batch = pool.draw(64)
    assert (batch.said == -1).all()
    pool.remember(batch, batch.ids * 0 + 7 + batch.packs[:, None])
    again = pool.draw(64)
    assert (again.said == 7 + again.packs[:, None]).all()
    pool.add(block_of(4))
    assert (pool.draw(16).said == -1).all()


def test_offsets_on_the_device_are_those_of_the_language():
    rest = np.random.default_rng(0).uniform(-1.6, 1.6, (500, 2))
    expected = offset_targets(np.zeros((500, 2)), rest, 1, ROUNDS)
    assert (offset_tokens(torch.from_numpy(rest)).numpy() == expected).all()
    assert DELETE in expected and OFFSET_START + 4 in expected


def test_a_draft_takes_the_cell_that_was_named_and_its_offset_follows():
    pool = Pool(1, CPU)
    one = block_of(0, 1)
    cell = 10 * 32 + 5
    ids, nothing = torch.full_like(one.ids, GRID_START + cell), torch.full_like(one.ids, -1)
    links, aims = nothing.clone(), torch.full((1, 2, 6, 4), float("nan"))
    links[..., 4] = 2
    aims[..., 4, :] = torch.tensor([5.9, 10.6, 0.0, 0.0])
    pool.add(one._replace(ids=ids, targets=nothing, links=links, aims=aims))
    batch = pool.draw(1)
    pool.remember(batch, torch.full((1, 6), cell + 1))
    batch = pool.draw(1)
    while not bool((batch.said >= 0).all()):
        batch = pool.draw(1)
    own = with_own_proposals(batch, 32, torch.tensor([True]))
    assert own.ids[0].tolist() == [GRID_START + cell] * 4 + [GRID_START + cell + 1, GRID_START + cell]
    # From the centre (6.5, 10.5) of the named cell to (5.9, 10.6): one step left.
    assert own.targets[0].tolist() == [-1] * 4 + [OFFSET_START + 3, -1]
    same = with_own_proposals(batch, 32, torch.tensor([False]))
    assert (same.ids == batch.ids).all() and (same.targets == batch.targets).all()


def test_other_light_keeps_the_range_and_changes_the_picture():
    image = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)
    lit = relit(image)
    assert lit.shape == (3, 3, 8, 8) and lit.min() >= 0 and lit.max() <= 255
    assert (lit - image.permute(0, 3, 1, 2)).abs().mean() > 0.5


def test_a_worker_s_failure_reaches_training_as_one_line():
    def broken():
        yield block_of(0)
        raise ValueError("a scene went wrong")

    filler, pool = Filler(broken(), pin=False), Pool(8, CPU)
    filler.start()
    with pytest.raises(GetokError, match="a scene went wrong"):
        for _ in range(3):
            filler.fill(pool, wait=True)
    filler.stop()
    assert len(pool) == 4
