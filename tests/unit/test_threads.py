"""Work handed to threads: in order, with its result or its error, and an end that waits."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from bubi.node.ports import Threads

PATIENCE = 60


def with_threads(test: Callable[[Threads], Awaitable[None]]) -> Callable[[], None]:
    # Not `wraps`: the parameter would be taken for a fixture.
    def run() -> None:
        async def bounded() -> None:
            threads = Threads(1)
            try:
                async with asyncio.timeout(PATIENCE):
                    await test(threads)
            finally:
                threads.close()

        asyncio.run(bounded())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@with_threads
async def test_one_writer_keeps_the_order_of_the_calls(threads: Threads) -> None:
    done: list[int] = []

    def work(number: int) -> int:
        done.append(number)
        return threading.get_ident()

    where = await asyncio.gather(*(threads.write(lambda n=n: work(n)) for n in range(200)))  # type: ignore[misc]
    assert done == list(range(200))
    assert len(set(where)) == 1
    assert where[0] != threading.get_ident()


@with_threads
async def test_an_error_reaches_whoever_waits_and_the_thread_goes_on(threads: Threads) -> None:
    def fails() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await threads.write(fails)
    assert await threads.write(lambda: 7) == 7


@with_threads
async def test_what_was_given_up_before_it_began_is_not_done(threads: Threads) -> None:
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        go.wait(PATIENCE)
        done.append("first")

    under_way = asyncio.create_task(threads.write(first))
    waiting = asyncio.create_task(threads.write(lambda: done.append("second")))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    waiting.cancel()
    await asyncio.sleep(0)
    under_way.cancel()
    await asyncio.gather(under_way, waiting, return_exceptions=True)
    go.set()
    # Nobody hears of the first one any more, and it is done all the same.
    await threads.write(lambda: done.append("third"))
    assert done == ["first", "third"]


def test_the_end_waits_for_what_is_under_way_and_cancels_the_rest() -> None:
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        go.wait(PATIENCE)
        done.append("first")

    async def work() -> None:
        threads = Threads(1)
        under_way = asyncio.create_task(threads.write(first))
        waiting = asyncio.create_task(threads.write(lambda: done.append("second")))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        threading.Timer(0.05, go.set).start()
        threads.close()
        assert done == ["first"]
        results = await asyncio.gather(under_way, waiting, return_exceptions=True)
        assert results[0] is None
        assert isinstance(results[1], asyncio.CancelledError)
        with pytest.raises(RuntimeError, match="stopping"):
            await threads.write(lambda: None)

    asyncio.run(work())
    assert done == ["first"]
