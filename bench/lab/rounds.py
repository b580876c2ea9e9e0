"""rounds.py: measuring contestants in turn, A B A B ..., and once more when others disturbed it.

A round starts every contestant anew, then measures all of them in slices of a fraction of a second,
one after the other, because the speed of a virtual machine can change by a third for seconds. Every
second round goes in the opposite order.
"""

import contextlib
import dataclasses
import time

import machine
import peers
from sessions import Failure, ScriptSession, ServerSession

FOREIGN_SHARE = 0.1  # of one core, taken by other processes: more than this is noise


@dataclasses.dataclass(frozen=True)
class Timing:
    rounds: int
    slices: int  # at most, of each contestant in a round
    seconds: float  # of a slice of a server
    warmup: float
    shorten: int = 1  # divides the counts of programs that measure themselves


@dataclasses.dataclass
class Outcome:
    """What the complete rounds of a workload gave."""

    slices: list = dataclasses.field(default_factory=list)  # of {contestant: figures}
    failed: dict = dataclasses.field(default_factory=dict)  # {contestant: reason}
    rounds: int = 0
    repeated: int = 0
    noisy: int = 0  # even when repeated, or without time to repeat


class Bench:
    """Runs workloads: where the programs are, and whom to tell of the progress."""

    def __init__(self, build, output, timing, progress):
        self.build, self.output, self.timing, self.progress = build, output, timing, progress

    def _open(self, stack, name, workload):
        command = peers.command(name, workload.program, self.build, self.output)
        if workload.program == "micro":
            count = workload.count_for(name, self.timing.shorten)
            return ScriptSession(command, workload, count)
        return ServerSession(stack, command, workload, self.build, self.timing)

    def _attempt(self, failed, name, action):
        """The action's result; when it fails, remembers why and gives nothing."""
        try:
            return action()
        except (Failure, OSError) as failure:
            failed[name] = str(failure)
            return None

    def _round(self, workload, contestants, failed, label):
        """The slices of a round, and whether others disturbed it."""
        with contextlib.ExitStack() as stack:
            sessions = {}
            for name in contestants:
                self.progress(f"{label}: starting {name}")
                session = self._attempt(failed, name, lambda: self._open(stack, name, workload))
                if session:
                    sessions[name] = session
            pids = [pid for session in sessions.values() for pid in session.pids()]
            started, foreign = time.monotonic(), machine.foreign_busy_s(pids)
            slices = []
            for i in range(min(self.timing.slices, workload.slices)):
                slices.append({})
                for name, session in sessions.items():
                    self.progress(f"{label}: slice {i + 1}, {name}")
                    if name not in failed:
                        slices[-1][name] = self._attempt(failed, name, session.measure)
            elapsed = time.monotonic() - started
            noisy = machine.foreign_busy_s(pids) - foreign > FOREIGN_SHARE * elapsed
            return slices, noisy

    def run(self, workload, contestants, seconds, outcome):
        """Adds the rounds that fit into `seconds`, at least one, to the outcome."""
        end = time.monotonic() + seconds
        longest = 0.0
        for number in range(1, self.timing.rounds + 1):
            for attempt in ("", ", again"):
                began = time.monotonic()
                alive = [name for name in contestants if name not in outcome.failed]
                label = f"{workload.name}: round {number} of {self.timing.rounds}{attempt}"
                slices, noisy = self._round(workload, alive[:: 1 if number % 2 else -1],
                                            outcome.failed, label)
                longest = max(longest, time.monotonic() - began)
                out_of_time = time.monotonic() + longest > end
                if not noisy or out_of_time:
                    break
                outcome.repeated += not attempt
            outcome.slices += slices
            outcome.rounds += 1
            outcome.noisy += noisy
            if out_of_time or contestants[0] in outcome.failed:
                return
