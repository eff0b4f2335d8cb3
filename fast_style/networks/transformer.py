"""Johnson's residual image-transformation network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.layers import ConvLayer, Layer, ResidualBlock, TransposedConv, UpsampleConv, norm_layer

UPSAMPLINGS = {"nearest": UpsampleConv, "transposed": TransposedConv}
OUTPUTS = ("linear", "tanh")
GAIN = 150 / 255  # Johnson's, in [0, 1]-space: with 0.5 added, a new network starts near mid-grey
# Every reflection padding inside (4 pixels at full size, 1 at a quarter) needs an input of at least this side.
MIN_SIDE = 8


class TransformerNetwork(nn.Module):
    """Residual image-transformation network: 9×9 – two strided 3×3 – residual blocks – two upsampling – 9×9.

    Johnson et al. 2016 (https://arxiv.org/abs/1603.08155, supplementary table 1) with the changes the field has kept:
    instance normalisation (Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022), reflection padding in every
    convolution instead of 40 pixels once, and upsampling followed by convolution (Odena et al. 2016,
    https://distill.pub/2016/deconv-checkerboard). Only the convolutions of `upsampling="transposed"` pad with zeros.

    Args:
        width: channels after the first convolution, 1 to 512; the residual blocks have four times as many.
        blocks: number of residual blocks, 0 to 64.
        norm: `instance` or `batch`.
        upsampling: `nearest` (nearest-neighbour upsampling + convolution) or `transposed` (transposed convolution).
        output: `linear`, 0.5 + 150/255·x; `tanh`, 0.5 + 150/255·tanh(x), Johnson's scaled tanh in [0, 1]-space.
            Where tanh saturates a huge activation costs nothing, and networks grow pure black blobs (seen with
            starry_night after 1500 steps); a linear output keeps them in check.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        width: int = 32,
        blocks: int = 5,
        norm: str = "instance",
        upsampling: str = "nearest",
        output: str = "linear",
    ) -> None:
        super().__init__()
        if not 1 <= width <= 512:
            raise ValueError(f"width must be 1 to 512 channels, got {width}")
        if not 0 <= blocks <= 64:
            raise ValueError(f"blocks must be 0 to 64, got {blocks}")
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling must be one of {', '.join(UPSAMPLINGS)}, got {upsampling!r}")
        if output not in OUTPUTS:
            raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
        self.arguments = {
            "width": width,
            "blocks": blocks,
            "norm": norm,
            "upsampling": upsampling,
            "output": output,
        }
        up = UPSAMPLINGS[upsampling]
        self.conv1 = ConvLayer(3, width, 9)
        self.norm1 = norm_layer(norm, width)
        self.conv2 = ConvLayer(width, 2 * width, 3, stride=2)
        self.norm2 = norm_layer(norm, 2 * width)
        self.conv3 = ConvLayer(2 * width, 4 * width, 3, stride=2)
        self.norm3 = norm_layer(norm, 4 * width)
        self.residuals = nn.Sequential(*(ResidualBlock(4 * width, norm) for _ in range(blocks)))
        self.up1 = up(4 * width, 2 * width, 3)
        self.norm4 = norm_layer(norm, 2 * width)
        self.up2 = up(2 * width, width, 3)
        self.norm5 = norm_layer(norm, width)
        self.conv4 = ConvLayer(width, 3, 9)

    @property
    def chain(self) -> list[Layer]:
        """All layers in order, from the padded input to what `to_rgb` takes."""
        return [
            *(self.conv1, self.norm1, F.relu),
            *(self.conv2, self.norm2, F.relu),
            *(self.conv3, self.norm3, F.relu),
            *self.residuals,
            *(self.up1, self.norm4, F.relu),
            *(self.up2, self.norm5, F.relu),
            self.conv4,
        ]

    @staticmethod
    def padded(side: int) -> int:
        """Round a side up to a multiple of four, which two halvings and two doublings return exactly."""
        # max(MIN_SIDE, …) without a comparison, which an exporter would settle for good.
        return 4 * ((side + 3) // 4 + 7 // (side + 3))

    def to_rgb(self, x: Tensor) -> Tensor:
        """Map what the last layer gives to [0, 1]-space."""
        return 0.5 + GAIN * (torch.tanh(x) if self.arguments["output"] == "tanh" else x)

    def forward(self, images: Tensor) -> Tensor:
        """Stylise a batch.

        Args:
            images: RGB of shape (N, 3, H, W) in [0, 1], H and W at least 1.

        Returns:
            RGB of the same shape in [0, 1]-space: values may lie a little outside, clamp before writing a file.
        """
        h, w = images.shape[-2:]
        pad_h, pad_w = self.padded(h) - h, self.padded(w) - w
        x = F.pad(images, (0, pad_w, 0, pad_h), mode="replicate") if pad_h or pad_w else images
        for layer in self.chain:
            x = layer(x)
        return self.to_rgb(x[..., :h, :w])
