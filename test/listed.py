#!/usr/bin/env python3
"""Fails when the meson.build of a folder does not name one of its tests: listed.py FOLDER.

A test that nobody lists would never run, and nobody would notice.
"""

import pathlib
import sys


def is_listed(test):
    build = (test.parent / "meson.build").read_text()
    return f"'{test.name}'" in build or f"'{test.stem.removesuffix('_test')}'" in build


missing = [test for test in pathlib.Path(sys.argv[1]).rglob("*_test.*") if not is_listed(test)]
for test in missing:
    print(f"{test.parent}/meson.build does not name {test.name}")
sys.exit(1 if missing else 0)
