"""page.py: the report, one HTML file that needs nothing else: data, script and library are in it.

The charting library comes from npm, by the lock file beside the page's sources, into the results'
folder.
"""

import json
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "page"


class Problem(Exception):
    """The page cannot be written; the message says why."""


def _library(output):
    """The charting library's text, fetched when it is not there yet."""
    folder = output / "npm"
    library = folder / "node_modules/chart.js/dist/chart.umd.js"
    lock = SOURCES / "package-lock.json"
    kept = folder / lock.name
    if not library.exists() or kept.read_bytes() != lock.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", lock.name):
            shutil.copy(SOURCES / name, folder)
        try:
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                           cwd=folder, check=True, capture_output=True, text=True)
        except OSError as error:
            raise Problem(f"npm: {error.strerror}") from error
        except subprocess.CalledProcessError as error:
            raise Problem(f"npm ci failed: {error.stderr.strip()}") from error
    return library.read_text(encoding="utf-8").replace("//# sourceMappingURL=chart.umd.js.map", "")


def write(results, output):
    """Writes report.html into the folder. Its path."""
    pieces = {
        "@RESULTS@": json.dumps(results).replace("<", "\\u003c"),
        "@LIBRARY@": _library(output),
        "@SCRIPT@": (SOURCES / "page.js").read_text(encoding="utf-8"),
    }
    text = (SOURCES / "page.html").read_text(encoding="utf-8")
    for place, piece in pieces.items():
        before, _, after = text.partition(place)
        text = before + piece + after
    path = output / "report.html"
    path.write_text(text, encoding="utf-8")
    return path
