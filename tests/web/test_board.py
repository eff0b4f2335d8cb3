"""Whether TensorBoard runs."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from fast_style.web import app as module
from fast_style.web import board


async def found_beside(answer: bytes) -> str | None:
    """Ask a server that answers so, piece by piece."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for start in range(0, len(answer), 30):
            writer.write(answer[start : start + 30])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await board.find_board(port)
        return found and found.replace(str(port), "PORT")


def test_it_is_told_from_other_programs():
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    right = json.dumps({"version": "2", "window_title": "", "data_location": "runs"}).encode()
    assert asyncio.run(found_beside(head + right)) == "http://127.0.0.1:PORT/"
    for other in (b"", head, head + b"[]", head + b'{"window_title": ""}', head + right[:-2], b"SSH-2.0\r\n\r\n\xff"):
        assert asyncio.run(found_beside(other)) is None


def test_nothing_listens_or_answers(monkeypatch):
    monkeypatch.setattr(board, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert asyncio.run(board.find_board(port)) is None
    assert asyncio.run(board.find_board(port)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_page_is_told_where_it_can_be_reached(client, site, monkeypatch, host):
    async def find() -> str:
        return "http://127.0.0.1:6006/"

    monkeypatch.setattr(module, "find_board", find)
    monkeypatch.setattr(site, "settings", replace(site.settings, host=host))
    wanted = "http://127.0.0.1:6006/" if host == "127.0.0.1" else None
    assert client.get("/api/info").json()["tensorboard"] == wanted


@pytest.mark.slow
def test_the_real_one(tmp_path):
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            port = next(int(found[1]) for line in process.stderr if (found := re.search(r"localhost:(\d+)/", line)))
            rest = threading.Thread(target=process.stderr.read)
            rest.start()
            assert asyncio.run(board.find_board(port)) == f"http://127.0.0.1:{port}/"
        finally:
            process.kill()
            rest.join()
