"""What a CUDA graph captures asks the host nothing and takes nothing from it, shown on a device that has no memory.

On `meta` no value can be read, so a fetch fails by itself, and a 7B costs nothing. The watch refuses what else a
capture forbids: host data made or copied on the way, shapes that depend on values, random numbers.
"""

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from getok_core.bench.forced_scene import ForcedScene
from getok_core.bench.scripted import Large
from getok_core.engines import replayed

META = torch.device("meta")
REFUSED = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique2", "bincount",
           "repeat_interleave", "bernoulli_", "multinomial", "normal_", "uniform_", "random_", "rand", "randn",
           "randint", "exponential_"}  # fmt: skip
HOST = (torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy)


class Watch(TorchDispatchMode):
    """Refuses what a capture would refuse, and counts the kernels at most."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        assert name not in REFUSED, f"{name} in captured work"
        out = func(*args, **(kwargs or {}))
        elsewhere = {one.device for one in tensors([*args, out]) if one.dim() and one.device != META}
        assert not elsewhere, f"{name} in captured work touches {elsewhere}"
        if name in ("index", "index_put", "index_put_"):
            masks = [one for one in tensors(args[1]) if one.dtype in (torch.bool, torch.uint8)]
            assert not masks, f"{name} by a mask: its shape depends on values"
        self.calls += 1
        return out


class NoHostData(TorchFunctionMode):
    """Refuses tensors made of Python's numbers or NumPy's, which meta drops before the watch can see them."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func not in HOST, f"{func.__name__} in captured work"
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert not any(isinstance(one, list) for one in index), "a list of Python's numbers as an index"
        return func(*args, **(kwargs or {}))


def tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors(value)


@pytest.fixture(scope="module")
def large():
    return Large("7b", "meta", ForcedScene(), torch.bfloat16)


@pytest.mark.parametrize("hot", [False, True], ids=["likeliest", "sampled"])
@pytest.mark.parametrize("eight", [False, True], ids=["16 bits", "8 bits"])
def test_captured_work_stays_on_the_device(large, hot, eight, monkeypatch):
    watches = []

    class Watched(replayed.Replayed):
        def __call__(self) -> None:
            with NoHostData(), Watch() as watch:
                super().__call__()
            watches.append(watch.calls)

    monkeypatch.setattr(replayed, "Replayed", Watched)
    engine, decoder = large.engine, large.decoder
    if eight:
        engine.shrink()
    engine.replays.clear()
    engine.see(large.image)
    engine.prefill()
    engine.passes.fill([[1, 2, 3], [4]], decoder._cache, decoder._ends)
    slots = decoder._slots.part(8)
    for work in (decoder._begin(slots, 8, hot), decoder._step(slots, 256, hot), engine.passes._refine(256)):
        Watched(work, META)()
    assert len(watches) == 6 and min(watches) > 500


INSIDE = torch.zeros(4, 4, device="meta")


@pytest.mark.parametrize(
    "work",
    [
        lambda: float(INSIDE.sum()),
        lambda: INSIDE[INSIDE > 0],
        lambda: INSIDE.masked_select(INSIDE > 0),
        INSIDE.nonzero,
        INSIDE.numpy,
        INSIDE.cpu,
        lambda: INSIDE.copy_(torch.from_numpy(np.zeros((4, 4), np.float32))),
        lambda: INSIDE + torch.tensor([1.0, 2.0, 3.0, 4.0], device="meta"),
        lambda: INSIDE[[0, 2]],
        lambda: INSIDE[torch.tensor([0, 2])],
        lambda: torch.rand(3, device="meta"),
    ],
)
def test_the_watch_sees_what_would_wait_for_the_host(work):
    with NoHostData(), Watch(), pytest.raises((AssertionError, RuntimeError, NotImplementedError, TypeError)):
        work()
