"""Work that takes a processor: one piece at a time in each lane, few that wait, none for who has gone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from fast_style.web.refusal import RefusedError

WAIT = 10.0  # seconds that a piece of work waits for what is more urgent
T = TypeVar("T")


class Lane:
    """A queue of work with an end.

    Args:
        room: how many pieces may wait or be at work.
        after: lanes whose work is more urgent, for which each piece waits a while.
    """

    def __init__(self, room: int, after: Sequence["Lane"] = ()) -> None:
        self.room, self.after, self.held = room, after, 0
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[], T], gone: Callable[[], Awaitable[bool]] | None = None) -> T:
        """Do a piece of work in a thread, once those before it are done.

        Args:
            work: what to do.
            gone: asked before the work begins whether nobody waits for it any more; None: somebody does.

        Raises:
            RefusedError: with 429 if too many wait already, with 499 if nobody waits any more.
        """
        if self.held >= self.room:
            raise RefusedError(429, "too many pictures are being made: try again in a few seconds", retry=3)
        self.held += 1
        try:
            async with self._turn:
                end = time.monotonic() + WAIT
                while any(lane.held for lane in self.after) and time.monotonic() < end:
                    await asyncio.sleep(0.1)
                if gone is not None and await gone():
                    raise RefusedError(499, "nobody waits for it any more")
                return await asyncio.to_thread(work)
        finally:
            self.held -= 1
