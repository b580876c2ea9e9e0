"""machine.py: the machine's facts, its cores, and what others do on it meanwhile."""

import datetime
import os
import platform
import resource
import subprocess
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


def cores():
    """The server's and the generator's core: the first two that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[min(1, len(usable) - 1)]


def raise_descriptor_limit():
    """Lets every server have as many descriptors as the system allows."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _cpu_model():
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _first_line(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (result.stdout or result.stderr).partition("\n")[0].strip()


def facts(build):
    """What a reader must know of the machine and of the program, as names and texts."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "processor": f"{_cpu_model()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        "system": f"{_system()}, Linux {platform.release()}",
        "compiler": _first_line("c++", "--version"),
        "coir": _first_line(f"{build}/bindings/coir", "--version"),
        "commit": _first_line("git", "-C", str(Path(__file__).parent), "describe", "--always",
                              "--dirty"),
    }


def _machine_busy_s():
    """Seconds in which any core was not idle, stolen ones included."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _iowait, *others = map(int, stat.readline().split()[1:9])
    return (user + nice + system + sum(others)) * TICK


def _process_busy_s(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def foreign_busy_s(pids):
    """CPU seconds that processes other than this one, its ended children and `pids` have used."""
    ours = sum(map(_process_busy_s, pids))
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        ours += usage.ru_utime + usage.ru_stime
    return _machine_busy_s() - ours
