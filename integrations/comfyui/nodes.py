"""The nodes: load a network, apply it, apply a network for any style.

ComfyUI's images are tensors (N, H, W, C) in [0, 1], float32, on the CPU, with three or four channels.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fast_style import Stylizer, images
from fast_style.assets import shipped_networks
from fast_style.checkpoint import describe
from fast_style.data import parse_styles
from fast_style.inference.control import Control

CATEGORY = "fast_style"
COLOURS = ("of the style", "luminance", "histogram")


class LoadNetwork:
    """Load a network: one that ships, a file, or an address."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("FAST_STYLE",)
    RETURN_NAMES = ("network",)
    FUNCTION = "load"
    DESCRIPTION = "A network that ships with fast_style, or the .safetensors, folder or address in `file`."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """Tell ComfyUI which inputs there are."""
        names = [name for name, path in shipped_networks().items() if not describe(path).takes_images]
        return {
            "required": {"network": (names,)},
            "optional": {
                "file": ("STRING", {"default": "", "tooltip": "in place of `network`: a path or an address"}),
                "style": ("STRING", {"default": "", "tooltip": "of a network of several: NAME, or NAME:0.6,NAME:0.4"}),
                "device": (["auto", "cpu"], {"default": "auto"}),
            },
        }

    def load(self, network: str, file: str = "", style: str = "", device: str = "auto") -> tuple[Stylizer]:
        """Load the network.

        Args:
            network: the name of one that ships.
            file: a path or an address, which goes before it; empty: none.
            style: of a network of several styles one, or a mixture; empty: none.
            device: `auto` or `cpu`.

        Raises:
            FileNotFoundError, ValueError, RuntimeError: as `Stylizer.from_checkpoint`.
        """
        chosen = parse_styles(style) if style.strip() else None
        return (Stylizer.from_checkpoint(file.strip() or network, device=device, backend="torch", style=chosen),)


class ApplyNetwork:
    """Stylize images with a network."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "apply"
    DESCRIPTION = "Stylize images of any size; an alpha channel is kept."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Tell ComfyUI which inputs there are."""
        return {"required": {"network": ("FAST_STYLE",), "image": ("IMAGE",)}, "optional": _controls()}

    def apply(self, network: Stylizer, image: Tensor, **controls: Any) -> tuple[Tensor]:
        """Stylize images (N, H, W, 3 or 4) in [0, 1]; raises ValueError if a control is outside its range."""
        return (_apply(network.stylize, image, **controls),)


class AnyStyle:
    """Stylize images in the style of another image."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "apply"
    DESCRIPTION = "Stylize images in the style of a painting, its first image if there are several."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Tell ComfyUI which inputs there are."""
        names = [name for name, path in shipped_networks().items() if describe(path).takes_images]
        return {
            "required": {"image": ("IMAGE",), "painting": ("IMAGE",), "network": (names,)},
            "optional": _controls() | {"device": (["auto", "cpu"], {"default": "auto"})},
        }

    def apply(
        self, image: Tensor, painting: Tensor, network: str, device: str = "auto", **controls: Any
    ) -> tuple[Tensor]:
        """Stylize images (N, H, W, 3 or 4) in the style of the first of the paintings (M, h, w, 3 or 4), in [0, 1]."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "painting.png"
            images.write(file, _channels_first(painting[:1])[0, :3])
            style = {str(file): 1.0}
            stylizer = Stylizer.from_checkpoint(network, device=device, backend="torch", style=style)
        return (_apply(stylizer.stylize, image, **controls),)


def _controls() -> dict[str, Any]:
    number = {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.05}
    return {
        "strength": ("FLOAT", number),
        "colours": (list(COLOURS), {"default": COLOURS[0]}),
        "stroke_size": ("FLOAT", number | {"min": 0.125, "max": 8.0, "step": 0.125}),
    }


def _apply(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    strength: float = 1.0,
    colours: str = COLOURS[0],
    stroke_size: float = 1.0,
) -> Tensor:
    """Stylize one image after another, which takes the memory of one; whatever is beyond three channels is kept."""
    keep: Any = None if colours == COLOURS[0] else colours
    control = Control(strength, keep, stroke_size)
    pictures = []
    for each in _channels_first(image).split(1):
        rgb = each[:, :3] if each.shape[1] >= 3 else each[:, :1].expand(-1, 3, -1, -1)
        picture = control.apply([network], rgb.contiguous()).float().cpu().clamp(0, 1)
        pictures.append(torch.cat([picture, each[:, 3:]], dim=1))
    return torch.cat(pictures).permute(0, 2, 3, 1).contiguous()


def _channels_first(image: Tensor) -> Tensor:
    return image.detach().float().cpu().clamp(0, 1).permute(0, 3, 1, 2)


NODE_CLASS_MAPPINGS = {"FastStyleLoad": LoadNetwork, "FastStyleApply": ApplyNetwork, "FastStyleAny": AnyStyle}
NODE_DISPLAY_NAME_MAPPINGS = {
    "FastStyleLoad": "Load fast_style network",
    "FastStyleApply": "Apply fast_style network",
    "FastStyleAny": "Any style (fast_style)",
}
