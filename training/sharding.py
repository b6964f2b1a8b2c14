"""A model whose weights lie in parts on several ranks, and the whole tensors that files and engines want.

torch's fully_shard (FSDP2), which is what accelerate's FSDP2 calls too; asked directly, it runs on CPUs as well, where
it is tested. A pass gathers one layer's weights after another; gradients of all ranks are summed, not averaged.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, layers: Collection[str], device: torch.device) -> None:
    """Splits a model over all ranks, in place: each module whose class is named in layers, and what is left."""
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for module in [module for module in model.modules() if type(module).__name__ in layers]:
        fully_shard(module, mesh=mesh)
    # A pass without gradients would otherwise leave the root whole, and the next one would read weights from before.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def whole(tensor: Any) -> Any:
    """A sharded tensor in full, on every rank, all of which must ask; anything else as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def spread(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor in full -> sharded as `like` is, or as it is where that is whole. All ranks must ask."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def skeleton(model: nn.Module) -> nn.Module:
    """A copy of a model with its buffers and without its weights: shapes on the meta device, ties kept."""
    shapes = {id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
              for weight in model.parameters()}  # fmt: skip
    return copy.deepcopy(model, dict[int, Any](shapes))


def filled(bones: nn.Module, model: nn.Module) -> Any:
    """A skeleton's copy with the model's weights in full. All ranks must ask.

    Weights that were whole are shared with the model: neither side may change them in place.
    """
    made: dict[int, nn.Parameter] = {}
    for weight in model.parameters():
        made[id(weight)] = nn.Parameter(whole(weight.detach()), requires_grad=False)
    weights = {name: made[id(weight)] for name, weight in model.named_parameters(remove_duplicate=False)}
    body = copy.deepcopy(bones)
    body.load_state_dict(weights, strict=False, assign=True)
    return body
