"""Networks behind an address."""

import re
from pathlib import Path

import pytest

from fast_style.checkpoint import describe, find_network, load_network, save_network
from fast_style.checkpoint import hub as module
from fast_style.checkpoint.hub import NetworkAddress, fetch_network
from fast_style.files import digest_of
from fast_style.networks import SlimNetwork


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAST_STYLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def network(tmp_path) -> Path:
    path = tmp_path / "waves.safetensors"
    save_network(path, SlimNetwork(width=4, blocks=1), {"style": "waves"})
    return path


@pytest.fixture
def web(server, network) -> str:
    """The address of the network on a server."""
    (server.folder / network.name).write_bytes(network.read_bytes())
    return f"{server.url}/{network.name}"


def kept(tmp_path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_network_is_fetched_once(web, server, network, tmp_path):
    for _ in range(2):
        path = find_network(web)
        assert path.name == "waves.safetensors"
        assert path.read_bytes() == network.read_bytes()
    assert len(server.requests) == 1
    assert describe(web).metadata["style"] == "waves"
    assert isinstance(load_network(web), SlimNetwork)
    assert kept(tmp_path) == [path]


def test_a_digest_is_kept_to(web, server, network, tmp_path):
    digest = digest_of(network)
    assert find_network(f"{web}@sha256:{digest.upper()}").read_bytes() == network.read_bytes()
    wrong = "0" * 64
    sentence = f"{web} has the digest sha256:{digest}, not sha256:{wrong}: do not use it"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        find_network(f"{web}@sha256:{wrong}")
    assert len(kept(tmp_path)) == 1
    # Also of what lies in the cache.
    kept(tmp_path)[0].write_bytes(b"other")
    with pytest.raises(ValueError, match="has the digest"):
        find_network(f"{web}@sha256:{digest}")
    assert len(server.requests) == 2


def test_where_no_digest_is_asked_for_none_is_computed(web, monkeypatch):
    monkeypatch.setattr(module, "digest_of", None)
    assert find_network(web) == find_network(web)


def test_two_addresses_do_not_share_a_file(web, server, tmp_path):
    (server.folder / "other").mkdir()
    save_network(server.folder / "other" / "waves.safetensors", SlimNetwork(width=5, blocks=1), {})
    first, second = (load_network(f"{server.url}{folder}/waves.safetensors") for folder in ("", "/other"))
    assert (first.arguments["width"], second.arguments["width"]) == (4, 5)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("hf://me/nets/waves.safetensors", "/me/nets/resolve/main/waves.safetensors"),
        ("hf://me/nets@v2/deep/waves.safetensors", "/me/nets/resolve/v2/deep/waves.safetensors"),
    ],
)
def test_the_hub(address, path, server, network, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    tokens = []

    def answer(handler):
        tokens.append(handler.headers["Authorization"])
        if len(tokens) == 1:  # as the hub does; to whom the token is none of its business
            handler.answer(302, Location=f"/{network.name}", Content_Length=0)
        else:
            handler.answer(200, network.read_bytes(), Content_Length=network.stat().st_size)

    server.answers |= {path: answer, f"/{network.name}": answer}
    assert find_network(address).read_bytes() == network.read_bytes()
    assert tokens == ["Bearer secret", None]


def test_without_a_server_of_ones_own_the_hub_is_meant(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    address = NetworkAddress.parse("hf://me/nets/a.safetensors")
    assert address.web() == "https://huggingface.co/me/nets/resolve/main/a.safetensors"


def test_a_token_is_for_the_hub_alone(web, server, network, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    tokens = []

    def answer(handler):
        tokens.append(handler.headers["Authorization"])
        handler.answer(200, network.read_bytes())

    server.answers[f"/{network.name}"] = answer
    find_network(web)
    assert tokens == [None]


def test_a_store(bucket, network):
    bucket.put_file(str(network), "photos/nets/waves.safetensors")
    address = f"s3://photos/nets/waves.safetensors@sha256:{digest_of(network)}"
    assert find_network(address).read_bytes() == network.read_bytes()
    with pytest.raises(FileNotFoundError, match=r"cannot look at s3://photos/none\.safetensors"):
        find_network("s3://photos/none.safetensors")


def test_a_store_with_too_much(bucket, network, monkeypatch, tmp_path):
    bucket.put_file(str(network), "photos/waves.safetensors")
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(
        ValueError, match=r"^cannot fetch s3://photos/waves\.safetensors: it has 0 MB, more than 0\.0001"
    ):
        find_network("s3://photos/waves.safetensors")
    assert not kept(tmp_path)


def test_a_server_with_too_much(web, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"is larger than 0\.0001 MB"):
        find_network(web)
    assert not kept(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04pickle", b"PK\x03\x04zip", b"", b"<html>no</html>"],
    ids=["pickle", "archive", "nothing", "page"],
)
def test_what_is_no_safetensors(content, server, tmp_path):
    (server.folder / "bad.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.safetensors is no \.safetensors file, whatever its name"):
        find_network(f"{server.url}/bad.safetensors")
    assert not kept(tmp_path)


def test_damage_is_told_of_the_address(web, server, network, tmp_path):
    (server.folder / network.name).write_bytes(network.read_bytes()[:-9])
    with pytest.raises(ValueError, match=f"^{re.escape(web)} is not a complete safetensors file"):
        find_network(web)
    assert not kept(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("https://host/net.pth", "cannot take a network from https://host/net.pth: it must be a .safetensors file"),
        ("hf://me/nets", "cannot take a network from hf://me/nets"),
        ("hf://nets/a.safetensors", "hf://nets/a.safetensors must be hf://USER/REPO/FILE.safetensors"),
        ("s3://a/b.safetensors@sha256:12", "the digest of s3://a/b.safetensors must be 64 hexadecimal digits"),
        ("s3://a/b.safetensors@sha256:", "got ''"),
        ("odd://a/b.safetensors", "cannot open odd://a/b.safetensors: Protocol not known: odd"),
    ],
)
def test_addresses_that_are_none(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        fetch_network(text)


def test_a_query_is_no_part_of_the_name():
    assert NetworkAddress.parse("https://host/a/net.safetensors?download=true").name == "net.safetensors"
