"""Images, files and colour profiles made without fast_style.images."""

import struct
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
import torch


@pytest.fixture
def noise() -> PIL.Image.Image:
    """Incompressible RGB of 37 × 23 pixels."""
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (23, 37, 3), dtype=np.uint8))


@pytest.fixture
def smooth() -> PIL.Image.Image:
    """Smooth RGBA of 37 × 23 pixels with every opacity, wholly transparent black and wholly opaque parts."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    image = np.array(PIL.Image.fromarray(coarse).resize((37, 23), PIL.Image.Resampling.BICUBIC))
    image[:5, :7], image[-5:, -7:, 3] = 0, 255
    return PIL.Image.fromarray(image)


@pytest.fixture
def deep() -> np.ndarray:
    """Random RGBA of 16 bits, (23, 37, 4), of which nothing is transparent."""
    return np.random.default_rng(0).integers(1, 65_536, (23, 37, 4), dtype=np.uint16)


@pytest.fixture
def pixels() -> torch.Tensor:
    """Smooth float RGB, (1, 3, 23, 37)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 23), torch.linspace(0, 1, 37), indexing="ij")
    return torch.stack([x, y, (x + y) / 2])[None]


# Display P3 and ProPhoto (ROMM) RGB: red, green and blue as XYZ under D50.
PRIMARIES = {
    "p3": [[0.515121, 0.241196, -0.001053], [0.291977, 0.692245, 0.041885], [0.157104, 0.066574, 0.784073]],
    "prophoto": [[0.797672, 0.288040, 0.0], [0.135193, 0.711881, 0.0], [0.031341, 0.000090, 0.825211]],
}
CURVES = {
    "gamma": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)),
    "linear": b"curv\0\0\0\0" + struct.pack(">I", 0),
    "table": b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *(round(65_535 * (i / 1023) ** 2.2) for i in range(1024))),
    "srgb": b"para\0\0\0\0\0\3\0\0"
    + struct.pack(">5i", *(round(65_536 * v) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))),
    "power": b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", round(65_536 * 1.8)),
}


@pytest.fixture
def make_profile() -> Callable[..., bytes]:
    """Build a colour profile (ICC.1:2022) of primaries and a tone curve, of grey without primaries, or of a table."""

    def make(curve: str = "srgb", primaries: str | None = "p3", table: bytes | None = None) -> bytes:
        def xyz(values):
            return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65_536 * value) for value in values))

        text = "test".encode("utf-16-be")
        words = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
        tags = {b"desc": words, b"cprt": words, b"wtpt": xyz((0.9642, 1.0, 0.8249))}
        if table is not None:
            tags[b"A2B0"] = table
        elif primaries is None:
            tags[b"kTRC"] = CURVES[curve]
        else:
            tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, PRIMARIES[primaries]), strict=True))
            tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), CURVES[curve])
        directory, data = struct.pack(">I", len(tags)), b""
        for name, value in tags.items():
            directory += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(data), len(value))
            data += value + b"\0" * (-len(value) % 4)
        head = bytes(8) + struct.pack(">I", 0x04400000)
        head += b"mntr" + (b"RGB " if primaries else b"GRAY") + b"XYZ " + struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
        head += b"acsp" + bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
        profile = head.ljust(128, b"\0") + directory + data
        return struct.pack(">I", len(profile)) + profile[4:]

    return make
