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
    probe: str = ""  # a command that fails when something is missing, and says a version
    package: str = ""  # Debian's, of a library whose version the probe does not say
    most_connections: int = 1_000_000
    lua: bool = False  # a Lua runtime: the report names the best of the others


PEERS = {
    "epoll": Peer("C on epoll", "{build}/bench/epoll_server {program}"),
    "context": Peer("Boost.Context in C++", "{build}/bench/context_{program}"),
    "coir": Peer("coir", "{build}/bindings/coir {peers}/coir/{program}.lua", lua=True),
    "vendetta": Peer("coir, Vendetta's classes", "{build}/bindings/coir -l coir.compat.vendetta "
                     "{peers}/vendetta/{program}.lua"),
    **{name: Peer(f"coir, {system}'s sockets", "{build}/bindings/coir {peers}/compat/{program}.lua "
                  + name)
       for name, system in (("mona", "MonaServer"), ("cumulus", "CumulusServer"),
                            ("netnet", "NetNet"), ("tinn", "TINN"))},
    "lua": Peer("Lua coroutines, a loop", "lua5.4 {peers}/lua/{program}.lua", "lua5.4 -v",
                lua=True),
    "tarantool": Peer("Tarantool", "tarantool {peers}/tarantool/{program}.lua",
                      "tarantool --version", lua=True),
    "cqueues": Peer("cqueues", "lua5.4 {peers}/cqueues/{program}.lua", "lua5.4 -l cqueues -v",
                    "lua-cqueues", lua=True),
    "copas": Peer("copas on LuaSocket", "lua5.1 {peers}/copas/{program}.lua", "lua5.1 -l copas -v",
                  "lua-copas", most_connections=1000, lua=True),
    "luv": Peer("luv (libuv)", "lua5.4 {peers}/luv/{program}.lua", "lua5.4 -l luv -v",
                "lua-luv", lua=True),
    "go": Peer("Go", "{output}/go/{program}", "go version"),
    "asyncio": Peer("Python asyncio", "python3 {peers}/asyncio/{program}.py",
                    "python3 -V"),
}


def _output(words):
    """What a command prints, or None when it fails."""
    if not shutil.which(words[0]):
        return None
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if result.returncode else result.stdout + result.stderr


def present(name):
    """Whether a peer can be started here."""
    probe = shlex.split(PEERS[name].probe)
    return not probe or _output(probe) is not None


def version(name):
    """A peer's version; nothing for what is built here, and for what is missing."""
    probe = shlex.split(PEERS[name].probe)
    said = (_output(probe) if probe else "") or ""
    words = [said.partition("\n")[0].partition("  ")[0]]
    if PEERS[name].package:
        query = ["dpkg-query", "-W", "-f", "${Package} ${Version}", PEERS[name].package]
        words.append(_output(query) or "")
    return ", ".join(filter(None, words))


def select(workload, wanted, missing):
    """Who takes part, the yardstick first, and why others do not."""
    skipped = {}
    contestants = []
    for name in workload.contestants:
        if name != workload.contestants[0] and name not in wanted:
            continue
        most = PEERS[name].most_connections
        if name in missing:
            skipped[name] = "not installed"
        elif workload.connections > most:
            skipped[name] = f"cannot hold more than {most:,} connections"
        else:
            contestants.append(name)
    return contestants, skipped


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
