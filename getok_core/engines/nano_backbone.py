"""EfficientNet-Lite0 with its batch norms folded into the convolutions: image -> features of strides 4, 8, 16 and 32.

Folding fixes the statistics, which small batches would spoil, and leaves fewer, larger operations.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

# kernel, stride, expansion, channels in, channels out, repeats of each stage (Lite0)
_STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
CHANNELS = (24, 40, 112, 320)
"""of the features of strides 4, 8, 16, 32"""
TAPS = (2, 4, 10, 15)
"""blocks whose outputs are those features"""


def _same_pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's padding: for stride 2 on even sizes the right and bottom get one more."""
    total = kernel - stride if stride > 1 else kernel - 1
    before = total // 2
    return F.pad(x, (before, total - before, before, total - before))


class Conv(nn.Module):
    """Convolution with bias (a folded batch norm) and, unless linear, ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True):
        super().__init__()
        self.kernel, self.stride, self.relu = kernel, stride, relu
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(_same_pad(x, self.kernel, self.stride) if self.kernel > 1 else x)
        return F.relu6(x) if self.relu else x


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = Conv(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Conv(wide, wide, kernel, stride, groups=wide)
        self.project = Conv(wide, outputs, 1, relu=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Lite0(nn.Module):
    """image (B, 3, H, W), values 0..255 -> features of strides 4, 8, 16, 32; H and W multiples of 32."""

    def __init__(self, frozen_blocks: int = 3, frozen_kernels: bool = True):
        """The stem, the first `frozen_blocks` blocks and (frozen_kernels) depthwise kernels keep ImageNet's weights.

        Edges serve any road, and the gradient of depthwise kernels alone would take half of a training step on a CPU.
        """
        super().__init__()
        self.frozen_blocks = frozen_blocks
        self.stem = Conv(3, 32, 3, 2)
        self.blocks = nn.ModuleList()
        for kernel, stride, expansion, inputs, outputs, repeats in _STAGES:
            for repeat in range(repeats):
                first = repeat == 0
                self.blocks.append(
                    Block(kernel, stride if first else 1, expansion, inputs if first else outputs, outputs)
                )
        for module in (self.stem, *self.blocks[:frozen_blocks]) if frozen_blocks else ():
            module.requires_grad_(False)
        for block in self.blocks if frozen_kernels else ():
            block.depthwise.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem((image - 127.0) / 128.0)
        features: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                features.append(x)
        return features
