#!/usr/bin/env python3
"""load_test.py LOAD: the load generator against servers that do something wrong."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

import report

LOAD = sys.argv[1]


def serve(handle):
    """Runs handle(connection) in a thread for each connection to a free port. (A context.)"""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve_one(connection):
        with connection, contextlib.suppress(OSError):
            handle(connection)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve_one, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    @contextlib.contextmanager
    def context():
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
    return context()


def echo_changed(change):
    """A handler that sends back change(data, number of bytes before)."""
    def handle(connection):
        before = 0
        while data := connection.recv(65536):
            connection.sendall(change(data, before))
            before += len(data)
    return handle


def echo(connection):
    echo_changed(lambda data, _: data)(connection)


def load(port, *options):
    """The exit status and the figures of a short run."""
    result = subprocess.run(
        [LOAD, f"--port={port}", "--json", "--warmup=0", "--duration=60", "--patience=0.2",
         *options], capture_output=True, text=True, timeout=60, check=False)
    return result.returncode, json.loads(result.stdout)


class Load(unittest.TestCase):
    def fault(self, handle, *options):
        with serve(handle) as port:
            status, figures = load(port, "--connections=1", "--requests=50", *options)
        self.assertEqual(status, 1)
        self.assertGreaterEqual(figures["faults"], 1)
        return figures["first_fault"]

    def test_right_answers_are_no_faults_and_all_are_counted(self):
        with serve(echo) as port:
            status, figures = load(port, "--connections=3", "--depth=4", "--requests=1000")
        self.assertEqual((status, figures["faults"], figures["requests"]), (0, 0, 1000))

    def test_answers_in_pieces_are_right(self):
        def handle(connection):
            while data := connection.recv(65536):
                for i in range(0, len(data), 1000):
                    connection.sendall(data[i:i + 1000])
        with serve(handle) as port:
            status, figures = load(port, "--connections=2", "--size=9999", "--requests=100")
        self.assertEqual((status, figures["requests"]), (0, 100))

    def test_a_wrong_byte_is_named(self):
        def change(data, before):
            data = bytearray(data)
            if before <= 700 < before + len(data):
                data[700 - before] ^= 1
            return data
        fault = self.fault(echo_changed(change), "--size=64")
        self.assertIn("corrupt answer 11: byte 61", fault)  # 700 = 10 * 64 + 60

    def test_swapped_answers_are_wrong(self):
        def handle(connection):
            first = connection.recv(64, socket.MSG_WAITALL)
            second = connection.recv(64, socket.MSG_WAITALL)
            connection.sendall(second + first)
            echo(connection)
        self.assertIn("corrupt answer 1", self.fault(handle, "--depth=2"))

    def test_a_lost_answer_is_noticed(self):
        self.assertIn("no answer in time",
                      self.fault(echo_changed(lambda data, before: data if before < 640 else b"")))

    def test_a_lost_byte_is_noticed(self):
        self.assertIn("no answer in time", self.fault(echo_changed(lambda data, _: data[1:]),
                                                      "--size=1"))

    def test_too_many_bytes_are_noticed(self):
        self.assertIn("more bytes came back",
                      self.fault(echo_changed(lambda data, _: data + b"x")))

    def test_a_closed_connection_is_noticed(self):
        def handle(connection):
            connection.sendall(connection.recv(64, socket.MSG_WAITALL))
        self.assertIn("closed by the server", self.fault(handle))

    def test_a_refused_connection_is_noticed(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            status, figures = load(bound.getsockname()[1], "--connections=1")
        self.assertEqual(status, 1)
        self.assertIn("Connection refused", figures["first_fault"])

    def test_lines_are_printable_and_end_with_a_newline(self):
        seen = []

        def handle(connection):
            for line in connection.makefile("rb"):
                seen.append(line)
                connection.sendall(line)
        with serve(handle) as port:
            load(port, "--mode=line", "--connections=1", "--size=40", "--requests=20")
        self.assertEqual([len(line) for line in seen], [40] * 21)  # one to warm up
        for line in seen:
            self.assertRegex(line, rb"\A[ -_]{39}\n\Z")

    def test_lines_that_wrap_around_the_row_of_messages_are_right(self):
        # Four messages make a row, and the answers to three do not come in one piece.
        with serve(echo) as port:
            _, figures = load(port, "--mode=line", "--connections=1", "--size=100000", "--depth=3",
                              "--requests=30")
        self.assertEqual((figures["faults"], figures["requests"]), (0, 30))

    def test_churn_makes_a_connection_for_each_request(self):
        connections = []

        def handle(connection):
            connections.append(connection)
            echo(connection)
        with serve(handle) as port:
            status, figures = load(port, "--mode=churn", "--connections=4", "--requests=30")
        self.assertEqual((status, figures["requests"]), (0, 30))
        self.assertEqual(len(connections), 34)  # four to warm up

    def test_a_stall_is_charged_to_every_request_that_was_due_meanwhile(self):
        def handle(connection):
            data = connection.recv(65536)
            time.sleep(0.4)  # the stall: 200 of 250 requests are due in it
            connection.sendall(data)
            echo(connection)
        with serve(handle) as port:
            status, figures = load(port, "--rate=500", "--connections=1", "--requests=250",
                                   "--patience=5")
        self.assertEqual((status, figures["requests"]), (0, 250))
        self.assertGreaterEqual(figures["p50_us"], 140_000)  # due at 0.25 s, answered after 0.4 s
        self.assertGreaterEqual(figures["max_us"], 400_000)

    def test_the_servers_usage_is_read(self):
        with serve(echo) as port:
            _, figures = load(port, "--requests=500", f"--server-pid={os.getpid()}")
        self.assertGreater(figures["cpu_ns_per_request"], 0)
        self.assertGreater(figures["context_switches_per_request"], 0)
        self.assertGreater(figures["resident_bytes"], 1_000_000)

    def test_a_server_that_is_not_there_has_no_figures(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        with serve(echo) as port:
            _, figures = load(port, "--requests=5", f"--server-pid={gone.pid}")
        self.assertNotIn("resident_bytes", figures)

    def test_wrong_arguments_end_with_a_message(self):
        for words in ([], ["--port=0"], ["--port=1", "--size=x"], ["--port=1", "--nonsense"],
                      ["--port=1", "--rate=5", "--mode=churn"], ["--port=1", "--requests=0"],
                      ["--port=1", "--server-pid=4194305"]):
            result = subprocess.run([LOAD, *words], capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 2, words)
            self.assertIn("load: cannot use", result.stderr)


if __name__ == "__main__":
    report.main(Load)
