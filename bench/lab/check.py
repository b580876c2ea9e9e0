"""check.py: opens the report in headless Chromium and sees whether it is whole.

Every chart must have been drawn, no script may have failed, nothing may stick out at the side, and
nothing may be asked of the network. Leaves a picture, report.png, to be looked at.
"""

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

BEFORE = """<script>
window.problems = [];
addEventListener('error', (event) => window.problems.push(event.message || 'not loaded'), true);
</script>"""
AFTER = """<script>
addEventListener('load', () => {
  const canvases = [...document.querySelectorAll('canvas')];
  const isDrawn = (canvas) => canvas.width > 0 && canvas.height > 0 && canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
  document.body.dataset.check = JSON.stringify({
    problems: window.problems,
    charts: canvases.length,
    drawn: canvases.filter(isDrawn).length,
    sections: document.querySelectorAll('h2').length,
    requests: performance.getEntriesByType('resource').length,
    sideways: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    height: document.documentElement.scrollHeight,
  });
});
</script>"""


def _chromium(folder, page, *options):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        raise FileNotFoundError("chromium is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return subprocess.run(
        [program, "--headless", *sandbox, "--disable-gpu", f"--user-data-dir={folder}/profile",
         "--window-size=1100,900", *options, page.as_uri()],
        check=True, capture_output=True, text=True, timeout=120).stdout


def _look(output, folder):
    """What the page says of itself once it is drawn."""
    text = (output / "report.html").read_text(encoding="utf-8")
    page = Path(folder) / "checked.html"
    text = text.replace("<head>", "<head>" + BEFORE, 1)
    page.write_text(AFTER.join(text.rsplit("</body>", 1)) + "</body>", encoding="utf-8")
    document = _chromium(folder, page, "--dump-dom")
    found = re.search(r'data-check="([^"]*)"', document)
    if not found:
        return {"problems": ["the page's script did not come to its end"]}
    return json.loads(html.unescape(found.group(1)))


def _expected_charts(output):
    """One for each measure with ratios, and the latencies of a fixed rate."""
    text = (output / "report.html").read_text(encoding="utf-8")
    data = re.search(r'id="results">(.*?)</script>', text, re.DOTALL).group(1)
    workloads = json.loads(data)["workloads"]
    return sum(len(workload["measures"]) + ("rate" in workload["load"]) for workload in workloads)


def problems_of(seen, charts):
    """What is wrong with a page that should have so many charts."""
    problems = list(seen["problems"])
    if problems:
        return problems
    if seen["charts"] != charts or seen["drawn"] != charts:
        problems.append(f"{seen['drawn']} of {seen['charts']} charts drawn, {charts} expected")
    if seen["requests"]:
        problems.append(f"{seen['requests']} files were fetched")
    if seen["sideways"]:
        problems.append("wider than the window")
    return problems


def main(output):
    if not (output / "report.html").exists():
        print(f"check: there is no {output}/report.html")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        seen = _look(output, folder)
        _chromium(folder, output / "report.html", f"--screenshot={output}/report.png",
                  f"--window-size=1100,{seen.get('height', 900)}")
    problems = problems_of(seen, _expected_charts(output))
    for problem in problems:
        print(f"check: {problem}")
    if not problems:
        print(f"check: {seen['charts']} charts drawn; look at {output}/report.png")
    return 1 if problems else 0
