import torch

from fast_style.checkpoint import load_network, save_network
from fast_style.inference.tiling import stylize_tiled
from fast_style.networks import ResnetGenerator


def test_has_the_parameters_of_the_published_generator():
    # 11.38 M, CycleGAN's resnet_9blocks, whose layers these are; convolutions before norms have a bias there too.
    network = ResnetGenerator(upsampling="transposed")
    norms = sum(p.numel() for name, p in network.named_parameters() if "norm" in name)  # not affine there
    assert sum(p.numel() for p in network.parameters()) - norms == 11_378_179


def test_round_trip(tmp_path):
    network = ResnetGenerator(width=2, blocks=1).eval()
    save_network(tmp_path / "resnet.safetensors", network, {}, torch.float32)
    image = torch.rand(1, 3, 21, 30)
    assert torch.equal(load_network(tmp_path / "resnet.safetensors")(image), network(image))


def test_tiles_give_the_same():
    network, photo = ResnetGenerator(width=4, blocks=2).eval(), torch.rand(3, 75, 102)
    with torch.inference_mode():
        torch.testing.assert_close(stylize_tiled(network, photo, tile=40), network(photo[None])[0], atol=1e-4, rtol=0)


def test_every_parameter_gets_a_gradient():
    network = ResnetGenerator(width=4, blocks=2)
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
