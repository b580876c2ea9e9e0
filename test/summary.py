#!/usr/bin/env python3
"""Adds up the cases of Meson test runs: summary.py testlog.json...

Shows the output of every test that failed; the last line is `N passed, M failed`. A test that says
nothing of its cases counts as one. Exits with 1 when anything failed.
"""

import json
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed")
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed\s*$", re.MULTILINE)


def count(test):
    output = re.sub(r"\x1b\[[0-9;]*m", "", test.get("stdout", ""))
    found = (DOCTEST.findall(output) or PLAIN.findall(output))[-1:]
    passed, failed = (int(n) for n in found[0]) if found else (0, 0)
    ok = test["result"] in ("OK", "EXPECTEDFAIL")
    if ok and not found:
        passed = 1
    if not ok and failed == 0:
        failed = 1  # it ended before it could say what was wrong, or wrongly
    return passed, failed


def main():
    total_passed = total_failed = 0
    for path in sys.argv[1:]:
        build = path.split("/meson-logs/")[0]
        try:
            with open(path) as log:
                tests = [json.loads(line) for line in log]
        except FileNotFoundError:
            print(f"{build}: the tests did not run")
            total_failed += 1
            continue
        for test in tests:
            passed, failed = count(test)
            total_passed += passed
            total_failed += failed
            name = test["name"].removeprefix("coir:")
            print(f"{build}: {name}: {passed} passed, {failed} failed ({test['duration']:.1f} s)")
            if failed:
                print(test.get("stdout", ""), test.get("stderr", ""), sep="\n")
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
