"""peers.py: who is measured, how each is started, and whether it is here.

A command may name {build} (coir's build folder), {peers} (bench/peers), {output} (the results'
folder) and {program}: `echo`, `line` or `micro`. A peer that is not installed is skipped.
"""

import dataclasses
import shlex
import shutil
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Peer:
    label: str
    command: str
    package: str = ""  # Debian's, whose version is reported
    probe: str = ""  # a command that fails when something is missing
    most_connections: int = 1_000_000
    lua: bool = False  # a Lua runtime: the report names the best of the others


PEERS = {
    "epoll": Peer("C on epoll", "{build}/bench/epoll_server {program}"),
    "context": Peer("Boost.Context in C++", "{build}/bench/context_{program}"),
    "coir": Peer("coir", "{build}/bindings/coir {peers}/coir/{program}.lua", lua=True),
    "lua": Peer("Lua coroutines, a loop", "lua5.4 {peers}/lua/{program}.lua", "lua5.4",
                "lua5.4 -v", lua=True),
    "tarantool": Peer("Tarantool", "tarantool {peers}/tarantool/{program}.lua", "tarantool",
                      "tarantool --version", lua=True),
    "cqueues": Peer("cqueues", "lua5.4 {peers}/cqueues/{program}.lua", "lua-cqueues",
                    "lua5.4 -l cqueues -v", lua=True),
    "copas": Peer("copas on LuaSocket", "lua5.1 {peers}/copas/{program}.lua", "lua-copas",
                  "lua5.1 -l copas -v", most_connections=1000, lua=True),
    "luv": Peer("luv (libuv)", "lua5.4 {peers}/luv/{program}.lua", "lua-luv",
                "lua5.4 -l luv -v", lua=True),
    "go": Peer("Go", "{output}/go/{program}", "golang-go", "go version"),
    "asyncio": Peer("Python asyncio", "python3 {peers}/asyncio/{program}.py", "python3",
                    "python3 -V"),
}


def present(name):
    """Whether a peer can be started here."""
    probe = shlex.split(PEERS[name].probe)
    if not probe:
        return True
    if not shutil.which(probe[0]):
        return False
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def version(name):
    """The version of a peer's package, or nothing."""
    package = PEERS[name].package
    if not package or not shutil.which("dpkg-query"):
        return ""
    query = ["dpkg-query", "-W", "-f", "${Version}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout


def compile_go(output):
    """Builds Go's programs; the others are scripts."""
    (output / "go").mkdir(parents=True, exist_ok=True)
    for source in sorted((BENCH / "peers/go").glob("*.go")):
        subprocess.run(["go", "build", "-o", str(output / "go" / source.stem), str(source)],
                       check=True)


def command(name, program, build, output):
    """The words of the command that runs a peer's program."""
    if name == "context" and program != "micro":
        program = f"server {program}"
    return shlex.split(PEERS[name].command.format(
        build=build, output=output, peers=BENCH / "peers", program=program))
