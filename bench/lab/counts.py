"""counts.py: instructions and system calls for one request: counts repeat, seconds do not.

A program runs twice, with N and with 2 N requests, under callgrind or strace; the difference of the
two totals, divided by N, is what one request takes, without start and end. How often a server waits
depends on how fast the generator is, so the waits of epoll are not among the system calls. The
counts of the last release are in bench/instructions.json; they depend on compiler and libraries, so
other machines have others.
"""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import machine
import peers
from sessions import Failure, checked, load_command, start_server

RELEASED = Path(__file__).resolve().parent.parent / "instructions.json"
SMALL = 20_000  # requests of the smaller run under callgrind

# (name, contestant, program, words after the program, or options of bench/load)
CONNECTIONS = {"connections": 1, "warmup": 0, "duration": 600, "patience": 60}
SERVERS = (
    ("echo", "epoll", "echo", CONNECTIONS),
    ("echo", "coir", "echo", CONNECTIONS),
    ("line", "epoll", "line", CONNECTIONS | {"mode": "line"}),
    ("line", "coir", "line", CONNECTIONS | {"mode": "line"}),
    ("line-pipelined", "coir", "line", CONNECTIONS | {"mode": "line", "depth": 16}),
    ("connect", "coir", "echo", CONNECTIONS | {"mode": "churn"}),
)
SCRIPTS = (
    ("yield2", "coir", "micro", ["yield2"], SMALL),
    ("yield10000", "coir", "micro", ["yield10000"], 10 * SMALL),
    ("spawn-join", "coir", "micro", ["spawn_join"], SMALL),
    ("channel", "coir", "micro", ["channel"], SMALL),
    ("cond", "coir", "micro", ["cond"], SMALL),
    ("long-line-kib", "coir", "long_line", [], 2048),
)


def _callgrind_total(log):
    return int(re.search(r"Collected : (\d+)", log).group(1))


def _strace_total(log):
    return int(re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+).*total$", log, re.M).group(1))


TOOLS = {
    "instructions": (["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                      "--log-file={log}"], _callgrind_total, SMALL),
    "system calls": (["strace", "-c", "-f", "-e", "trace=!/^epoll_.*wait",
                      "-o", "{log}"], _strace_total, SMALL // 4),
}


def _total(tool, run):
    """What the tool counted in all while `run` ran something under it."""
    words, parse, _ = TOOLS[tool]
    with tempfile.NamedTemporaryFile("r") as log:
        run([word.format(log=log.name) for word in words])
        try:
            return parse(log.read())
        except AttributeError as error:
            raise Failure(f"{words[0]} counted nothing") from error


def _serve(wrapper, command, build, options, requests):
    """Runs a server under a tool until a generator has had its answers."""
    with contextlib.ExitStack() as stack:
        server, port = start_server(stack, command, wrapper)
        load = load_command(build, port, server.pid, options | {"requests": requests})
        result = subprocess.run(["taskset", "-c", str(machine.cores()[1]), *load], check=False,
                                capture_output=True, text=True)
        figures = checked(json.loads(result.stdout))
        if figures["requests"] != requests:
            raise Failure(f"{figures['requests']} answers to {requests} requests")
        _terminate(server.pid)
        server.wait(60)


def _terminate(pid):
    """Ends a server that may be the child of its tool; strace ends with it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    subprocess.run(["kill", *(children or [str(pid)])], check=False)


def _run(wrapper, command, count):
    result = subprocess.run([*wrapper, *command, str(count)], capture_output=True, text=True,
                            check=False, timeout=600)
    if result.returncode != 0:
        raise Failure(result.stderr.strip().splitlines()[-1])


def _per_one(tool, count, run_with):
    once = _total(tool, lambda wrapper: run_with(wrapper, count))
    twice = _total(tool, lambda wrapper: run_with(wrapper, 2 * count))
    return round((twice - once) / count, 2)


def measure(build, output, progress, end):
    """Rows of {name, contestant, what, count, released}; with a `problem` instead of a count where
    that failed, or the monotonic time `end` had come."""
    released = json.loads(RELEASED.read_text(encoding="utf-8")) if RELEASED.exists() else {}
    rows = []

    def add(tool, name, contestant, run_with, count):
        progress(f"counting {tool}: {name}, {contestant}")
        row = {"name": name, "contestant": contestant, "what": tool,
               "released": released.get("counts", {}).get(f"{tool}: {name}, {contestant}")}
        try:
            if time.monotonic() > end:
                raise Failure("no time left to count it")
            row["count"] = _per_one(tool, count, run_with)
        except (Failure, OSError, subprocess.SubprocessError) as problem:
            row["problem"] = str(problem)
        rows.append(row)

    for tool, (words, _, requests) in TOOLS.items():
        if not shutil.which(words[0]):
            continue
        for name, contestant, program, options in SERVERS:
            command = peers.command(contestant, program, build, output)
            add(tool, name, contestant, lambda wrapper, count, c=command, o=options:
                _serve(wrapper, c, build, o, count), requests)
    if shutil.which("valgrind"):
        for name, contestant, program, words, count in SCRIPTS:
            command = peers.command(contestant, program, build, output) + words
            add("instructions", name, contestant, lambda wrapper, n, c=command:
                _run(wrapper, c, n), count)
    return {"release": released.get("release"), "rows": rows}


def save(counts, release):
    """Makes these the counts of the release."""
    known = {f"{row['what']}: {row['name']}, {row['contestant']}": row["count"]
             for row in counts["rows"] if "count" in row}
    RELEASED.write_text(json.dumps({"release": release, "counts": known}, indent=1) + "\n",
                        encoding="utf-8")


def print_table(counts):
    print(f"for one request, counted; beside it release {counts['release'] or '(none kept)'}")
    for row in counts["rows"]:
        label = f"{row['name']}, {row['contestant']}"
        if "problem" in row:
            print(f"   {label:26} {row['problem']}")
            continue
        before = row["released"]
        change = f"{row['count'] / before - 1:+.1%} from {before:,.2f}" if before else ""
        print(f"   {label:26} {row['count']:12,.2f} {row['what']:13} {change}")
    print(flush=True)
