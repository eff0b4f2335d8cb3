"""What other programs compute, stated from their published descriptions, to be timed beside fast_style.

- The image transformation network of Johnson et al. 2016 (supplement, table 1) in the variant of pytorch/examples'
  fast_neural_style: instance normalisation after every convolution but the last, reflection at every border, and
  nearest upsampling before a convolution in place of transposed convolutions.
- The losses that program trains it with: means of squared differences of features and of Gram matrices.
- The objective of Gatys et al. 2016 as gordicaleksa/pytorch-neural-style-transfer weighs it.
- The training step of CycleGAN (Zhu et al. 2017, section 4 and appendix 7.2) in the order and with the choices of
  junyanz/pytorch-CycleGAN-and-pix2pix.

All are computed the plain way, in eager float32, as those programs do.
"""

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast_style.networks import VGG

CONTENT_LAYER = "relu2_2"  # of pytorch/examples
GATYS_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
GATYS_CONTENT_LAYER = "conv4_2"
Features = Mapping[str, Tensor]


class Residual(nn.Sequential):
    """A chain of layers f that returns x + f(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        f: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + f


def convolution(inputs: int, outputs: int, side: int, stride: int = 1, enlarge: int = 1) -> list[nn.Module]:
    """Return layers that repeat pixels if asked to, reflect the borders and convolve with a square kernel."""
    repeat = [nn.Upsample(scale_factor=enlarge)] if enlarge > 1 else []
    return [*repeat, nn.ReflectionPad2d(side // 2), nn.Conv2d(inputs, outputs, side, stride)]


def stage(inputs: int, outputs: int, side: int, stride: int = 1, enlarge: int = 1) -> list[nn.Module]:
    """Return a convolution, its normalisation and a ReLU."""
    layers = convolution(inputs, outputs, side, stride, enlarge)
    return [*layers, nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()]


def johnson_network() -> nn.Sequential:
    """Return the network, freshly initialised: RGB of shape (N, 3, H, W) in 0 … 255 to the same; 1.68 M parameters."""

    def block() -> Residual:
        first, second = stage(128, 128, 3), stage(128, 128, 3)
        return Residual(*first, *second[:-1])  # the sum is not rectified

    down = [*stage(3, 32, 9), *stage(32, 64, 3, stride=2), *stage(64, 128, 3, stride=2)]
    middle = [block() for _ in range(5)]
    up = [*stage(128, 64, 3, enlarge=2), *stage(64, 32, 3, enlarge=2), *convolution(32, 3, 9)]
    return nn.Sequential(*down, *middle, *up)


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrices F Fᵀ / (C·H·W), (N, C, C), of features (N, C, H, W)."""
    flat = features.flatten(2)  # (N, C, H·W)
    return flat @ flat.mT / flat[0].numel()


class ExamplesLosses:
    """The two losses of pytorch/examples: mean (φ(y) − φ(x))² and Σ_l mean (G_l(y) − G_l(s))², each with its weight.

    Args:
        vgg: the loss network, for images in [0, 1].
        style: the painting, (1, 3, H, W) in [0, 1].
        layers: of the style loss; the content layer is `CONTENT_LAYER`, one of them.
        content_weight: of the content loss.
        style_weight: of the style loss.
        batch: photos in a batch: the painting's Gram matrices are computed for as many copies of it.
    """

    def __init__(
        self, vgg: VGG, style: Tensor, layers: Sequence[str], content_weight: float, style_weight: float, batch: int
    ) -> None:
        self.vgg, self.layers = vgg, list(layers)
        self.content_weight, self.style_weight = content_weight, style_weight
        painted = vgg(style.repeat(batch, 1, 1, 1), self.layers)
        self.targets = {layer: gram(value) for layer, value in painted.items()}

    def features(self, pictures: Tensor, photos: Tensor) -> tuple[Features, Features]:
        """Return the features of both; that program computes all layers of the photos as well."""
        return self.vgg(pictures, self.layers), self.vgg(photos, self.layers)

    def compare(self, made: Features, given: Features) -> tuple[Tensor, Tensor]:
        """Return the weighted content and style losses of the features of pictures and of their photos."""
        content = F.mse_loss(made[CONTENT_LAYER], given[CONTENT_LAYER])
        style = torch.stack([F.mse_loss(gram(made[layer]), target) for layer, target in self.targets.items()]).sum()
        return self.content_weight * content, self.style_weight * style


