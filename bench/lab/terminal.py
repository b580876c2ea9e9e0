"""terminal.py: the progress line and the tables."""

import shutil
import sys

from peers import PEERS


def progress(text):
    """One line that is written over again; nothing when nobody looks."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{text[:width]}", end="", file=sys.stderr, flush=True)


def say(text):
    """A line that stays, for messages."""
    progress("")
    print(f"bench: {text}", file=sys.stderr, flush=True)


def number(value):
    """A number with three significant digits or all before the point."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _short(ratio):
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def _row(row, unit, yardstick):
    ratio = row["ratio"]
    if ratio is None:
        text = "    –"
    elif row["name"] == yardstick:
        text = "1.000  yardstick"
    else:
        text = f"{ratio['median']:.3f}  {ratio['low']:.3f} to {ratio['high']:.3f}"
    mark = "*" if row["name"] == "coir" else " "
    cost = f"{number(row['cost']['median'])} {unit}"
    return f" {mark} {text:24} {PEERS[row['name']].label:28} {cost:>16}"


def print_workload(result):
    """The workload's ratios, best first; costs are notes. An asterisk marks coir."""
    progress("")
    for measure in result["measures"]:
        print(f"{result['name']}: {result['title']}: {measure['title']}; ratio, higher is better")
        for row in measure["rows"]:
            print(_row(row, measure["unit"], result["yardstick"]))
    for name, reason in (result["failed"] | result["skipped"]).items():
        print(f"   {'–':24} {PEERS[name].label:28} {reason}")
    for name, count in result["counts"].items():
        if name in result["figures"]:
            print(f"   note: {PEERS[name].label} with {count:,} instead of {result['count']:,}")
    if result["noisy"]:
        print(f"   note: {result['noisy']} of {result['rounds']} rounds were noisy: "
              "trust ratios only")
    print(flush=True)


def print_markdown(results):
    """The ratios of earlier results, a row for each measure and a column for each contestant."""
    names = [name for name in PEERS
             if any(name in workload["figures"] for workload in results["workloads"])]
    print("| " + " | ".join(["workload", *(PEERS[name].label for name in names), "coir's cost"])
          + " |\n" + "|---" * (len(names) + 2) + "|")
    for workload in results["workloads"]:
        for measure in workload["measures"]:
            rows = {row["name"]: row for row in measure["rows"]}
            ratios = [(rows.get(name) or {}).get("ratio") for name in names]
            cells = [_short(ratio['median']) if ratio else "–" for ratio in ratios]
            ours = rows.get("coir")
            cost = f"{number(ours['cost']['median'])} {measure['unit']}" if ours else "–"
            print("| " + " | ".join([f"{workload['title']}: {measure['title']}", *cells, cost])
                  + " |")
