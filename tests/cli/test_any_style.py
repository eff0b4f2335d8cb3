"""A network for any style, from the command line: trained, and applied with style images."""

import re
from functools import partial

import PIL.Image
import pytest
import torch

from fast_style import Stylizer, images
from fast_style.checkpoint import ONNX_FORMAT, load_network, load_styled, read_metadata, save_network
from fast_style.data import StyleCrops
from fast_style.networks import AdaIN, AnyStyleNetwork
from tests.pictures import noise


@pytest.fixture
def adain(tmp_path):
    save_network(tmp_path / "adain.safetensors", AdaIN(), {"style": "adain"})
    return tmp_path / "adain.safetensors"


@pytest.fixture
def stylize(adain, tmp_path, command):
    noise((40, 24)).convert("RGB").save(tmp_path / "photo.png")

    def run(*arguments):
        inputs = [] if "--list-styles" in arguments else ["--input", str(tmp_path / "photo.png")]
        options = ["--device", "cpu", "--precision", "fp32", "--backend", "torch"]
        return command("stylize", "--model", adain, *inputs, *options, *arguments)

    return run


def pixels(path):
    return images.to_float(images.read(path))


def test_a_style_image(stylize, adain, tmp_path, style_folder):
    waves = style_folder / "waves.png"
    assert stylize("--style", waves)[0] == 0
    with torch.inference_mode():
        expected = load_styled(adain, {str(waves): 1.0})(pixels(tmp_path / "photo.png")[None])[0].clamp(0, 1)
    assert (pixels(tmp_path / "photo-waves.png") - expected).abs().max() < 1.01 / 255


