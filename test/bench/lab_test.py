#!/usr/bin/env python3
"""lab_test.py BUILD: the laboratory: its arithmetic, its rounds, short runs of it, and its page."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import report

BUILD = Path(sys.argv[1])
LAB = Path(__file__).resolve().parents[2] / "bench/lab"
sys.path.insert(0, str(LAB))

# pylint: disable=wrong-import-position
import check
import counts
import page
import peers
import rounds
import summary
import workloads
from sessions import Failure

ECHO = next(workload for workload in workloads.WORKLOADS if workload.name == "echo-50")


def slices_of(name_to_costs):
    """Slices as a run gives them, of {contestant: costs}."""
    count = len(next(iter(name_to_costs.values())))
    return [{name: {"cpu_ns_per_request": costs[i]} if costs[i] is not None else None
             for name, costs in name_to_costs.items()} for i in range(count)]


class Arithmetic(unittest.TestCase):
    def result(self, name_to_costs, **outcome):
        outcome = rounds.Outcome(slices_of(name_to_costs), **outcome)
        return summary.summarize(ECHO, list(name_to_costs), {}, outcome)

    def test_a_ratio_is_the_yardsticks_cost_in_the_same_slice_divided_by_the_others(self):
        result = self.result({"epoll": [10, 20, 30], "coir": [20, 40, 30]})
        rows = {row["name"]: row for row in result["measures"][0]["rows"]}
        self.assertEqual(rows["coir"]["ratio"],
                         {"median": 0.5, "low": 0.5, "high": 0.75, "values": 3})
        self.assertEqual(rows["epoll"]["ratio"]["median"], 1)
        self.assertEqual(rows["coir"]["cost"]["median"], 30)

    def test_the_best_comes_first(self):
        result = self.result({"epoll": [10], "coir": [20], "go": [5]})
        self.assertEqual([row["name"] for row in result["measures"][0]["rows"]],
                         ["go", "epoll", "coir"])

    def test_a_slice_that_one_of_them_missed_is_no_ratio(self):
        result = self.result({"epoll": [10, 20], "coir": [20, None]}, failed={"coir": "ended"})
        row = next(row for row in result["measures"][0]["rows"] if row["name"] == "coir")
        self.assertEqual(row["ratio"]["values"], 1)
        self.assertEqual(result["failed"], {"coir": "ended"})

    def test_a_cost_of_nothing_is_no_ratio(self):
        result = self.result({"epoll": [10], "coir": [0]})
        row = next(row for row in result["measures"][0]["rows"] if row["name"] == "coir")
        self.assertIsNone(row["ratio"])

    def test_quartiles_stay_within_what_was_measured(self):
        self.assertEqual(summary.spread([1, 3]), {"median": 2, "low": 1.5, "high": 2.5,
                                                  "values": 2})


class Rounds(unittest.TestCase):
    """The order of rounds; what a round gives is made up."""

    def run_rounds(self, noise, count=2, seconds=60.0, failing=()):
        seen = []

        class MadeUp(rounds.Bench):
            def _round(self, _workload, contestants, failed, _label):
                seen.append(contestants)
                failed.update({name: "made to fail" for name in failing})
                return [{name: {} for name in contestants}], noise.pop(0)

        outcome = rounds.Outcome()
        timing = rounds.Timing(count, 1, 0.1, 0)
        MadeUp("", "", timing, print).run(ECHO, ["epoll", "coir", "go"], seconds, outcome)
        return seen, outcome

    def test_every_second_round_goes_the_other_way(self):
        seen, outcome = self.run_rounds([False, False])
        self.assertEqual(seen, [["epoll", "coir", "go"], ["go", "coir", "epoll"]])
        self.assertEqual((outcome.rounds, outcome.repeated, outcome.noisy), (2, 0, 0))

    def test_a_noisy_round_is_repeated_once_and_counts_once(self):
        _, outcome = self.run_rounds([True, False, False])
        self.assertEqual((outcome.rounds, outcome.repeated, outcome.noisy), (2, 1, 0))
        self.assertEqual(len(outcome.slices), 2)

    def test_a_round_that_is_noisy_twice_is_kept_and_called_noisy(self):
        _, outcome = self.run_rounds([True, True, False])
        self.assertEqual((outcome.rounds, outcome.repeated, outcome.noisy), (2, 1, 1))

    def test_there_is_one_round_even_when_the_time_is_up(self):
        seen, outcome = self.run_rounds([True], seconds=0)
        self.assertEqual((len(seen), outcome.rounds, outcome.noisy), (1, 1, 1))

    def test_who_failed_is_left_out_of_the_next_round(self):
        seen, outcome = self.run_rounds([False, False], failing=["coir"])
        self.assertEqual(seen, [["epoll", "coir", "go"], ["go", "epoll"]])
        self.assertEqual(outcome.failed, {"coir": "made to fail"})


class Data(unittest.TestCase):
    def test_every_contestant_is_known_and_has_its_program(self):
        for workload in workloads.WORKLOADS:
            for name in workload.contestants:
                words = peers.command(name, workload.program, BUILD, Path("/output"))
                scripts = [word for word in words if str(peers.BENCH) in word]
                for script in scripts:
                    self.assertTrue(Path(script).exists(), script)

    def test_who_takes_part(self):
        crowd = next(one for one in workloads.WORKLOADS if one.name == "echo-9000")
        contestants, skipped = peers.select(crowd, ["coir", "copas", "go", "lua"], ["go"])
        self.assertEqual(contestants, ["epoll", "coir"])  # the yardstick always does
        self.assertEqual(skipped, {"go": "not installed",
                                   "copas": "cannot hold more than 1,000 connections"})

    def test_costs_of_one_may_come_from_fewer_but_a_crowd_stays_a_crowd(self):
        by_name = {workload.name: workload for workload in workloads.WORKLOADS}
        self.assertEqual(by_name["cond"].count_for("coir", 4), by_name["cond"].count // 4)
        self.assertEqual(by_name["parked"].count_for("coir", 4), 100_000)
        self.assertEqual(by_name["parked"].count_for("tarantool", 4), 30_000)

    def test_a_tools_total_is_read(self):
        # pylint: disable=protected-access
        self.assertEqual(counts._callgrind_total("==7== Collected : 1234567\n"), 1234567)
        table = ("% time     seconds  usecs/call     calls    errors syscall\n"
                 " 60.00    0.000006           1         4         1 read\n"
                 "------ ----------- ----------- --------- --------- ----------------\n"
                 "100.00    0.000010           1        14         1 total\n")
        self.assertEqual(counts._strace_total(table), 14)
        self.assertEqual(counts._strace_total(table.replace("        14         1 total",
                                                            "        14           total")), 14)

    def test_a_tool_that_counts_nothing_is_an_error(self):
        with self.assertRaisesRegex(Failure, "valgrind counted nothing"):
            counts._total("instructions", lambda wrapper: None)  # pylint: disable=protected-access


class Runs(unittest.TestCase):
    """Real runs, as short as they can be."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.output = Path(folder.name)

    def start(self, *words):
        return subprocess.Popen(
            [sys.executable, str(LAB), f"--build={BUILD}", f"--output={self.output}", "--no-page",
             *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def lab(self, *words):
        """The exit status, what was printed, and the results."""
        with self.start(*words) as process:
            table, complaint = process.communicate(timeout=120)
        path = self.output / "results.json"
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        return process.returncode, table + complaint, results

    def test_a_quick_run_gives_a_table_and_valid_json(self):
        status, table, results = self.lab("--quick", "echo-50", "--only=yield2",
                                          "--contestants=coir,lua")
        self.assertEqual(status, 0, table)
        self.assertEqual([workload["name"] for workload in results["workloads"]],
                         ["echo-50", "yield2"])
        self.assertTrue({"date", "processor", "system", "compiler", "coir", "commit"}
                        <= set(results["machine"]))
        echo, switch = results["workloads"]
        self.assertEqual(echo["yardstick"], "epoll")
        self.assertEqual(set(echo["figures"]), {"epoll", "coir"})
        self.assertGreater(echo["figures"]["coir"]["p99.9_us"], 0)
        for workload in (echo, switch):
            self.assertEqual(workload["failed"], {})
            for row in workload["measures"][0]["rows"]:
                self.assertEqual(row["ratio"]["values"], 3)
                self.assertGreater(row["cost"]["median"], 0)
                self.assertLessEqual(row["ratio"]["low"], row["ratio"]["high"])
        self.assertIn(" * ", table)
        self.assertIn("ratio, higher is better", table)

    def test_an_unknown_name_is_refused(self):
        status, complaint, results = self.lab("nonsense")
        self.assertEqual((status, results), (2, None))
        self.assertIn("unknown: nonsense", complaint)

    def test_a_contestant_that_does_not_work_is_reported_and_the_others_go_on(self):
        build = self.output / "build"
        shutil.copytree(BUILD / "bench", build / "bench", ignore=lambda folder, names: [
            name for name in names if name.endswith(".p")])
        (build / "bindings").mkdir()
        broken = build / "bindings/coir"
        broken.write_text("#!/bin/sh\necho not a port\n", encoding="utf-8")
        broken.chmod(0o755)
        status, table, results = self.lab("--quick", "echo-50", "--contestants=coir,context",
                                          f"--build={build}")
        self.assertEqual(status, 0, table)
        workload = results["workloads"][0]
        self.assertIn("instead of its port", workload["failed"]["coir"])
        self.assertEqual(set(workload["figures"]), {"epoll", "context"})
        self.assertIn("instead of its port", table)

    def test_an_interrupt_keeps_what_is_complete(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.start("--rounds=1000", "--minutes=0.2", "yield2", "channel", "cond",
                            "--contestants=coir") as process:
                line = process.stdout.readline()  # the first workload is complete
                process.send_signal(number)
                process.communicate(timeout=60)
            results = json.loads((self.output / "results.json").read_text(encoding="utf-8"))
            self.assertIn("yield2", line)
            self.assertEqual(process.returncode, 130)
            self.assertTrue(results["interrupted"])
            self.assertEqual(results["workloads"][0]["name"], "yield2")
            self.assertLess(len(results["workloads"]), 3)


# Stands for the charting library, which tests cannot fetch.
LIBRARY = """class Chart {
  constructor(canvas) { canvas.getContext('2d').fillRect(0, 0, 50, 50); }
}"""


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.output = Path(folder.name)

    def write(self, library):
        folder = self.output / "npm/node_modules/chart.js/dist"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chart.umd.js").write_text(library, encoding="utf-8")
        shutil.copy(page.SOURCES / "package-lock.json", self.output / "npm")
        outcome = rounds.Outcome(slices_of({"epoll": [10, 12], "coir": [20, 18]}), {}, 1)
        result = summary.summarize(ECHO, ["epoll", "coir"], {"go": "</script><b>not here"}, outcome)
        labels = {name: peer.label for name, peer in peers.PEERS.items()}
        results = {"machine": {"date": "today"}, "workloads": [result], "labels": labels,
                   "lua": ["coir"], "versions": {"go": "1"}, "quick": False, "minutes": 1,
                   "interrupted": False, "counts": None}
        return page.write(results, self.output).read_text(encoding="utf-8")

    def test_it_needs_nothing_else(self):
        text = self.write(LIBRARY)
        self.assertIn(LIBRARY, text)
        self.assertNotRegex(text, r"<(script|link|img)[^>]*(src|href)=")
        self.assertNotIn("://", text)

    def test_no_text_ends_its_script(self):
        text = self.write(LIBRARY)
        self.assertEqual(text.count("</script>"), 3)
        self.assertNotIn("<b>not here", text)

    def test_without_npm_there_is_a_message(self):
        (self.output / "npm").mkdir()
        path = page.subprocess.os.environ["PATH"]
        page.subprocess.os.environ["PATH"] = str(self.output)
        try:
            with self.assertRaisesRegex(page.Problem, "npm"):
                page.write({}, self.output)
        finally:
            page.subprocess.os.environ["PATH"] = path

    def test_there_must_be_a_page_to_look_at(self):
        self.assertEqual(check.main(self.output), 1)

    @unittest.skipUnless(shutil.which("chromium"), "chromium is not installed")
    def test_chromium_finds_it_whole(self):
        self.write(LIBRARY)
        self.assertEqual(check.main(self.output), 0)
        self.assertTrue((self.output / "report.png").exists())

    @unittest.skipUnless(shutil.which("chromium"), "chromium is not installed")
    def test_chromium_finds_what_is_wrong(self):
        for library, problem in (("class Chart {}", "0 of 1 charts drawn"),
                                 ("throw new Error('broken')", "broken"),
                                 (LIBRARY + "document.body.append(Object.assign(new Image(),"
                                            "{src: 'missing.png'}))", "")):
            text = self.write(library)
            self.assertIn(library, text)
            with tempfile.TemporaryDirectory() as folder:
                seen = check._look(self.output, folder)  # pylint: disable=protected-access
            found = check.problems_of(seen, 1)
            self.assertTrue(found)
            self.assertIn(problem, found[0])


if __name__ == "__main__":
    report.main(Arithmetic, Rounds, Data, Runs, Page)
