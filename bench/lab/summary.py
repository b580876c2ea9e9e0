"""summary.py: ratios and figures of an outcome, as plain data for JSON, table and page."""

import dataclasses
import statistics


def spread(values):
    """The median and the quartiles, of at least one value."""
    cuts = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    low, middle, high = cuts
    return {"median": middle, "low": low, "high": high, "values": len(values)}


def _ratios(slices, yardstick, name, key):
    """The yardstick's cost divided by the contestant's, for every slice that has both."""
    both = ((figures.get(yardstick), figures.get(name)) for figures in slices)
    return [theirs[key] / ours[key] for theirs, ours in both
            if theirs and ours and theirs[key] > 0 and ours[key] > 0]


def _measure(outcome, contestants, measure):
    rows = []
    for name in contestants:
        costs = [figures[name][measure.key] for figures in outcome.slices if figures.get(name)]
        ratios = _ratios(outcome.slices, contestants[0], name, measure.key)
        if costs:
            rows.append({"name": name, "cost": spread(costs),
                         "ratio": spread(ratios) if ratios else None})
    rows.sort(key=lambda row: -row["ratio"]["median"] if row["ratio"] else 1.0)
    return dataclasses.asdict(measure) | {"rows": rows}


def _figures(outcome, name):
    """The medians of everything that was reported of a contestant."""
    reports = [figures[name] for figures in outcome.slices if figures.get(name)]
    keys = [key for key, value in (reports[0] if reports else {}).items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return {key: statistics.median(report[key] for report in reports) for key in keys}


def summarize(workload, contestants, skipped, outcome):
    """Everything about a workload that was measured: JSON's `workloads` are these."""
    measured = [name for name in contestants if any(name in row for row in outcome.slices)]
    return {
        "name": workload.name, "title": workload.title, "limits": workload.limits,
        "yardstick": contestants[0],
        "rounds": outcome.rounds, "repeated": outcome.repeated, "noisy": outcome.noisy,
        "load": workload.load, "count": workload.count, "counts": workload.counts,
        "measures": [_measure(outcome, contestants, measure) for measure in workload.measures],
        "figures": {name: _figures(outcome, name) for name in measured},
        "failed": outcome.failed, "skipped": skipped,
    }
