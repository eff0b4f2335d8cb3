"""The document of the interface, and the guide's client."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_describes_every_address(client, site):
    told = client.get("/api/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    described = {(path, method) for path, methods in told["paths"].items() for method in methods}
    assert described == {(line.path, line.method.lower()) for line in site.endpoints()}
    for methods in told["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert any(status.startswith("2") for status in operation["responses"])
            parameters = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert len(parameters) <= 2


def test_values_are_described_as_they_are_checked(client):
    asked = client.get("/api/openapi.json").json()["paths"]["/api/stylize"]["post"]["requestBody"]
    schema = asked["content"]["application/json"]["schema"]
    assert schema["required"] == ["image", "style"]
    assert not schema["additionalProperties"]
    assert schema["properties"]["strength"] == {
        "type": "number",
        "description": "0 (the photo) to 1 (the stylized picture)",
        "minimum": 0,
        "maximum": 1,
        "default": 1.0,
    }
    assert schema["properties"]["colours"]["enum"] == ["luminance", "histogram"]


def test_what_ends_it_is_no_surprise(client, bring):
    """Every refusal that tests of bad input find is written down."""
    refusals = client.get("/api/openapi.json").json()["paths"]["/api/stylize"]["post"]["responses"].keys()
    assert {"404", "413", "415", "422", "429", "507"} <= refusals


@pytest.mark.slow
def test_the_clients_of_the_guide_work(settings, tmp_path, picture, monkeypatch):
    import threading
    from dataclasses import replace

    import uvicorn

    from fast_style.web.app import Site
    from fast_style.web.server import Server, _listening

    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/page.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(picture())
    with _listening("127.0.0.1", 0) as listener:
        site = Site(replace(settings, port=listener.getsockname()[1]))
        server = Server(uvicorn.Config(site.app(), log_level="error"), site)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            here = code.replace("127.0.0.1:8000", f"127.0.0.1:{site.settings.port}").replace(
                "starry_night", "file:tiny"
            )
            exec(compile(here, "docs/page.md", "exec"), {})
        finally:
            server.should_exit = True
            thread.join(20)
    assert Path("stylized.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
