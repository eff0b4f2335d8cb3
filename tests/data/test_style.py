import numpy as np
import pytest
from PIL import Image

from fast_style.data import StyleSource, load_style, shipped_styles, style
from fast_style.images import SUFFIXES, write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder for downloads."""
    monkeypatch.setenv("FAST_STYLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "styles"


@pytest.fixture
def shipped(tmp_path, monkeypatch, photo):
    """Shipped are two images of 20×24 pixels, dots and lines."""
    monkeypatch.setattr(style, "SHIPPED", tmp_path / "shipped")
    for name in ("lines", "dots"):
        write(tmp_path / "shipped" / f"{name}.jpg", photo(0, 20, 24).float() / 255)


def test_load_style_keeps_the_aspect(style_folder):
    style = load_style("waves", dir=style_folder, size=24)
    assert style.shape == (1, 3, 24, 32)
    original = np.asarray(Image.open(style_folder / "waves.png")) / 255
    assert style.mean().item() == pytest.approx(original.mean(), abs=0.01)


def test_load_style_refuses_paths(style_folder):
    with pytest.raises(ValueError, match="must not be a path"):
        load_style("../waves", dir=style_folder)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_load_style_finds_every_kind_of_image(tmp_path, photo, suffix):
    write(tmp_path / f"dots{suffix}", photo(0, 20, 24).float() / 255)
    assert load_style("dots", dir=tmp_path, size=16).shape == (1, 3, 16, 19)


@pytest.mark.parametrize("name", ["starry_night", "the_scream", "composition_vii"])
def test_real_paintings(shared, name):
    style = load_style(name, dir=shared / "data" / "styles", size=256)
    assert min(style.shape[2:]) == 256
    assert 0.1 < style.mean() < 0.9


def test_a_style_with_transparency_is_told(tmp_path, caplog):
    caplog.set_level("INFO")
    for colour, told in (((255, 0, 0, 9), ["s.png has transparency: as a style it lies on white"]), ("red", [])):
        caplog.clear()
        Image.new("RGBA" if told else "RGB", (20, 20), colour).save(tmp_path / "s.png")
        load_style("s", tmp_path / "s.png")
        assert [message.removeprefix(f"{tmp_path}/") for message in caplog.messages] == told


def test_load_style_refuses_tiny_sizes(style_folder):
    with pytest.raises(ValueError, match=r"style\.size must be at least 16 pixels, got 3"):
        load_style("waves", dir=style_folder, size=3)


def test_shipped_styles_follow_yours(shipped, style_folder, photo):
    assert shipped_styles() == ["dots", "lines"]
    assert load_style("dots", dir=style_folder, size=20).shape == (1, 3, 20, 24)
    write(style_folder / "dots.webp", photo(0, 20, 40).float() / 255)
    assert load_style("dots", dir=style_folder, size=20).shape == (1, 3, 20, 40)


def test_unknown_style(shipped, style_folder):
    looked = f"{style_folder}/Line with {', '.join(SUFFIXES)}"
    sentence = (
        rf"^no image for style 'Line': looked for {looked}; shipped are dots, lines \(did you mean lines\?\); "
        "give the file with style.image=FILE_OR_URL, or its folder with style.dir=FOLDER$"
    )
    with pytest.raises(FileNotFoundError, match=sentence):
        load_style("Line", dir=style_folder)
    with pytest.raises(FileNotFoundError, match="shipped are dots, lines; give the file"):
        load_style("qqqq", dir=style_folder)


def test_no_painting_or_several(shipped, style_folder):
    with pytest.raises(FileNotFoundError, match=r"^no painting is named: give style=NAME, one of dots, lines, or"):
        load_style("custom", dir=style_folder)
    with pytest.raises(FileNotFoundError, match=r"put -m before them: -m style=dots,lines$"):
        load_style("dots,lines", dir=style_folder)


def test_an_unknown_name_of_an_image(shipped, style_folder):
    """As commands give it, which have no settings of styles."""
    sentence = r"^no image for style 'Line': .*did you mean lines\?\); give the file of an image, or its URL$"
    for find in (lambda: load_style("a", "Line", style_folder), lambda: StyleSource("Line").find(style_folder)):
        with pytest.raises(FileNotFoundError, match=sentence):
            find()


def test_a_folder_is_no_style_image(shipped, style_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("paintings", "lines", "a.png"):
        (tmp_path / name).mkdir()
    for text in ("paintings", "a.png", str(style_folder), f"{tmp_path}/a.png"):
        with pytest.raises(IsADirectoryError, match=f"^style image {text} is a folder: give an image in it$"):
            StyleSource(text).find(style_folder)
    assert StyleSource("lines").find(style_folder).is_file()  # a name goes before a folder


@pytest.mark.parametrize("name", shipped_styles())
def test_every_shipped_style_loads(name, tmp_path):
    image = load_style(name, dir=tmp_path)
    assert min(image.shape[2:]) == 256
    assert image.std() > 0.05


def test_the_shipped_styles_are_selected_by_name_alone(train, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for override in ("style=starry_night", "experiment=starry_night"):
        assert train({}, override, "--cfg", "job") == 0
        assert "name: starry_night" in capsys.readouterr().out


def test_a_sweep_over_styles(tiny, train, tmp_path):
    sweep = {
        "style": "waves,starry_night",
        "hydra.sweep.dir": str(tmp_path / "sweep"),
        "hydra.sweep.subdir": "${style.name}",
        "output": f"{tmp_path}/${{style.name}}.safetensors",
        "trainer.max_steps": "1",
    }
    assert train(tiny | sweep, "-m") == 0
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == {"waves", "starry_night"}


def test_a_url_is_downloaded_once(server, cache, photo):
    write(server.folder / "dots.png", photo(0, 20, 24).float() / 255)
    for _ in range(2):
        assert load_style("custom", image=f"{server.url}/dots.png?width=9", size=20).shape == (1, 3, 20, 24)
    assert len(server.requests) == 1
    (path,) = cache.iterdir()
    assert path.suffix == ".png"
    assert path.read_bytes() == (server.folder / "dots.png").read_bytes()


@pytest.mark.parametrize("path", ["/image.php", "/", ""])
def test_a_url_without_a_suffix(server, cache, photo, path):
    write(server.folder / "dots.jpg", photo(0, 20, 24).float() / 255)
    body = (server.folder / "dots.jpg").read_bytes()
    server.answers[path or "/"] = lambda handler: handler.answer(200, body)
    assert load_style("custom", image=server.url + path, size=20).shape == (1, 3, 20, 24)


def test_a_page_is_no_image(server, cache, tiny, train, capsys):
    (server.folder / "page.jpg").write_text("<!DOCTYPE html>")
    assert train(tiny, f"style.image={server.url}/page.jpg") == 2
    sentence = (
        f"error: cannot read image {server.url}/page.jpg: it is not a JPEG, PNG, WebP, AVIF, TIFF or GIF file; "
        "give the URL of the image itself, not of a page that shows it\n"
    )
    assert sentence in capsys.readouterr().err
    assert not list(cache.iterdir())


def test_half_an_image_is_none(server, cache, photo):
    write(server.folder / "dots.jpg", photo(0, 60, 60).float() / 255)
    body = (server.folder / "dots.jpg").read_bytes()
    server.answers["/half.jpg"] = lambda handler: handler.answer(200, body[: len(body) // 2])
    with pytest.raises(ValueError, match=rf"^cannot read image {server.url}/half.jpg: .*truncated"):
        load_style("custom", image=f"{server.url}/half.jpg")
    assert not list(cache.iterdir())


def test_a_url_that_is_too_large(server, cache):
    server.answers["/a.jpg"] = lambda handler: handler.answer(200, Content_Length=50_000_001)
    with pytest.raises(ValueError, match=r"a\.jpg: it is larger than 50 MB"):
        load_style("custom", image=f"{server.url}/a.jpg")


def test_exit_codes_of_urls(server, cache, tiny, train, capsys):
    assert train(tiny, f"style.image={server.url}/none.jpg") == 1
    assert f"error: could not download {server.url}/none.jpg (HTTP Error 404: File" in capsys.readouterr().err
    assert train(tiny, "style.image=ftp://127.0.0.1/a.jpg") == 2
    assert "error: cannot download ftp://127.0.0.1/a.jpg: the URL must start with" in capsys.readouterr().err


def test_a_style_by_name_whatever_the_case_of_its_suffix(tmp_path, photo):
    write(tmp_path / "a.jpg", photo(0, 20, 24).float() / 255)
    (tmp_path / "a.jpg").rename(tmp_path / "my mine.JPG")
    assert load_style("my mine", dir=tmp_path, size=20).shape == (1, 3, 20, 24)


def test_of_a_line_the_middle_is_taken(tmp_path):
    Image.new("RGB", (600, 4)).save(tmp_path / "line.png")
    assert load_style("line", dir=tmp_path, size=64).shape == (1, 3, 64, 512)


def test_a_large_jpeg_is_decoded_reduced(tmp_path, monkeypatch):
    Image.new("RGB", (1024, 768)).save(tmp_path / "a.jpg")
    seen = []
    read = style.images.read
    monkeypatch.setattr(style.images, "read", lambda *given: seen.append(given[1]) or read(*given))
    assert load_style("a", dir=tmp_path, size=24).shape == (1, 3, 24, 32)
    assert seen == [96]


@pytest.mark.parametrize(
    ("text", "name"), [("trail .jpg", "trail"), (" lead.png", "lead"), ("https://a.org/a/ x y .png?z=1", "x y")]
)
def test_a_style_is_called_without_the_blanks_at_the_ends_of_its_file(text, name):
    assert StyleSource(text).name == name
