"""Several styles in one network, from the command line: trained, added, chosen, mixed, laid side by side."""

import json
import shlex

import PIL.Image
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fast_style import images
from fast_style.checkpoint import description, load_network, read_metadata, save_network
from fast_style.networks import TransformerNetwork
from tests.pictures import noise


@pytest.fixture
def gallery(tmp_path):
    network = TransformerNetwork(4, 1, norm="conditional", styles=["cubist", "waves"])
    with torch.no_grad():
        for name in network.style_parameters:
            network.get_parameter(name).uniform_(0.5, 1.5)
    save_network(tmp_path / "gallery.safetensors", network, {"style": "gallery"})
    return tmp_path / "gallery.safetensors"


@pytest.fixture
def photo(tmp_path):
    noise((40, 24)).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def stylize(gallery, photo, command):
    def run(*arguments):
        on_cpu = ("--device", "cpu", "--precision", "fp32", "--backend", "torch")
        models = [] if "--model" in arguments else ["--model", str(gallery)]
        inputs = [] if "--list-styles" in arguments else ["--input", str(photo)]
        return command("stylize", *models, *inputs, *on_cpu, *arguments)

    return run


def pixels(path):
    return images.to_float(images.read(path))


def test_list_styles(stylize, tmp_path):
    assert stylize("--list-styles") == (0, "cubist\nwaves\n", "")
    save_network(tmp_path / "one.safetensors", TransformerNetwork(2, 0), {"style": "night"})
    assert stylize("--list-styles", "--model", tmp_path / "one.safetensors") == (0, "night\n", "")


def test_styles_are_listed_from_the_header_alone(stylize, monkeypatch):
    reads, real = [], description.read
    monkeypatch.setattr(description, "read", lambda path, weights=True: reads.append(weights) or real(path, weights))
    assert stylize("--list-styles").code == 0
    assert reads == [False]


def test_a_style_by_name(stylize, tmp_path, gallery, photo):
    assert stylize("--style", "waves", "--backend", "torch")[0] == 0
    network = load_network(gallery)
    with torch.inference_mode():
        expected = network(pixels(photo)[None], network.mixture({"waves": 1}))[0].clamp(0, 1)
    assert (pixels(tmp_path / "photo-waves.png") - expected).abs().max() < 1.01 / 255


def test_a_mixture_whose_weights_do_not_sum_is_normalised_with_a_note(stylize, tmp_path):
    code, _, note = stylize("--style", "cubist:1,waves:3")
    assert code == 0
    assert note == "the weights of cubist:1,waves:3 sum to 4, taken as cubist 0.25, waves 0.75\n"
    code, _, note = stylize("--style", "cubist:.25, waves:.75", "--overwrite")
    assert (code, note) == (0, "")
    assert (tmp_path / "photo-cubist25+waves75.png").exists()
    assert stylize("--style", "cubist,waves")[2] == ""
    assert (tmp_path / "photo-cubist50+waves50.png").exists()


def test_a_map_goes_from_style_to_style(stylize, tmp_path, photo):
    assert stylize("--style", "cubist", "waves", "--style-map", "horizontal")[0] == 0
    for name in ("cubist", "waves"):
        assert stylize("--style", name, "--backend", "torch")[0] == 0
    mapped, left, right = (pixels(tmp_path / f"photo-{name}.png") for name in ("cubist-waves", "cubist", "waves"))
    third = mapped.shape[2] // 3
    near, far = (mapped - left).abs(), (mapped - right).abs()
    assert near[..., :third].mean() < far[..., :third].mean()
    assert far[..., -third:].mean() < near[..., -third:].mean()


def test_a_map_of_masks(stylize, tmp_path):
    mask = PIL.Image.new("L", (40, 24), 0)
    mask.paste(255, (0, 0, 20, 24))
    mask.save(tmp_path / "left.png")
    PIL.Image.new("L", (10, 6), 0).save(tmp_path / "black.png")
    masks = ("--style-map", tmp_path / "left.png", tmp_path / "black.png")
    assert stylize("--style", "cubist", "waves", *masks, "--output", tmp_path / "a.png")[0] == 0
    mapped = pixels(tmp_path / "a.png")
    # Where all masks are black, all styles apply alike.
    wanted = {name: pixels_of(stylize, tmp_path, name) for name in ("cubist", "waves", "cubist,waves")}
    for half, style in ((slice(0, 12), "cubist"), (slice(28, 40), "cubist,waves")):
        distances = {name: (mapped - picture)[..., half].abs().mean().item() for name, picture in wanted.items()}
        assert min(distances, key=distances.__getitem__) == style, distances


