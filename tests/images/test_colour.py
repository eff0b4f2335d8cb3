import itertools
import struct

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import ImageCms

from fast_style.images.colour import SRGB, deep_to_srgb, is_srgb, is_usable, to_srgb

# Display P3: red, green and blue as XYZ under D50.
PRIMARIES = [[0.515121, 0.241196, -0.001053], [0.291977, 0.692245, 0.041885], [0.157104, 0.066574, 0.784073]]
# Its linear light to that of sRGB.
FROM_P3 = np.linalg.inv([[0.822462, 0.177538, 0], [0.033194, 0.966806, 0], [0.017083, 0.072397, 0.910520]])
CURVES = ["gamma", "linear", "table", "srgb", "power"]


def as_deep(image: PIL.Image.Image) -> torch.Tensor:
    array = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1).astype(np.uint16) * 257
    return torch.from_numpy(array)


def test_srgb_is_srgb(make_profile):
    assert is_srgb(SRGB)
    assert is_usable(SRGB, "RGB")
    assert not is_srgb(make_profile())
    assert not is_srgb(b"no profile")


def test_srgb_says_no_date_of_today():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert SRGB[:24] + SRGB[36:] == profile[:24] + profile[36:]


@pytest.mark.parametrize("primaries", ["p3", "prophoto"])
@pytest.mark.parametrize("curve", CURVES)
def test_16_bits_equal_little_cms_at_8(noise, make_profile, curve, primaries):
    profile = make_profile(curve, primaries)
    expected = np.asarray(to_srgb(noise, profile)).transpose(2, 0, 1)
    assert np.abs(np.asarray(noise).transpose(2, 0, 1) - expected.astype(int)).mean() > 3
    assert np.abs(deep_to_srgb(as_deep(noise), profile).numpy() / 257 - expected).max() < 1


@pytest.mark.parametrize(("curve", "power"), [("linear", 1), ("gamma", 461 / 256), ("power", 1.8), ("table", 2.2)])
def test_grey_of_16_bits(make_profile, curve, power):
    grey = torch.arange(65_536, dtype=torch.int32).to(torch.uint16).reshape(1, 256, 256)
    linear = np.linspace(0, 1, 65_536) ** power
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    converted = deep_to_srgb(grey, make_profile(curve, None)).numpy().astype(int)
    assert np.array_equal(converted[0], converted[2])
    # The table has 1024 entries, a straight line between the first two of them.
    assert np.abs(converted[1].reshape(-1) - 65_535 * expected)[100:].max() < (2 if curve != "table" else 300)


def test_16_bits_lose_nothing():
    grey = torch.arange(65_536, dtype=torch.int32).to(torch.uint16).reshape(1, 256, 256)
    assert torch.equal(deep_to_srgb(grey.expand(3, 256, 256), SRGB), grey.expand(3, 256, 256))
    assert torch.equal(deep_to_srgb(grey, None), grey.expand(3, 256, 256))


def test_16_bits_are_brought_back(make_profile):
    # Inverse of the matrix and curves of Display P3, in double precision.
    generator = np.random.default_rng(0)
    srgb = generator.random((3, 50, 60))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    p3 = np.einsum("dc,chw->dhw", np.linalg.inv(FROM_P3), linear)
    encoded = np.where(p3 <= 0.0031308, 12.92 * p3, 1.055 * p3 ** (1 / 2.4) - 0.055)
    pixels = torch.from_numpy(np.rint(encoded * 65_535).astype(np.uint16))
    assert np.abs(deep_to_srgb(pixels, make_profile()).numpy() / 65_535 - srgb).max() < 0.002


def test_16_bits_with_a_profile_of_a_table_are_converted(noise, make_profile):
    # Linear Display P3 as a table of 2³ entries of XYZ, in place of matrix and curves.
    corners = [np.array(corner) @ np.array(PRIMARIES) for corner in itertools.product((0, 1), repeat=3)]
    entries = np.rint(np.array(corners).clip(0) * 32_768).astype(">u2").tobytes()
    identity = struct.pack(">9i", *(65_536 * np.eye(3, dtype=int).flatten()))
    table = b"mft2\0\0\0\0\3\3\2\0" + identity + struct.pack(">2H", 2, 2)
    table += struct.pack(">6H", *[0, 65_535] * 3) + entries + struct.pack(">6H", *[0, 65_535] * 3)
    profile = make_profile(table=table)
    assert is_usable(profile, "RGB")
    linear = np.einsum("dc,hwc->dhw", FROM_P3, np.asarray(noise) / 255).clip(0, 1)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(expected - np.asarray(noise).transpose(2, 0, 1) / 255).mean() > 0.02
    assert np.abs(deep_to_srgb(as_deep(noise), profile).numpy() / 65_535 - expected).mean() < 0.004


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", ["damaged", "other"])
def test_profiles_of_no_use_are_left_out(noise, make_profile, mode, kind):
    other = make_profile("gamma", None if mode == "RGB" else "p3")
    profile = b"no profile" * 20 if kind == "damaged" else other
    image = noise.convert(mode)
    assert not is_usable(profile, mode)
    assert np.array_equal(np.asarray(to_srgb(image, profile)), np.asarray(image.convert("RGB")))
    assert torch.equal(deep_to_srgb(as_deep(image), profile), as_deep(image.convert("RGB")))


def test_lab_becomes_srgb(noise):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(noise, srgb, lab, outputMode="LAB")
    assert np.abs(np.asarray(to_srgb(image, None)).astype(int) - np.asarray(noise)).mean() < 2
