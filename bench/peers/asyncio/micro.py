"""micro.py: the questions of ../questions.lua, answered by Python's asyncio with tasks."""

import asyncio
import gc
import os
import random
import statistics
import sys
import time


class Cost:
    """Prints the CPU time of what is done within, for one of `count`."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        gc.collect()
        self.start = time.process_time_ns()

    def __exit__(self, *_):
        print(f"cpu_ns {(time.process_time_ns() - self.start) / self.count:.3f}")


def resident_bytes():
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def yield_among(tasks, count):
    async def body():
        await asyncio.sleep(0)
        for _ in range(count // tasks):
            await asyncio.sleep(0)

    all_tasks = [asyncio.create_task(body()) for _ in range(tasks)]
    await asyncio.sleep(0)
    with Cost(count):
        await asyncio.gather(*all_tasks)


async def yield2(count):
    await yield_among(2, count)


async def yield10000(count):
    await yield_among(10_000, count)


async def spawn_join(count):
    async def nothing():
        pass

    with Cost(count):
        for _ in range(count):
            await asyncio.create_task(nothing())


async def channel(count):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def answer():
        for _ in range(count):
            await back.put(await there.get())

    async def ask():
        for i in range(count):
            await there.put(i)
            await back.get()

    with Cost(count):
        await asyncio.gather(answer(), ask())


async def cond(count):
    lock = asyncio.Lock()
    there, back = asyncio.Condition(lock), asyncio.Condition(lock)

    async def answer():
        async with lock:
            for _ in range(count):
                await there.wait()
                back.notify()

    async def ask():
        async with lock:
            for _ in range(count):
                there.notify()
                await back.wait()

    with Cost(count):
        await asyncio.gather(answer(), ask())


async def sleepers(count):
    late = []

    async def sleep_until(due):
        await asyncio.sleep(due - time.monotonic())
        late.append(abs(time.monotonic() - due))  # too early is as wrong as too late

    start = time.process_time()
    first = time.monotonic() + 0.1 + count * 3e-5
    await asyncio.gather(*(sleep_until(first + random.random()) for _ in range(count)))
    print(f"cpu_us {(time.process_time() - start) * 1e6 / count:.4f}")
    print(f"off_p99_ms {statistics.quantiles(late, n=100)[98] * 1e3:.4f}")


async def park_tasks(count):
    wake = asyncio.Event()
    tasks = [asyncio.create_task(wake.wait()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def parked(count):
    before = resident_bytes()
    tasks = await park_tasks(count)
    print(f"resident_bytes {(resident_bytes() - before) / len(tasks):.1f}", flush=True)
    os._exit(0)


async def gc_pause(count):
    tasks = await park_tasks(count)
    pauses = []
    for _ in range(9):
        start = time.monotonic()
        gc.collect()
        pauses.append(time.monotonic() - start)
    assert len(tasks) == count
    print(f"pause_ms {statistics.median(pauses) * 1e3:.4f}", flush=True)
    os._exit(0)


QUESTIONS = {"yield2": yield2, "yield10000": yield10000, "spawn_join": spawn_join,
             "channel": channel, "cond": cond, "sleepers": sleepers, "parked": parked,
             "gc": gc_pause}

asyncio.run(QUESTIONS[sys.argv[1]](int(sys.argv[2])))
