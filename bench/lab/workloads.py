"""workloads.py: what is measured, as data.

Every measure is a cost: less is better, and a ratio is the yardstick's cost divided by another's.
The yardstick of a workload is the first of its contestants.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Measure:
    key: str
    title: str
    unit: str


CPU = Measure("cpu_ns_per_request", "CPU time of the server per request", "ns")
CONNECTION = Measure("resident_bytes_per_connection", "resident memory per connection", "bytes")
TAIL = Measure("p99.9_us", "latency, p99.9", "µs")
MICRO = Measure("cpu_ns", "CPU time of one", "ns")
SLEEPER = Measure("cpu_us", "CPU time of one sleeper", "µs")
LATENESS = Measure("off_p99_ms", "how far from its moment it wakes, p99", "ms")
PARKED = Measure("resident_bytes", "resident memory of one", "bytes")
PAUSE = Measure("pause_ms", "pause of a full collection", "ms")


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    program: str  # of each contestant
    contestants: tuple
    measures: tuple
    limits: str  # what the figure depends on, for the report
    slices: int = 5  # of each contestant in a round, at most
    length: float = 1  # of a slice, times the usual
    load: dict = dataclasses.field(default_factory=dict)  # options of bench/load
    question: str = ""  # for `micro`
    count: int = 0
    counts: dict = dataclasses.field(default_factory=dict)  # for contestants that cannot do `count`

    def count_for(self, name, shorten):
        """What a contestant is asked to do; costs of one of many may come from fewer of them."""
        count = self.counts.get(name, self.count)
        return count // shorten if self.measures == (MICRO,) else count

    @property
    def connections(self):
        return self.load.get("connections", 0)


SERVERS = ("epoll", "context", "coir", "tarantool", "cqueues", "copas", "luv", "go", "asyncio")
FIBERS = ("context", "coir", "lua", "tarantool", "cqueues", "go", "asyncio")
WAITING_FIBERS = ("context", "coir", "tarantool", "cqueues", "go", "asyncio")

KERNEL = ("Most of the time is the kernel's, the same for all: a ratio near 1 says that little is "
          "added.")


def server(name, title, limits, program="echo", measures=(CPU,), contestants=SERVERS, slices=5,
           length=1, **load):
    load = {"mode": program} | load
    return Workload(name, title, program, contestants, measures, limits, slices, length, load)


def micro(question, title, contestants, count, limits, measures=(MICRO,), **more):
    name = question.replace("_", "-")
    return Workload(name, title, "micro", contestants, measures, limits, question=question,
                    count=count, **more)


WORKLOADS = (
    server("echo-50", "64-byte echo, 50 connections", KERNEL, connections=50),
    server("echo-1000", "64-byte echo, 1,000 connections",
           "The processor's caches: what each connection touches no longer fits.",
           connections=1000),
    server("echo-9000", "64-byte echo, 9,000 connections",
           "Cache misses, in the kernel as well, so all come closer to the yardstick.",
           connections=9000),
    server("echo-pipelined", "64-byte echo, 16 under way on each of 50 connections",
           "One read and one write carry many messages: what is left is work per wake-up.",
           connections=50, depth=16),
    server("echo-16k", "16 KiB echo, 50 connections", "Copying, most of it in the kernel.",
           connections=50, size=16384),
    server("line", "lines of 64 bytes, 50 connections", KERNEL, "line", connections=50),
    server("line-pipelined", "lines of 64 bytes, 16 under way on each of 50 connections",
           "Who writes every line at once pays one system call a line; who gathers, one a wake-up.",
           "line", connections=50, depth=16),
    server("connect", "connect, one round trip, close",
           "The handshake is charged to the client, so a part of the cost is not seen.",
           mode="churn", connections=50),
    server("idle", "idle connections, 9,000 of them",
           "Resident memory of the server's process, without the kernel's socket buffers. C on epoll "
           "keeps nothing for an idle connection, so it is no yardstick.",
           measures=(CONNECTION,), contestants=SERVERS[1:], slices=1, mode="idle", connections=9000),
    server("rate-20000", "20,000 requests a second, 64 bytes, 50 connections",
           "Latencies count from the moment a request was due. A noisy machine shows first here.",
           measures=(TAIL, CPU), slices=3, length=4, connections=50, rate=20000),
    server("vendetta-echo", "what Vendetta's class TCPSocket adds: 64-byte echo, 50 connections",
           "A handler in Lua is called for every event.",
           contestants=("coir", "vendetta"), connections=50),
    server("vendetta-line", "what Vendetta's line layer adds: lines of 64 bytes, 50 connections",
           "Lines are put together in Lua.", "line",
           contestants=("coir", "vendetta"), connections=50),
    server("compat-echo", "what the sockets of other systems add: 64-byte echo, 50 connections",
           "A layer in Lua over the plain sockets.",
           contestants=("coir", "mona", "cumulus", "netnet", "tinn"), connections=50),
    micro("yield2", "yield between 2 fibers", FIBERS, 1_000_000,
          "The switch itself; in Lua the call of a C function besides."),
    micro("yield10000", "yield among 10,000 fibers", FIBERS, 3_000_000,
          "Cache misses: stacks and objects of all fibers do not fit."),
    micro("spawn_join", "spawn and join a fiber that does nothing", FIBERS, 200_000,
          "Stacks and objects that are used again; for Lua its collector."),
    micro("channel", "channel round trip: two channels of one place",
          ("context", "coir", "tarantool", "go", "asyncio"), 200_000,
          "Four channel operations and two switches."),
    micro("cond", "condition variable round trip", WAITING_FIBERS, 200_000,
          "Two signals, two waits and two switches; Go and Python lock a mutex besides."),
    micro("sleepers", "100,000 sleepers of 0 to 1 s", WAITING_FIBERS, 100_000,
          "The queue of timers, and how promptly a crowd of due fibers is run.",
          (SLEEPER, LATENESS), slices=1),
    micro("parked", "parked fibers, 100,000 of them", FIBERS, 100_000,
          "A fiber with a C stack of its own needs a page of it; one without can wait only in Lua.",
          (PARKED,), slices=1, counts={"tarantool": 30_000}),
    micro("gc", "full collection with 10,000 parked fibers",
          ("lua", "coir", "tarantool", "cqueues", "go", "asyncio"), 10_000,
          "What the program stands still for; Go collects beside the program.",
          (PAUSE,), slices=2),
)
