"""Downloads from a server on this machine, which is as rude as servers can be."""

import socket
import threading
from pathlib import Path

import pytest

from fast_style.data.download import CHUNK, download

BODY = bytes(range(256)) * (CHUNK // 256 * 2) + b"end"


def accept(path: Path) -> None:
    pass


@pytest.fixture
def target(tmp_path):
    """Where the download goes; after the test there is nothing but it in its folder."""
    path = tmp_path / "cache" / "file"
    yield path
    assert not [other for other in path.parent.glob("*") if other != path]


def test_downloads_once(server, target, capsys):
    (server.folder / "a.bin").write_bytes(BODY)
    seen = []
    for _ in range(2):
        assert download(f"{server.url}/a.bin?x=1", target, lambda path: seen.append(path.read_bytes())) == target
    assert seen == [BODY]
    assert target.read_bytes() == BODY
    assert server.requests == [("/a.bin?x=1", "fast_style")]
    error = capsys.readouterr().err
    assert "a.bin" in error
    assert "100%" in error


@pytest.mark.parametrize("name", ["a b.bin", "ä.bin", "a%20b.bin", "[1](2),'3'+&=~!$;@*.bin"])
def test_names_that_need_encoding(server, target, name):
    (server.folder / name.replace("%20", " ")).write_bytes(BODY)
    assert download(f"{server.url}/{name}", target, accept).read_bytes() == BODY


def test_size_that_nobody_tells(server, target):
    server.answers["/"] = lambda handler: handler.answer(200, BODY)
    assert download(server.url, target, accept, max_bytes=len(BODY)).read_bytes() == BODY


def test_a_redirect_is_followed(server, target):
    (server.folder / "a.bin").write_bytes(BODY)
    server.answers["/moved"] = lambda handler: handler.answer(302, Location="/a.bin", Content_Length=0)
    assert download(f"{server.url}/moved", target, accept).read_bytes() == BODY


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,a", "a.jpg", "httpx://a"])
def test_other_schemes(target, url):
    with pytest.raises(ValueError, match=rf"^cannot download {url}: the URL must start with http:// or https://$"):
        download(url, target, accept)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "HTTP Error 302: .*'file:///etc/passwd' is not allowed"),
        ("ftp://127.0.0.1:9/a", "unknown url type: ftp"),
        ("data:,a", "HTTP Error 302: .*'data:,a' is not allowed"),
        ("/away", "HTTP Error 302: .*infinite loop"),
    ],
)
def test_redirects_that_are_refused(server, target, location, reason):
    server.answers["/away"] = lambda handler: handler.answer(302, Location=location, Content_Length=0)
    with pytest.raises(RuntimeError, match=rf"(?s)^could not download {server.url}/away \({reason}"):
        download(f"{server.url}/away", target, accept)


def test_missing_file(server, target):
    with pytest.raises(RuntimeError, match=rf"^could not download {server.url}/a \(HTTP Error 404: File not found\)$"):
        download(f"{server.url}/a", target, accept)


def test_refused_connection(target, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        with pytest.raises(RuntimeError, match=rf"^could not download {url} \(.*refused\)$"):
            download(url, target, accept)


def test_unknown_host(target, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    sentence = r"^could not download https://nowhere\.invalid/a \(.*Name or service not known\)$"
    with pytest.raises(RuntimeError, match=sentence):
        download("https://nowhere.invalid/a", target, accept)


@pytest.mark.parametrize("host", ["", "a..b", "127.0.0.1:port", "["])
def test_hosts_that_are_none(target, monkeypatch, host):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(RuntimeError, match=r"^could not download http://.*/a \(.+\)$"):
        download(f"http://{host}/a", target, accept)


@pytest.mark.parametrize("begun", [False, True])
def test_a_server_that_falls_silent(server, target, begun):
    over = threading.Event()

    def answer(handler):
        if begun:
            handler.answer(200, BODY[:9], Content_Length=len(BODY))
        over.wait(10)

    server.answers["/a"] = answer
    with pytest.raises(RuntimeError, match=rf"^could not download {server.url}/a \(timed out\)$"):
        download(f"{server.url}/a", target, accept, timeout=0.1)
    over.set()


def test_incomplete_file(server, target):
    server.answers["/a"] = lambda handler: handler.answer(200, BODY[:9], Content_Length=len(BODY))
    with pytest.raises(RuntimeError, match=rf"/a \(it ended after 9 of {len(BODY)} bytes\)$"):
        download(f"{server.url}/a", target, accept)


def test_incomplete_chunks(server, target):
    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.answer(200, b"9\r\n123", Transfer_Encoding="chunked")
        handler.close_connection = True

    server.answers["/a"] = answer
    with pytest.raises(RuntimeError, match=r"/a \(IncompleteRead"):
        download(f"{server.url}/a", target, accept)


def test_too_large_by_its_own_account(server, target):
    server.answers["/a"] = lambda handler: handler.answer(200, Content_Length=10**12)
    sentence = rf"^cannot download {server.url}/a: it is larger than 2 MB; fetch it yourself and give the file$"
    with pytest.raises(ValueError, match=sentence):
        download(f"{server.url}/a", target, accept, max_bytes=2_000_000)


def test_too_large_in_fact(server, target):
    server.answers["/a"] = lambda handler: handler.answer(200, BODY)
    with pytest.raises(ValueError, match=r"it is larger than 0\.3 MB"):
        download(f"{server.url}/a", target, accept, max_bytes=300_000)


def test_what_the_check_refuses_is_not_kept(server, target):
    def refuse(path):
        raise KeyError(path.read_bytes())

    server.answers["/a"] = lambda handler: handler.answer(200, b"a")
    with pytest.raises(KeyError, match="b'a'"):
        download(f"{server.url}/a", target, refuse)
    assert not target.exists()


def test_no_place_to_write(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"^cannot write .*file/a: Not a directory$"):
        download(server.url, tmp_path / "file" / "a", accept)