def gatys_objective(
    vgg: VGG, photo: Tensor, style: Tensor, content_weight: float, style_weight: float, tv_weight: float
) -> Callable[[Tensor], Tensor]:
    """Return the objective of a picture (1, 3, H, W) under a photo and a painting.

    It is content_weight · mean (φ − φ_photo)² + style_weight · the mean over layers of ‖G − G_style‖² + tv_weight · the
    sum of the absolute differences of neighbouring pixels.
    """
    layers = [*GATYS_STYLE_LAYERS, GATYS_CONTENT_LAYER]
    content_target = vgg(photo, layers)[GATYS_CONTENT_LAYER]
    style_targets = {layer: gram(value) for layer, value in vgg(style, layers).items() if layer in GATYS_STYLE_LAYERS}

    def objective(picture: Tensor) -> Tensor:
        features = vgg(picture, layers)
        content = F.mse_loss(features[GATYS_CONTENT_LAYER], content_target)
        distances = [F.mse_loss(gram(features[layer]), g, reduction="sum") for layer, g in style_targets.items()]
        variation = torch.stack([picture.diff(dim=side).abs().sum() for side in (3, 2)]).sum()
        return content_weight * content + style_weight * torch.stack(distances).mean() + tv_weight * variation

    return objective


def cyclegan_generator(blocks: int) -> nn.Sequential:
    """Return a ResNet generator of CycleGAN: RGB of shape (N, 3, H, W) in [-1, 1] to the same."""

    def normed(conv: nn.Module, channels: int) -> list[nn.Module]:
        return [conv, nn.InstanceNorm2d(channels), nn.ReLU()]

    layers = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(3, 64, 7), 64)]
    layers += normed(nn.Conv2d(64, 128, 3, 2, 1), 128) + normed(nn.Conv2d(128, 256, 3, 2, 1), 256)
    for _ in range(blocks):
        first, second = ([nn.ReflectionPad2d(1), *normed(nn.Conv2d(256, 256, 3), 256)] for _ in range(2))
        layers.append(Residual(*first, *second[:-1]))
    layers += normed(nn.ConvTranspose2d(256, 128, 3, 2, 1, 1), 128) + normed(
        nn.ConvTranspose2d(128, 64, 3, 2, 1, 1), 64
    )
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Tanh())


def cyclegan_discriminator() -> nn.Sequential:
    """Return a discriminator of 70×70 patches: RGB of shape (N, 3, H, W) in [-1, 1] to logits."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inputs, outputs, stride in ((64, 128, 2), (128, 256, 2), (256, 512, 1)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, 1), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


class Pool:
    """The last made images, of which one in two is shown in place of a new one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def __call__(self, image: Tensor) -> Tensor:
        """Take an image (1, 3, H, W), return one."""
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if random.random() < 0.5:
            return image
        place = random.randrange(self.size)
        earlier, self.images[place] = self.images[place], image.clone()
        return earlier


class CycleGANStep:
    """A training step: both generators by one optimizer, then both discriminators by another.

    Args:
        blocks: of the generators.
        pool: images that each discriminator is shown again.
    """

    def __init__(self, blocks: int, pool: int) -> None:
        self.there, self.back = cyclegan_generator(blocks), cyclegan_generator(blocks)
        self.judge_a, self.judge_b = cyclegan_discriminator(), cyclegan_discriminator()
        self.pool_a, self.pool_b = Pool(pool), Pool(pool)
        makers = [*self.there.parameters(), *self.back.parameters()]
        self.judges = [*self.judge_a.parameters(), *self.judge_b.parameters()]
        self.of_makers = torch.optim.Adam(makers, lr=2e-4, betas=(0.5, 0.999))
        self.of_judges = torch.optim.Adam(self.judges, lr=2e-4, betas=(0.5, 0.999))

    def __call__(self, real_a: Tensor, real_b: Tensor) -> None:
        """Take a step on images (1, 3, H, W) in [-1, 1]."""
        fake_b = self.there(real_a)
        rec_a = self.back(fake_b)
        fake_a = self.back(real_b)
        rec_b = self.there(fake_a)
        self._learn(self.judges, False)
        self.of_makers.zero_grad()
        loss = 5 * F.l1_loss(self.there(real_b), real_b) + 5 * F.l1_loss(self.back(real_a), real_a)
        loss = loss + self._is(self.judge_b(fake_b), 1.0) + self._is(self.judge_a(fake_a), 1.0)
        loss = loss + 10 * F.l1_loss(rec_a, real_a) + 10 * F.l1_loss(rec_b, real_b)
        loss.backward()
        self.of_makers.step()
        self._learn(self.judges, True)
        self.of_judges.zero_grad()
        for judge, real, fake in (
            (self.judge_b, real_b, self.pool_b(fake_b.detach())),
            (self.judge_a, real_a, self.pool_a(fake_a.detach())),
        ):
            ((self._is(judge(real), 1.0) + self._is(judge(fake), 0.0)) / 2).backward()
        self.of_judges.step()

    @staticmethod
    def _is(logits: Tensor, what: float) -> Tensor:
        """Least squares: how far logits are from real, 1, or made, 0."""
        return F.mse_loss(logits, torch.full_like(logits, what))

    @staticmethod
    def _learn(parameters: Sequence[nn.Parameter], learn: bool) -> None:
        for parameter in parameters:
            parameter.requires_grad_(learn)
