"""Lets readers wait for the next block."""

import asyncio


class Heights:
    """The newest height, and a way to wait for a later one."""

    def __init__(self, height: int) -> None:
        self.height = height
        self._advanced = asyncio.Event()

    def publish(self, height: int) -> None:
        """A block became visible, or those who wait shall look up because the node stops."""
        self.height = height
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def beyond(self, height: int, seconds: float) -> bool:
        """Waits until the newest height is above `height`; False when the time is up."""
        if self.height > height:
            return True
        try:
            await asyncio.wait_for(self._advanced.wait(), seconds)
        except TimeoutError:
            return False
        return True