def test_a_large_mask_is_made_smaller(stylize, tmp_path):
    for name, size in (("large", (2600, 1400)), ("small", (52, 28))):
        mask = PIL.Image.new("L", size, 0)
        mask.paste(255, (0, 0, size[0] // 2, size[1]))
        mask.save(tmp_path / f"{name}.png")
        masks = ("--style-map", tmp_path / f"{name}.png", tmp_path / f"{name}.png")
        assert stylize("--style", "cubist", "waves", *masks, "--output", tmp_path / f"{name}-out.png")[0] == 0
    difference = (pixels(tmp_path / "large-out.png") - pixels(tmp_path / "small-out.png")).abs()
    assert difference.mean() < 2 / 255


def pixels_of(stylize, tmp_path, style):
    target = tmp_path / "one.png"
    assert stylize("--style", style, "--backend", "torch", "--overwrite", "--output", target)[0] == 0
    return pixels(target)


def test_styles_laid_over_one_another_by_masks(stylize, tmp_path):
    PIL.Image.new("L", (40, 24), 255).save(tmp_path / "white.png")
    assert (
        stylize("--style", "cubist", "waves", "--mask", tmp_path / "white.png", "--output", tmp_path / "a.png")[0] == 0
    )
    assert stylize("--style", "waves")[0] == 0
    assert torch.equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "photo-waves.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "gallery.safetensors has several styles: choose one, or a mixture, of cubist, waves"),
        (("--style", "wave"), "there is no style 'wave' in the network (did you mean waves?)"),
        (("--style", "../waves"), "there is no style '../waves' in the network"),
        (("--style", "waves:-1"), "the weight of style waves must not be negative, got -1"),
        (("--style", "waves:nan"), "the weight of style waves must be a finite number, got nan"),
        (("--style", "waves:x"), "there is no style 'waves:x' in the network (did you mean waves?)"),
        (("--style", "waves:0"), "must not all be 0"),
        (("--style", "waves:1e999"), "the weight of style waves must be a finite number, got 1e999"),
        (
            ("--style", "waves", "cubist"),
            "mix them with --style waves,cubist, or say where each applies with --style-map",
        ),
        (("--style", "waves,waves"), "with each name once"),
        (("--style", ",waves"), "must be NAME or NAME:WEIGHT"),
        (("--style-map", "horizontal"), "--style-map lays out styles of one network: give --style NAME NAME"),
        (("--style", "waves,cubist", "--style-map", "horizontal"), "give --style NAME NAME, with a blank between"),
        (("--style", "waves", "cubist", "--style-map", "diagonal"), "horizontal or vertical, or a mask for each of 2"),
        (("--style", "waves", "cubist", "--style-map", "vertical", "--backend", "openvino"), "take backend torch"),
    ],
)
def test_misuse_is_one_sentence(stylize, arguments, message):
    code, out, error = stylize(*arguments)
    assert (code, out, error.count("\n")) == (2, "", 1), error
    assert message in error


def test_a_network_of_one_style_has_no_choice(stylize, tmp_path):
    save_network(tmp_path / "one.safetensors", TransformerNetwork(2, 0), {})
    code, _, error = stylize("--model", tmp_path / "one.safetensors", "--style", "waves")
    assert code == 2
    assert "one.safetensors has a single style: leave out --style" in error


def test_networks_of_one_style_and_of_several_are_laid_over_one_another(stylize, tmp_path, gallery):
    save_network(tmp_path / "one.safetensors", TransformerNetwork(2, 0), {})
    PIL.Image.new("L", (40, 24), 255).save(tmp_path / "white.png")
    models = ("--model", tmp_path / "one.safetensors", gallery, "--mask", tmp_path / "white.png")
    assert stylize(*models, "--style", "waves", "--backend", "torch")[0] == 0
    assert torch.equal(pixels(tmp_path / "photo-one+waves.png"), pixels_of(stylize, tmp_path, "waves"))
    code, _, error = stylize(*models, "--style", "waves", "cubist")
    assert code == 2
    assert "1 of the networks have several styles or take any, each needs a --style; got 2" in error


