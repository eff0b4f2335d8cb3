"""The serving command."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the page needs the package uvicorn")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "give --token WORD as well"),
        (["--host", "0.0.0.0", "--token", "short"], "--token must be at least 12 letters and digits"),
        (["--token", "correcthorsebätter"], "--token must be at least 12 letters and digits"),
        (["--port", "99999"], "--port must be 0 to 65535, got 99999"),
        (["--train", "nonsense"], "--train takes settings"),
        (["--folder", ""], "is empty"),
        (["--runtime", "nowhere"], "there is no onnxruntime-web in"),
        (["--static", "out"], "npm install onnxruntime-web, and give --runtime node_modules/onnxruntime-web"),
        (["--static", "out", "--runtime", "nowhere"], "there is no onnxruntime-web in"),
        (["--static", "out", "--runtime", "x", "--port", "1"], "serves nothing: leave out --port"),
        (["--host", "203.0.113.7", "--token", "correcthorsebattery", "--port", "0"], "cannot serve at 203.0.113.7"),
    ],
)
def test_misuse(command, is_misuse, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert is_misuse(command("serve", *arguments), sentence)


def test_a_port_that_is_taken(command, is_misuse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert is_misuse(command("serve", "--port", port), f"port {port} (address already in use)")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(command, is_misuse, tmp_path):
    (tmp_path / "file").write_text("")
    assert is_misuse(command("serve", "--port", "0", "--folder", tmp_path / "file"), "file")


def test_a_folder_of_another_server(command, tmp_path):
    from fast_style.web.server import _alone

    with _alone(tmp_path):
        result = command("serve", "--port", "0", "--folder", tmp_path)
    assert (result.code, "another server keeps its files in" in result.err, result.out) == (1, True, "")


def test_without_the_extra(command, is_misuse, monkeypatch):
    monkeypatch.setattr("fast_style.cli.serve.find_spec", lambda _: None)
    assert is_misuse(command("serve"), "pip install 'fast-style[web]'")


@pytest.fixture
def runtime(tmp_path):
    """A folder that looks like onnxruntime-web."""
    from fast_style.web.runtime import NEEDED

    folder = tmp_path / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in NEEDED.values():
        (folder / name).write_text("")
    return folder.parent


@pytest.mark.slow
def test_the_page_is_written_as_files(command, is_misuse, model, runtime, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("fast_style.web.styles.shipped_networks", dict)
    arguments = ("--static", tmp_path / "out", "--runtime", runtime, "--networks", model.parent)
    result = command("serve", *arguments)
    assert (result.code, result.out) == (0, f"wrote {tmp_path / 'out'}: 1 style, 0 MB\n")
    assert "your own networks are among them: mosaic.safetensors" in result.err
    assert "python -m http.server --bind 127.0.0.1 --directory" in result.err
    assert (tmp_path / "out/networks").is_dir()
    assert is_misuse(command("serve", *arguments), "exists, and is no empty folder: choose another")


def test_a_network_that_cannot_be_exported_leaves_nothing(command, model, runtime, tmp_path, monkeypatch):
    def export(network, path, style):
        raise RuntimeError(f"cannot export {network}")

    monkeypatch.setattr("fast_style.web.styles.shipped_networks", dict)
    monkeypatch.setattr("fast_style.web.alone.export", export)
    arguments = ("--static", tmp_path / "out", "--runtime", runtime, "--networks", model.parent)
    result = command("serve", *arguments)
    assert (result.code, result.err.count("\n"), (tmp_path / "out").exists()) == (1, 1, False)


@pytest.mark.slow
def test_the_page_is_served_until_it_is_stopped(tmp_path):
    command = [sys.executable, "-m", "fast_style", "serve", "--port", "0", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().split()[1]
            assert url.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(url, timeout=20) as answer:
                assert "Content-Security-Policy" in answer.headers
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
