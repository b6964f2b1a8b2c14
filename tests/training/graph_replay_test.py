"""Graphs that cannot be made, and when the host looks whether a batch is done: what needs no GPU to be shown."""

import pytest
import torch

from getok_core.engines import replayed
from getok_core.engines.qwen_decoding import Watch


def test_what_cannot_be_captured_is_done_kernel_by_kernel(monkeypatch):
    """A driver that refuses a capture costs speed, not answers; a GPU that is full is an error."""
    done = []
    monkeypatch.setattr(replayed, "_warm", lambda work, device: work())
    for refusal, expected in (
        (RuntimeError("CUDA error: operation not permitted when stream is capturing"), None),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
    ):

        def refused(*_, refusal=refusal):
            raise refusal

        monkeypatch.setattr(replayed, "_captured", refused)
        with pytest.raises(expected) if expected else pytest.warns(UserWarning, match="kernel by kernel.*capturing"):
            replayed.Replayed(lambda: done.append(1), torch.device("cuda"))()
    assert len(done) == 3, "warmed, done; warmed"


@pytest.mark.parametrize("end", [0, 1, 4, 9])
@pytest.mark.parametrize("usual", [0, 1, 5, 8])
def test_steps_end_where_they_should_or_one_later(end, usual):
    """The flag is set by step `end`; only where the batch before took longer is a step done too many."""
    flag = torch.zeros(1, dtype=torch.bool)
    watch, steps = Watch(flag), 0
    flag[:] = end == 0
    while not watch.over(ahead=steps + 1 < usual):
        steps += 1
        flag[:] = steps >= end
    assert steps == end + (end + 1 < usual)