@pytest.mark.parametrize("more", [(), ("cubist", "--style-map", "horizontal"), ("cubist", "--mask", "photo.png")])
def test_a_style_image_is_not_replaced(stylize, tmp_path, style_folder, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    painting = style_folder / "waves.png"
    before = painting.read_bytes()
    result = stylize("--style", painting, *more, "--output", painting, "--overwrite")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: input {painting} would be replaced by an output: choose another --output\n"
    assert painting.read_bytes() == before


def test_mixtures_maps_masks_strength_and_colour(stylize, tmp_path, style_folder):
    waves = style_folder / "waves.png"
    assert stylize("--style", f"{waves}:1,cubist:3")[0] == 0
    assert (tmp_path / "photo-waves25+cubist75.png").exists()
    assert stylize("--style", waves, "cubist", "--style-map", "horizontal")[0] == 0
    assert (tmp_path / "photo-waves-cubist.png").exists()
    assert stylize("--style", waves, "--strength", "0", "--overwrite")[0] == 0
    assert torch.equal(pixels(tmp_path / "photo-waves.png"), pixels(tmp_path / "photo.png"))
    assert stylize("--style", waves, "--preserve-color", "luminance", "--overwrite")[0] == 0
    mask = tmp_path / "mask.png"
    PIL.Image.new("L", (40, 24), 255).save(mask)
    assert stylize("--style", waves, "cubist", "--mask", mask, "--output", tmp_path / "masked.png")[0] == 0


def test_list_styles(stylize):
    code, out, _ = stylize("--list-styles")
    assert code == 0
    assert out.startswith("(any image)\n")
    assert "\ncubist\n" in out


def test_bad_styles(stylize, tmp_path):
    assert stylize()[0] == 2
    assert "takes any style: choose an image" in stylize()[2]
    assert "no image for style 'cubsit'" in stylize("--style", "cubsit")[2]
    (tmp_path / "notes.txt").write_text("no image")
    code, _, error = stylize("--style", tmp_path / "notes.txt")
    assert code == 2
    assert str(tmp_path / "notes.txt") in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("style", "sentence"),
    [
        ("mosaik", "did you mean mosaic?); give the file of an image, or its URL"),
        ("paintings", "is a folder: give an"),
        ("adain.safetensors", "adain.safetensors is the file of a network: give the picture of a painting"),
    ],
)
def test_what_is_no_style_image(stylize, tmp_path, monkeypatch, style, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paintings").mkdir()
    code, out, err = stylize("--style", style)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "style.image" not in err


@pytest.fixture
def exported(tmp_path):
    """An ONNX file like those of networks for any style: it adds the mean colour of the style image to photos."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    images_of = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("GlobalAveragePool", ["style"], ["mean"]),
            onnx.helper.make_node("Add", ["photos", "mean"], ["sum"]),
            onnx.helper.make_node("Clip", ["sum"], ["stylized"]),
        ],
        "any",
        [images_of("photos", shape=["n", 3, "h", "w"]), images_of("style", shape=[1, 3, "style_h", "style_w"])],
        [images_of("stylized", shape=["n", 3, "h", "w"])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.helper.set_model_props(model, {"format": f'"{ONNX_FORMAT}"', "precision": '"fp32"'})
    (tmp_path / "any.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "any.onnx"


def test_an_exported_network_takes_a_style_image(exported, command, tmp_path):
    PIL.Image.new("RGB", (8, 6), (50, 60, 70)).save(tmp_path / "p.png")
    PIL.Image.new("RGB", (20, 20), (10, 20, 30)).save(tmp_path / "s.png")

    def stylize(*arguments):
        return command("stylize", "--model", exported, "--input", tmp_path / "p.png", *arguments)

    result = stylize("--style", tmp_path / "s.png")
    assert (result.code, result.err) == (0, "")
    assert PIL.Image.open(tmp_path / "p-s.png").getpixel((3, 3)) == (60, 80, 100)
    assert command("stylize", "--model", exported, "--list-styles").out.startswith("(any image)\n")
    single = "any.onnx takes a single style image: mixtures and maps need the network it was made of\n"
    for arguments, sentence in (
        ((), "any.onnx takes any style: choose an image, or one of "),
        (("--style", "mosaic,cubist"), single),
        (("--style", "mosaic", "cubist", "--style-map", "vertical"), single),
        (
            ("--style", "mosaic", "--backend", "openvino"),
            "does not run files that take style images: take backend onnx",
        ),
        (("--style", "mosaic", "--save-style", tmp_path / "k.safetensors"), "is an exported file, of which no styles"),
    ):
        result = stylize(*arguments)
        assert (result.code, sentence in result.err) == (2, True), result.err


def test_export(adain, tmp_path, command, monkeypatch):
    written = []

    def write(path, *rest):
        path.touch()
        written.append(rest)
        return 0.0

    monkeypatch.setattr("fast_style.inference.export.export_onnx", write)
    assert command("export", adain, tmp_path / "a.onnx", "--style", "cubist").code == 0
    network, metadata, precision = written[0]
    photo = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(network(photo), load_styled(adain, {"cubist": 1.0})(photo), atol=1e-5)
    assert (metadata["style"], precision) == ("cubist:1", "fp32")


def test_evaluate(adain, tmp_path, photo_folder, style_folder, vgg_file, command):
    options = ["--size", "32", "--style-size", "32", "--json", str(tmp_path / "e.json")]
    losses = [f"loss_network.weights={vgg_file}", "loss.style_layers=[relu1_2]", "loss.content_layers=[relu2_1]"]
    style = str(style_folder / "waves.png")
    arguments = ["--model", str(adain), "--content", str(photo_folder), "--style", style, *options, "--lbfgs", "0"]
    assert "adain" in command("evaluate", *arguments, "--set", "loss_network=vgg19", *losses).out


def test_train(tiny_adain, train, tmp_path, style_folder, capsys):
    assert train(tiny_adain, f"data.style_root={style_folder}", "style.names=[cubist,gilded]") == 0
    out, err = capsys.readouterr()
    assert "no base ships for" not in err  # init=scratch was asked for
    assert "--style cubist --input" in out
    network = load_network(tmp_path / "out.safetensors")
    assert isinstance(network, AdaIN)
    assert network.takes_images
    assert images.read(tmp_path / "out.png").shape[2] > 3 * 32
    for number, init in enumerate((str(tmp_path / "out.safetensors"), "base")):
        again = {"init": init, "hydra.run.dir": str(tmp_path / str(number)), "trainer.max_steps": "1"}
        assert train(tiny_adain | again, "style.names=[cubist]") == 0
    assert "no base ships for AdaIN: it starts from scratch" in capsys.readouterr().err


def test_resumes_exactly(tiny_adain, train, tmp_path):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    names = "style.names=[cubist]"
    assert train(tiny_adain | {"trainer.max_steps": "4", "output": str(one)}, names) == 0
    again = tiny_adain | {"hydra.run.dir": str(tmp_path / "again"), "output": str(two)}
    assert train(again | {"trainer.max_steps": "2"}, names, "model.scheduler.total_steps=4") == 0
    assert train(again | {"trainer.max_steps": "4", "ckpt_path": "last"}, names) == 0
    first, second = (load_network(path).state_dict() for path in (one, two))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_file_may_hold_a_colon_or_a_comma(stylize, tmp_path, style_folder):
    for name in ("a:1.png", "a,b.png", "c:waves.png"):
        (tmp_path / name).write_bytes((style_folder / "waves.png").read_bytes())
        assert stylize("--style", tmp_path / name, "--output", tmp_path / "out.png", "--overwrite")[0] == 0
        assert stylize("--style", f"{tmp_path / name}:3", "--output", tmp_path / "out.png", "--overwrite")[0] == 0


def test_the_next_command_names_the_image(tiny_adain, train, capsys, style_folder):
    assert train(tiny_adain | {"style.dir": str(style_folder), "trainer.max_steps": "1"}) == 0
    assert f"--style {style_folder / 'waves.png'} --input" in capsys.readouterr().out


def test_paintings_that_cannot_be_read(tiny_adain, train, capsys, style_folder):
    (style_folder / "waves.png").write_bytes(b"no")
    assert train(tiny_adain, f"data.style_root={style_folder}") == 1
    assert "no painting to learn from: 1 in a row cannot be read, the last was waves.png" in capsys.readouterr().err


def test_learns_the_paintings_it_is_given(tiny_adain, train, monkeypatch, style_folder):
    seen = []
    original = StyleCrops.__getitem__
    monkeypatch.setattr(
        StyleCrops, "__getitem__", lambda self, i: seen.append((self.source.names, i)) or original(self, i)
    )
    assert train(tiny_adain | {"trainer.max_steps": "2"}, f"data.style_root={style_folder}") == 0
    assert all(names == ["waves.png"] for names, _ in seen)
    assert [index for _, index in seen][:5] == [0, 0, 1, 2, 3]  # the first to see whether there is one


def test_paintings_are_for_any_style_alone(tiny, train, style_folder, capsys):
    assert train(tiny, f"data.style_root={style_folder}") == 2
    assert "data.style_root is for a network that takes any style: give model=any_style" in capsys.readouterr().err
    assert train(tiny, "data.style_root=nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.fixture
def predicting(tmp_path):
    network = AnyStyleNetwork("slim", {"width": 8, "blocks": 1, "antialias": True}, encoder_width=4, code=8)
    save_network(tmp_path / "predicting.safetensors", network, {"style": "any"})
    return tmp_path / "predicting.safetensors"


def test_styles_are_kept(predicting, command, tmp_path, style_folder):
    noise((40, 24)).convert("RGB").save(tmp_path / "photo.png")
    kept, waves = tmp_path / "mine.safetensors", style_folder / "waves.png"
    keep = ("stylize", "--model", predicting, "--style", f"{waves}:0.5,photo:0.5", "cubist", "--save-style", kept)
    done = command(*keep)
    assert done.code == 0
    assert done.out == f"wrote {kept} with the styles waves, cubist, photo\n"
    assert command("stylize", "--model", kept, "--list-styles").out == "waves\ncubist\nphoto\n"
    options = ["--precision", "fp32", "--backend", "torch", "--input", tmp_path / "photo.png"]
    for model, style in ((kept, "waves"), (predicting, waves)):
        target = tmp_path / f"{model.stem}.png"
        assert (
            command("stylize", "--model", model, "--style", f"{style}:1,photo:1", *options, "--output", target).code
            == 0
        )
    difference = pixels(tmp_path / "mine.png") - pixels(tmp_path / "predicting.png")
    assert difference.abs().max() < 0.02  # kept in half precision
    before = load_network(kept).state_dict()
    assert command(*keep).out == done.out  # as if the command had been interrupted
    assert all(torch.equal(value, before[key]) for key, value in load_network(kept).state_dict().items())


def test_styles_are_added_to_those_that_are_kept(predicting, command, tmp_path, style_folder):
    kept = tmp_path / "mine.safetensors"

    def keep(style, *more):
        return command("stylize", "--model", predicting, "--style", style, "--save-style", kept, *more)

    assert keep("cubist").code == 0
    before = load_network(kept)
    assert keep(style_folder / "waves.png").out == f"wrote {kept} with the styles cubist, photo, waves\n"
    after, other = load_network(kept), load_styled(predicting, {str(style_folder / "waves.png"): 1.0}).state_dict()
    assert after.styles == ["cubist", "photo", "waves"]
    for key in after.style_parameters:
        assert torch.equal(after.get_parameter(key)[:2], before.get_parameter(key))
        assert torch.equal(after.get_parameter(key)[2], other[key].half().float())
    assert read_metadata(kept)["style"] == "cubist+waves"


def test_another_style_of_the_same_name_is_refused_or_replaces_that_alone(predicting, command, tmp_path, style_folder):
    kept, other = tmp_path / "mine.safetensors", tmp_path / "cubist.png"
    keep = ("stylize", "--model", predicting, "--save-style", kept, "--style")
    assert command(*keep, "cubist", style_folder / "waves.png").code == 0
    before = load_network(kept)
    PIL.Image.open(style_folder / "waves.png").save(other)
    code, _, err = command(*keep, other)
    advice = "rename the file of the style image, or give --overwrite to replace that style"
    assert (code, err) == (2, f"error: {kept} has another style cubist already: {advice}\n")
    assert command(*keep, other, "--overwrite").out == f"wrote {kept} with the styles cubist, waves, photo\n"
    for key in before.style_parameters:
        rows, earlier = load_network(kept).get_parameter(key), before.get_parameter(key)
        assert torch.equal(rows[1:], earlier[1:])
        assert torch.equal(rows[0], rows[1])  # the same picture


def test_photo_alone_is_a_style_as_well(predicting, command, tmp_path):
    noise((40, 24)).convert("RGB").save(tmp_path / "p.png")
    options = ("--input", tmp_path / "p.png", "--precision", "fp32", "--backend", "torch", "--output")
    assert command("stylize", "--model", predicting, "--style", "photo", *options, tmp_path / "a.png").code == 0
    mixture = ("--style", "photo:1,cubist:0")
    assert command("stylize", "--model", predicting, *mixture, *options, tmp_path / "b.png").code == 0
    assert torch.equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_a_new_style_is_not_exported_unless_that_is_asked_for(predicting, monkeypatch):
    monkeypatch.setattr("fast_style.inference.stylizer.find_spec", lambda name: None)
    monkeypatch.setattr("fast_style.inference.backends.choice.BY_SPEED", (("onnx", "fp32"), ("torch", "fp32")))
    assert str(Stylizer.from_checkpoint(predicting, style={"cubist": 1.0}).backend).startswith("torch ")


def test_styles_are_not_added_to_those_of_another_network(predicting, command, tmp_path):
    other = tmp_path / "other.safetensors"
    network = AnyStyleNetwork("slim", {"width": 8, "blocks": 1, "antialias": True}, encoder_width=4, code=8)
    save_network(other, network.of_images({"a": torch.rand(1, 3, 40, 40)}), {})
    before = other.read_bytes()
    code, _, err = command("stylize", "--model", predicting, "--style", "cubist", "--save-style", other)
    assert (code, other.read_bytes()) == (2, before)
    reason = f"does not hold styles of {predicting}, to which others can be added: choose another file"
    assert err == f"error: {other} {reason}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--input", "nowhere.png"), "input 'nowhere.png' does not exist"),
        (("--input", "nowhere.mp4"), "input 'nowhere.mp4' does not exist"),
        (("--input", "p.png", "--device", "cuda:99"), "cuda:99"),
        (("--input", "p.png", "--output", "p.png"), "input .*p.png would be replaced by an output"),
        (("--list-styles",), "--list-styles prints names, and stops: leave out --save-style"),
        (("--input", "p.gif", "--preview"), "--preview writes no film: leave out --save-style"),
    ],
)
def test_misuse_keeps_nothing(predicting, command, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name in ("p.png", "p.gif"):
        PIL.Image.new("RGB", (20, 20)).save(name)
    keep = ("--style", "cubist", "--save-style", "a.safetensors")
    code, out, err = command("stylize", "--model", predicting, *keep, *arguments)
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert not (tmp_path / "a.safetensors").exists()


def test_the_network_of_kept_styles_is_not_replaced(predicting, command):
    before = predicting.read_bytes()
    keep = ("--style", "cubist", "--save-style", predicting, "--overwrite")
    code, _, err = command("stylize", "--model", predicting, *keep)
    assert (code, predicting.read_bytes()) == (2, before)
    assert "would be replaced by an output: choose another --save-style" in err


def test_styles_are_kept_beside_pictures(predicting, command, tmp_path):
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "p.png")
    kept = ("--style", "cubist", "--save-style", tmp_path / "a.safetensors")
    code, out, _ = command("stylize", "--model", predicting, *kept, "--input", tmp_path / "p.png")
    assert code == 0
    assert out.startswith(f"wrote {tmp_path / 'a.safetensors'} with the styles cubist, photo\nstylized 1, ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--save-style", "a.safetensors"), "give one --model, and --style IMAGE"),
        (("--style", "cubist", "--save-style", "a.pth"), "cannot write a.pth: its suffix must be .safetensors"),
    ],
)
def test_keeping_nothing(predicting, command, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (20, 20)).save("p.png")
    code, _, err = command("stylize", "--model", predicting, *arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    "make",
    [
        lambda: PIL.Image.new("RGB", (30, 20), "red"),
        lambda: PIL.Image.new("RGB", (1, 1), "blue"),
        lambda: noise((2000, 5)),
        lambda: noise((40, 30)).convert("RGBA"),
    ],
    ids=["one colour", "one pixel", "long and grey", "alpha"],
)
def test_odd_style_images_make_pictures(predicting, command, tmp_path, make):
    image = make()
    image.save(tmp_path / "style.png")
    noise((40, 24)).convert("RGB").save(tmp_path / "p.png")
    options = ["--precision", "fp32", "--backend", "torch", "--input", tmp_path / "p.png"]
    done = command("stylize", "--model", predicting, "--style", tmp_path / "style.png", *options)
    assert done.code == 0
    assert ("style.png has transparency: as a style it lies on white" in done.err) == (image.mode == "RGBA")
    assert pixels(tmp_path / "p-style.png").shape == (3, 24, 40)


def test_the_name_photo_is_taken(predicting, command, tmp_path):
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    keep = ("--style", tmp_path / "photo.png", "--save-style", tmp_path / "mine.safetensors")
    code, _, err = command("stylize", "--model", predicting, *keep)
    assert (code, err) == (2, "error: the network has a style photo of its own: rename the file of the style image\n")


def test_a_style_that_is_kept_lies_on_white(predicting, command, tmp_path):
    PIL.Image.new("RGBA", (20, 20), (255, 0, 0, 9)).save(tmp_path / "s.png")
    keep = ("--style", tmp_path / "s.png", "--save-style", tmp_path / "mine.safetensors")
    assert "has transparency: as a style it lies on white" in command("stylize", "--model", predicting, *keep).err


def test_a_batch_of_one_painting(tiny_any, train, capsys):
    assert train(tiny_any | {"data.batch_size": "1"}) == 2
    assert "learns from several paintings a step: give data.batch_size=8" in capsys.readouterr().err


def test_masks_in_the_home_folder_and_at_addresses(command, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    PIL.Image.linear_gradient("L").save(tmp_path / "mask.png")
    PIL.Image.new("RGB", (40, 24)).save(tmp_path / "p.png")
    asked = ("stylize", "--model", "gallery", "--style", "the_scream", "shipwreck", "--backend", "torch")
    asked += ("--input", tmp_path / "p.png", "--style-map", "~/mask.png")
    assert command(*asked, "~/mask.png").code == 0
    code, _, err = command(*asked, "https://a.org/mask.png")
    assert code == 2
    assert "https://a.org/mask.png is an address: save the file first, and give its path" in err
