"""The laboratory: coir beside its peers, in turn. `./dev bench` builds everything and runs this.

Ctrl-C and SIGTERM keep what is done: the table, the JSON and the page are of the complete rounds.
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

import check
import counts
import machine
import page
import peers
import terminal
from rounds import Bench, Outcome, Timing
from summary import summarize
from workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
COUNTS = "instructions"
NAMES = [workload.name for workload in WORKLOADS] + [COUNTS]


def chosen(text, names):
    """The names of a comma-separated list, which must all be known."""
    found = [name for name in text.split(",") if name]
    unknown = [name for name in found if name not in names]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; "
                                         f"known: {', '.join(names)}")
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="workloads: " + ", ".join(NAMES))
    parser.add_argument("--only", default="", help="the same, in one word: name,name")
    parser.add_argument("--contestants", default="", help="only these, and the yardsticks: "
                        + ", ".join(peers.PEERS))
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--rounds", type=int, help="of each workload: 3; with --quick 1")
    parser.add_argument("--minutes", type=float, help="for all: 38; with --quick 7")
    parser.add_argument("--output", type=Path, help="folder of results.json and report.html")
    parser.add_argument("--build", type=Path, default=ROOT / "build-bench", help="coir's build")
    parser.add_argument("--save", action="store_true",
                        help="keep the counts of `instructions` as those of this release")
    parser.add_argument("--report", type=Path, metavar="JSON", help="only write the page anew")
    parser.add_argument("--markdown", type=Path, metavar="JSON", help="only print its ratios")
    parser.add_argument("--no-page", action="store_true", help="only the table and the JSON")
    parser.add_argument("--check", action="store_true", help="look at the page in Chromium")
    arguments = parser.parse_args()
    try:
        arguments.names = chosen(",".join([arguments.only, *arguments.names]), NAMES) or NAMES
        arguments.contestants = (chosen(arguments.contestants, list(peers.PEERS))
                                 or list(peers.PEERS))
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    arguments.build = arguments.build.resolve()
    arguments.output = (arguments.output or arguments.build / "results").resolve()
    return arguments


def timing(arguments):
    if arguments.quick:
        return Timing(arguments.rounds or 1, 3, 0.25, 0.2, shorten=4)
    return Timing(arguments.rounds or 3, 5, 0.5, 0.5)


def find_missing(arguments):
    """The peers that are not here; says so. Builds what has to be built."""
    missing = [name for name in arguments.contestants if not peers.present(name)]
    if missing:
        terminal.say("not installed, so skipped: " + ", ".join(missing))
    if "go" in arguments.contestants and "go" not in missing:
        peers.compile_go(arguments.output)
    return missing


def write(arguments, results):
    """The JSON, complete at every moment."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    fresh = arguments.output / "results.json.new"
    fresh.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    fresh.replace(arguments.output / "results.json")


def run_workloads(arguments, results):
    """Fills the results, and writes them after each workload."""
    missing = find_missing(arguments)
    bench = Bench(arguments.build, arguments.output, timing(arguments), terminal.progress)
    end = time.monotonic() + 60 * (arguments.minutes or (7 if arguments.quick else 38))
    if COUNTS in arguments.names:
        share = (end - time.monotonic()) / (1 if arguments.names == [COUNTS] else 4)
        results["counts"] = counts.measure(arguments.build, arguments.output, terminal.progress,
                                           time.monotonic() + share)
        terminal.progress("")
        counts.print_table(results["counts"])
        write(arguments, results)
    left = [workload for workload in WORKLOADS if workload.name in arguments.names]
    while left:
        share = (end - time.monotonic()) / len(left)
        workload = left.pop(0)
        contestants, skipped = peers.select(workload, arguments.contestants, missing)
        outcome = Outcome()
        try:
            bench.run(workload, contestants, share, outcome)
        finally:
            if outcome.slices:
                results["workloads"].append(summarize(workload, contestants, skipped, outcome))
                terminal.print_workload(results["workloads"][-1])
                write(arguments, results)


def measure(arguments):
    """All measurements; whether they came to their end."""
    machine.raise_descriptor_limit()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    results = {"machine": machine.facts(arguments.build), "workloads": [], "counts": None,
               "labels": {name: peer.label for name, peer in peers.PEERS.items()},
               "lua": [name for name, peer in peers.PEERS.items() if peer.lua],
               "versions": {name: peers.version(name) for name in peers.PEERS},
               "quick": arguments.quick, "interrupted": False}
    try:
        run_workloads(arguments, results)
    except KeyboardInterrupt:
        results["interrupted"] = True
    results["minutes"] = round((time.monotonic() - started) / 60, 1)
    terminal.progress("")
    write(arguments, results)
    if arguments.save and results["counts"]:
        counts.save(results["counts"], results["machine"]["coir"])
    return results


def main():
    arguments = parse_arguments()
    if arguments.check:
        return check.main(arguments.output)
    if arguments.markdown:
        terminal.print_markdown(json.loads(arguments.markdown.read_text(encoding="utf-8")))
        return 0
    if arguments.report:
        results = json.loads(arguments.report.read_text(encoding="utf-8"))
    else:
        results = measure(arguments)
    if not results["workloads"] and not results["counts"]:
        terminal.say("interrupted before anything was complete")
        return 130
    code = 130 if results["interrupted"] else 0
    if arguments.no_page:
        return code
    try:
        terminal.say(f"wrote {page.write(results, arguments.output)}")
    except page.Problem as problem:
        terminal.say(f"no page, only {arguments.output}/results.json: {problem}")
    return code


if __name__ == "__main__":
    sys.exit(main())
