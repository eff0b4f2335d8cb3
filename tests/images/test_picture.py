import pytest
import torch

from fast_style.images import Frame, Picture


def test_map_changes_colours_alone():
    pixels = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    alpha = torch.randint(0, 256, (1, 5, 7), dtype=torch.uint8)
    picture = Picture([Frame(pixels, alpha)], bits=8, icc_profile=b"profile")
    shapes = []

    def invert(photo):
        shapes.append((photo.shape, photo.dtype))
        return 1 - photo

    mapped = picture.map(invert)
    assert shapes == [((1, 3, 5, 7), torch.float32)]
    assert mapped.icc_profile == b"profile"
    assert mapped.frames[0].alpha is alpha
    assert torch.equal(mapped.frames[0].pixels, 1 - pixels / 255)
    assert torch.equal(mapped.map(invert).frames[0].to_float()[0], 1 - (1 - pixels / 255))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_alpha_follows_the_size(dtype):
    alpha = torch.zeros(1, 4, 6).to(dtype)
    alpha[:, :, 3:] = 200
    frame = Frame(torch.zeros(3, 4, 6, dtype=dtype), alpha).recoloured(torch.rand(1, 3, 8, 12))
    assert frame.size == (8, 12)
    assert frame.alpha.shape == (1, 8, 12)
    assert frame.alpha.dtype == dtype
    assert frame.alpha[0, 0, [0, 11]].tolist() == [0, 200]


def test_images_of_another_shape_are_refused():
    picture = Picture([Frame(torch.zeros(3, 4, 4))])
    with pytest.raises(ValueError, match=r"an image must have shape \(3, H, W\) or \(1, 3, H, W\), got \(1, 1, 4, 4\)"):
        picture.map(lambda photo: photo[:, :1])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_resized(dtype):
    pixels, alpha = torch.full((3, 40, 60), 51, dtype=dtype), torch.full((1, 40, 60), 200, dtype=dtype)
    (frame,) = Picture([Frame(pixels, alpha)]).resized(30).frames
    assert frame.size == (20, 30)
    assert torch.allclose(frame.pixels, torch.tensor(51 / (255 if dtype == torch.uint8 else 65_535)))
    assert frame.alpha.dtype == dtype
    assert frame.alpha.unique().tolist() == [200]
