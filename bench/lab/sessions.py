"""sessions.py: a contestant that is ready to be measured, slice by slice."""

import contextlib
import json
import subprocess
import re
import threading

import machine

START_S = 60.0  # before a server must have said its port, and its connections must stand
ANSWER_S = 120.0  # of a script, or of a slice


class Failure(Exception):
    """A contestant did not do what it should."""


def _start(stack, core, command, **options):
    """Starts a command on one core, out of reach of the terminal's Ctrl-C; `stack` kills it."""
    process = subprocess.Popen(["taskset", "-c", str(core), *command], text=True,
                               start_new_session=True, stdout=subprocess.PIPE, **options)
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _read_line(process, seconds):
    """A line of a process's output; empty at its end and when it takes too long."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()


def start_server(stack, command, wrapper=()):
    """Starts a server on its core. The process and its port."""
    server = _start(stack, machine.cores()[0], [*wrapper, *command], stderr=subprocess.DEVNULL)
    line = _read_line(server, START_S)
    port = re.fullmatch(r"port (\d+)\n", line)
    if not port:
        raise Failure(f"printed {line!r} instead of its port")
    return server, int(port.group(1))


def load_command(build, port, pid, options):
    words = [f"{build}/bench/load", "--json", f"--port={port}", f"--server-pid={pid}"]
    return words + [f"--{name}={value}" for name, value in options.items()]


class ServerSession:
    """A server, and the generator that has opened its connections and waits to be told."""

    def __init__(self, stack, command, workload, build, timing):
        self.server, port = start_server(stack, command)
        options = workload.load | {"duration": timing.seconds * workload.length,
                                   "warmup": timing.warmup}
        generator = load_command(build, port, self.server.pid, options)
        self.load = _start(stack, machine.cores()[1], [*generator, "--step"],
                           stdin=subprocess.PIPE)
        if _read_line(self.load, START_S) != "ready\n":
            raise Failure("its connections did not stand in time")

    def pids(self):
        return [self.server.pid, self.load.pid]

    def measure(self):
        """The generator's figures for one slice."""
        with contextlib.suppress(BrokenPipeError):
            self.load.stdin.write("\n")
            self.load.stdin.flush()
        line = _read_line(self.load, ANSWER_S)
        return checked(json.loads(line) if line else {"faults": 1, "first_fault": "no figures"})


def checked(figures):
    """The generator's figures, when they can be trusted."""
    if figures["faults"]:
        raise Failure(f"{figures['faults']} faults, first: {figures['first_fault']}")
    if "resident_bytes" not in figures:
        raise Failure("the server ended too early")
    return figures


class ScriptSession:
    """A program that measures itself: every slice runs it once."""

    def __init__(self, command, workload, count):
        self.command = ["taskset", "-c", str(machine.cores()[0]), *command, workload.question,
                        str(count)]
        self.keys = [measure.key for measure in workload.measures]

    def pids(self):
        return []

    def measure(self):
        try:
            result = subprocess.run(self.command, capture_output=True, text=True, check=False,
                                    start_new_session=True, timeout=ANSWER_S)
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"not ready within {ANSWER_S:.0f} s") from expired
        figures = dict(re.findall(r"^(\w+) (-?[\d.]+)$", result.stdout, re.MULTILINE))
        if not all(key in figures for key in self.keys):
            complaint = (result.stderr.strip() or result.stdout.strip() or "no answer")
            raise Failure(complaint.splitlines()[0])
        return {key: float(value) for key, value in figures.items()}
