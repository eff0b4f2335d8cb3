"""Whether TensorBoard runs on this machine, so that the page can point to it."""

import asyncio
import json
from contextlib import suppress

PORT = 6006  # where it listens unless it is told otherwise
PATIENCE = 0.5  # seconds that it has to answer
QUESTION = b"GET /data/environment HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"


async def find_board(port: int = PORT) -> str | None:
    """Ask what listens on a port of this machine whether it is TensorBoard.

    Args:
        port: where it may listen.

    Returns:
        Its address; None if nothing listens, answers within half a second, or it is something else.
    """
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(QUESTION)
                _, _, body = (await reader.read(20_000)).partition(b"\r\n\r\n")
                body += await reader.read(20_000)
            finally:
                writer.close()
        found = json.loads(body)
        if isinstance(found, dict) and "window_title" in found and "data_location" in found:
            return f"http://127.0.0.1:{port}/"
    return None
