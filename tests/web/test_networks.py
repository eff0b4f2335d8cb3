"""What the page asks to run networks itself."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from fast_style.web import exports
from fast_style.web.app import Site
from fast_style.web.runtime import NEEDED, WEBGPU, find_runtime
from fast_style.web.security import HEADERS

HOST = "http://127.0.0.1:8000"


@pytest.fixture
def equipped(settings, made_up):
    """What asks a page that has a runtime."""
    with TestClient(Site(replace(settings, runtime=made_up)).app(), HOST) as client:
        yield client


def test_a_runtime_is_found_wherever_npm_is_looked_for(tmp_path):
    package = tmp_path / "node_modules" / "onnxruntime-web"
    (package / "dist").mkdir(parents=True)
    for name in NEEDED.values():
        (package / "dist" / name).write_text("")
    for folder in (tmp_path, tmp_path / "node_modules", package, package / "dist"):
        found = find_runtime(folder)
        assert (found.version, found.webgpu, found.files.keys()) == (None, False, NEEDED.keys())
    (package / "package.json").write_text('{"version": "1.30.0"}')
    for name in WEBGPU.values():
        (package / "dist" / name).write_text("")
    found = find_runtime(package)
    assert (found.told(), len(found.files)) == ({"version": "1.30.0", "webgpu": True}, 6)
    (package / "package.json").write_text("nonsense")
    assert find_runtime(package).version is None


def test_a_folder_without_a_runtime(tmp_path):
    with pytest.raises(FileNotFoundError, match="npm install onnxruntime-web, and give the folder node_modules"):
        find_runtime(tmp_path)


def test_a_page_without_a_runtime(client):
    assert client.get("/api/info").json()["runtime"] is None
    answer = client.get("/runtime/wasm.js")
    assert (answer.status_code, "--runtime FOLDER" in answer.json()["error"]) == (404, True)
    assert "wasm" not in answer.headers["content-security-policy"]


def test_the_files_of_a_runtime(equipped, made_up):
    assert equipped.get("/api/info").json()["runtime"] == {"version": "0.0.1", "webgpu": False}
    kinds = {"wasm.js": "text/javascript", "wasm-core.js": "text/javascript", "wasm-core.wasm": "application/wasm"}
    for name, kind in kinds.items():
        answer = equipped.get(f"/runtime/{name}")
        assert (answer.status_code, answer.content) == (200, made_up.files[name].read_bytes())
        assert answer.headers["content-type"].startswith(kind)
        policy = answer.headers["content-security-policy"]
        assert policy == HEADERS["content-security-policy"] + "; script-src 'self' 'wasm-unsafe-eval'"
        again = equipped.get(f"/runtime/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cross-origin-embedder-policy"] == "require-corp"


@pytest.mark.parametrize("name", ["webgpu.js", "package.json", "..%2fpackage.json", "ort.wasm.min.mjs"])
def test_no_other_file_of_it_is_sent(equipped, name):
    assert equipped.get(f"/runtime/{name}").status_code == 404


def test_styles_tell_whether_they_are_small_enough_for_a_camera(client, networks):
    from fast_style.checkpoint import save_network
    from fast_style.networks import TransformerNetwork

    save_network(networks / "large.safetensors", TransformerNetwork(width=32, blocks=5), {})
    save_network(networks / "wave_video.safetensors", TransformerNetwork(width=2, blocks=1), {})
    found = {style["id"]: style for style in client.get("/api/styles").json()["styles"]}
    assert {name for name, style in found.items() if not style["live"]} == {"file:large"}
    assert {name for name, style in found.items() if style["steady"]} == {"file:wave_video"}
    assert found["file:wave_video"] | {"name": "Wave", "quick": True} == found["file:wave_video"]


def test_what_has_no_network(client, bring):
    assert client.get("/api/network").status_code == 404
    assert client.get("/api/network", params={"style": "nothing"}).status_code == 404
    answer = client.get("/api/network", params={"style": f"painting:{bring()['id']}"})
    assert (answer.status_code, "learn it first" in answer.json()["error"]) == (404, True)


def test_a_network_is_exported_once_until_it_changes(client, networks, monkeypatch):
    asked = []

    async def written(network, path, key):
        asked.append((network.name, key))
        path.write_bytes(network.read_bytes())

    monkeypatch.setattr(exports, "_export", written)
    first = client.get("/api/network", params={"style": "file:pair/cubist"})
    assert first.content == (networks / "pair.safetensors").read_bytes()
    again = {"if-none-match": first.headers["etag"]}
    assert client.get("/api/network", params={"style": "file:pair/cubist"}, headers=again).status_code == 304
    assert asked == [("pair.safetensors", "cubist")]
    client.get("/api/network", params={"style": "file:tiny"})
    (networks / "tiny.safetensors").write_bytes((networks / "tiny.safetensors").read_bytes())
    client.get("/api/network", params={"style": "file:tiny"})
    assert asked[1:] == 2 * [("tiny.safetensors", None)]


@pytest.mark.slow
def test_a_network_is_exported(client, site, networks):
    pytest.importorskip("onnxscript")
    answer = client.get("/api/network", params={"style": "file:pair/cubist"})
    assert (answer.status_code, b"fast_style/onnx/1" in answer.content) == (200, True), answer.text
    (networks / "tiny.safetensors").unlink()
    assert client.get("/api/network", params={"style": "file:tiny"}).status_code == 404
    assert len(list((site.settings.folder / "onnx").iterdir())) == 1


def test_a_network_that_cannot_be_exported(client, monkeypatch):
    monkeypatch.setattr(exports, "PROGRAM", ("false",))
    answer = client.get("/api/network", params={"style": "file:tiny"})
    assert (answer.status_code, answer.json()["error"]) == (422, "the network cannot be exported: it was ended")