@pytest.mark.parametrize("weight", ["1e38", "1e-50", "1e300"])
def test_weights_of_any_size(stylize, tmp_path, weight):
    assert stylize("--style", f"cubist:{weight},waves:{weight}", "--output", tmp_path / "a.png")[0] == 0
    assert stylize("--style", "cubist,waves", "--output", tmp_path / "b.png")[0] == 0
    assert torch.equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


@pytest.mark.parametrize(
    "arguments", [None, [1], {"styles": 5}, {"styles": "ab"}, {"norm": "conditional"}, {"styles": ["a\nb"]}]
)
@pytest.mark.parametrize("option", ["--list-styles", "--style"])
def test_damaged_files_are_one_sentence(stylize, gallery, arguments, option):
    with safe_open(gallery, "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del metadata["arguments"]
    if arguments is not None:
        metadata["arguments"] = json.dumps(arguments)
    save_file(tensors, gallery, metadata)
    code, out, error = stylize(*([option] if option == "--list-styles" else [option, "waves"]))
    assert (code, out, error.count("\n")) == (2, "", 1), error
    assert "does not describe a network that can be built" in error


def stub_export(monkeypatch):
    """Keep network and metadata instead of writing them as ONNX, which takes long and is tested elsewhere."""
    written = []

    def write(path, network, metadata, precision):
        written.extend((network, metadata))
        path.touch()
        return 0.0

    monkeypatch.setattr("fast_style.inference.export.export_onnx", write)
    return written


def test_one_style_is_exported(gallery, tmp_path, command, is_misuse, monkeypatch):
    refused = command("export", gallery, tmp_path / "out.onnx")
    assert is_misuse(refused, "choose one, or a mixture, of cubist, waves")
    written = stub_export(monkeypatch)
    assert command("export", gallery, tmp_path / "out.onnx", "--style", "waves").code == 0
    network, metadata = written
    image = torch.rand(1, 3, 16, 16)
    whole = load_network(gallery)
    with torch.inference_mode():
        assert torch.allclose(network(image), whole(image, whole.mixture({"waves": 1})), atol=1e-5)
    assert metadata["style"] == "waves:1"


def train_waves(train, options, tmp_path):
    """Train two styles into gallery.safetensors, and return the options for one more."""
    assert train(options | {"style.dir": "null", "style.names": "[cubist,mosaic]"}) == 0
    (tmp_path / "out.safetensors").rename(tmp_path / "gallery.safetensors")
    one = {"style": "waves", "init": str(tmp_path / "gallery.safetensors"), "model.train_only": "style"}
    return options | one | {"trainer.max_steps": "6"}


def test_the_next_command_works(tiny_multi_style, train, tmp_path, capsys, command):
    assert train(tiny_multi_style) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: python ")]
    _, *arguments = shlex.split(line.removeprefix("next: python "))
    assert command("stylize", *arguments, "--device", "cpu", "--output", tmp_path / "a.png").code == 0


@pytest.mark.parametrize("spoilt", ["as it was", "gone", "the output"])
def test_an_added_style_resumes_bitwise(tiny_multi_style, train, tmp_path, spoilt):
    run = train_waves(train, tiny_multi_style, tmp_path)
    assert train(run | {"hydra.run.dir": str(tmp_path / "whole")}) == 0
    whole = load_network(tmp_path / "out.safetensors").state_dict()
    second = run | {"hydra.run.dir": str(tmp_path / "second")}
    assert train(second | {"trainer.max_steps": "3", "model.scheduler.total_steps": "6"}) == 0
    if spoilt == "gone":
        (tmp_path / "gallery.safetensors").unlink()
    elif spoilt == "the output":
        (tmp_path / "out.safetensors").replace(tmp_path / "gallery.safetensors")
    assert train(second, "ckpt_path=last") == 0
    resumed = load_network(tmp_path / "out.safetensors").state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_a_start_in_single_precision_stays_to_the_bit(tiny_multi_style, train, tmp_path):
    run = train_waves(train, tiny_multi_style, tmp_path)
    start = load_network(tmp_path / "gallery.safetensors")
    with torch.no_grad():
        start.conv1.weight *= 1.0001
    save_network(tmp_path / "gallery.safetensors", start, {}, torch.float32)
    assert train(run | {"hydra.run.dir": str(tmp_path / "second")}) == 0
    assert torch.equal(load_network(tmp_path / "out.safetensors").conv1.weight, start.conv1.weight)


def test_several_styles_need_their_model(tiny_multi_style, train, capsys):
    assert train(tiny_multi_style | {"model": "johnson"}) == 2
    assert (
        "for several, as style=gallery has them, give model=multi_style, or adversarial_multi_style"
        in capsys.readouterr().err
    )


def test_trains_several_styles_and_adds_one(tiny_multi_style, train, tmp_path):
    noise((40, 40)).convert("RGB").save(tmp_path / "styles" / "Noise.JPG")
    (tmp_path / "styles" / ".hidden.jpg").write_bytes(b"")
    assert train(tiny_multi_style) == 0
    first = load_network(tmp_path / "out.safetensors")
    assert first.styles == ["Noise", "waves"]
    metadata = read_metadata(tmp_path / "out.safetensors")
    assert metadata["style"] == "gallery"
    after = metadata["heldout_after"]
    mean = (after["heldout/total_loss/Noise"] + after["heldout/total_loss/waves"]) / 2
    assert after["heldout/total_loss"] == pytest.approx(mean, rel=1e-4)
    assert (tmp_path / "out.png").is_file()

    gallery = tmp_path / "gallery.safetensors"
    (tmp_path / "out.safetensors").rename(gallery)
    more = {
        "style": "gilded",
        "init": str(gallery),
        "model.train_only": "style",
        "hydra.run.dir": str(tmp_path / "second"),
    }
    assert train(tiny_multi_style | more) == 0
    second = load_network(tmp_path / "out.safetensors")
    assert second.styles == ["Noise", "waves", "gilded"]
    with torch.no_grad():
        image = torch.rand(1, 3, 16, 16)
        for style in first.styles:
            assert torch.equal(second(image, second.mixture({style: 1})), first(image, first.mixture({style: 1})))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.train_only": "everything"}, "train_only must be style, or null to train everything, got 'everything'"),
        ({"model.train_only": "style"}, "train_only=style adds a style to a network of several: give init=FILE, that"),
        ({"style.names": "[../waves]"}, "there is no style '../waves' in style.dir="),
        ({"style.names": "[wave]"}, "(did you mean waves?): it has waves"),
        ({"style.names": "waves"}, "style.names must be a list, such as [waves], got 'waves'"),
        ({"style.names": "[]"}, "there is no style to learn"),
        ({"style.dir": "nowhere"}, "style.dir=nowhere holds no image: name a folder of paintings"),
        ({"style.dir": "{folder}/bad"}, "bad/a.png: it is not a JPEG"),
        ({"style.dir": "{folder}/twice"}, "would both be style a: rename one"),
    ],
)
def test_training_misuse_is_one_sentence(tiny_multi_style, train, tmp_path, capsys, changes, message):
    for folder, names in (("bad", ["a.png"]), ("twice", ["a.png", "a.jpg"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(b"no image")
    changes = {key: value.format(folder=tmp_path) for key, value in changes.items()}
    assert train(tiny_multi_style | changes) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_a_killed_training_of_style_map_resumes_bitwise(tiny_multi_style, train, tmp_path):
    run = tiny_multi_style | {"trainer.max_steps": "6"}
    assert train(run) == 0
    whole = load_network(tmp_path / "out.safetensors").state_dict()
    second = run | {"hydra.run.dir": str(tmp_path / "second")}
    assert train(second | {"trainer.max_steps": "3", "model.scheduler.total_steps": "6"}) == 0
    assert train(second, "ckpt_path=last") == 0
    resumed = load_network(tmp_path / "out.safetensors").state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_evaluates_the_style_of_the_painting(gallery, tmp_path, vgg_file, style_folder, photo_folder, command):
    arguments = ["--model", str(gallery), "--content", str(photo_folder), "--style", str(style_folder / "waves.jpg")]
    settings = ["loss_network=vgg19", f"loss_network.weights={vgg_file}", "loss.content_layers=[relu2_1]"]
    settings += ["loss.style_layers=[relu1_2,relu2_1]"]
    if not (style_folder / "waves.jpg").exists():
        arguments[-1] = str(next(style_folder.glob("waves.*")))
    result = command("evaluate", *arguments, "--size", "32", "--lbfgs", "0", "--set", *settings)
    assert "gallery" in result.out
