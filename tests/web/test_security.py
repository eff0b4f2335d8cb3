"""Who is let in, and what a browser may do."""

import pytest
from starlette.testclient import TestClient

from fast_style.web.app import Site
from fast_style.web.security import HEADERS, is_own


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "evil.example:8000"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1:8001"}, 403),
        ({"host": "127.0.0.1.evil.example:8000"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "http://localhost:8000"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_only_the_page_itself_is_answered(client, headers, status):
    answer = client.get("/api/styles", headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/", {}, 200),
        ("GET", "/", {"sec-fetch-dest": "iframe"}, 403),
        ("GET", "/", {"sec-fetch-mode": "no-cors"}, 403),
        ("GET", "/", {"host": "evil.example:8000"}, 403),
        ("GET", "/api/styles", {}, 403),
        ("POST", "/", {}, 403),
    ],
)
def test_other_pages_may_link_to_the_page(client, method, path, more, status):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.request(method, path, headers=headers | more).status_code == status


@pytest.mark.parametrize("path", ["/", "/api/styles", "/api/nothing", "/nothing"])
def test_every_answer_is_fenced_in(client, path):
    answer = client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_is_asked_for(settings):
    from dataclasses import replace

    app = Site(replace(settings, host="0.0.0.0", token="correcthorsebattery")).app()
    with TestClient(app, "http://192.168.1.5:8000") as client:
        assert client.get("/api/styles").status_code == 401
        assert client.get("/").status_code == 401
        assert client.get("/", params={"token": "wrong"}).status_code == 401
        assert client.get("/api/styles", params={"token": "correcthorsebattery"}).status_code == 401
        assert client.get("/api/styles", headers={"authorization": "Bearer correcthorsebattery"}).status_code == 200
        assert client.get("/api/styles", headers={"host": "evil.example:8000"}).status_code == 403
        visit = client.get("/", params={"token": "correcthorsebattery"}, follow_redirects=False)
        assert (visit.status_code, visit.headers["location"]) == (303, "/")
        assert "HttpOnly" in visit.headers["set-cookie"]
        assert "SameSite=strict" in visit.headers["set-cookie"]
        assert client.get("/api/styles").status_code == 200  # the cookie


def test_the_name_that_was_given_is_its_own(settings):
    from dataclasses import replace

    app = Site(replace(settings, host="Page.example", token="correcthorsebattery")).app()
    headers = {"authorization": "Bearer correcthorsebattery", "cookie": 'a="b; fast_style_token=x'}
    with TestClient(app, "http://page.example:8000", headers=headers) as client:
        assert client.get("/api/styles").status_code == 200
        assert client.get("/api/styles", headers={"host": "other.example:8000"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "port", "own"),
    [
        ("192.168.1.5:8000", 8000, True),
        ("[fe80::1]:8000", 8000, True),
        ("localhost:8000", 8000, True),
        ("192.168.1.5", 80, True),
        ("192.168.1.5", 8000, False),
        ("page.example:8000", 8000, False),
    ],
)
def test_an_address_is_this_server_and_a_strange_name_is_not(host, port, own):
    assert is_own(host, port, ("localhost",), addresses=True) is own


@pytest.mark.parametrize("path", ["/../settings.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd"])
def test_no_other_file_is_sent(client, path):
    assert client.get(path).status_code in (404, 405)
