"""Processes come and go together: a dead worker, a dead parent, Ctrl-C; nothing is left behind."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from harness import DEMO, OPT, RUN, WORK, compiled, native_target, random_model


def long_run():
    """The command line of a generation that takes many seconds."""
    model = random_model("long", "--layers=12", "--width=512", "--ffn=1536", "--vocab=2048", "--context=4096")
    return [str(a) for a in (RUN, compiled(model), "--prompt-tokens", "1,400,401", "-n", "-1", "--ignore-eos",
                             "--temperature", "1", "--threads", "1")]


def children(pid):
    """pid -> name of the living children"""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue                    # it ended meanwhile
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[1]) == pid and rest[0] not in "ZX":
            found[int(stat.parent.name)] = name
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    return condition()


class Processes(unittest.TestCase):
    def start(self, *extra):
        """A generation that has printed, so its workers live."""
        argv = [*long_run(), *extra]
        self.shared = set(os.listdir("/dev/shm"))
        self.err = tempfile.TemporaryFile()
        run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.err, start_new_session=True)
        self.addCleanup(run.stdout.close)
        self.addCleanup(self.err.close)
        self.addCleanup(run.kill)
        self.assertNotEqual(run.stdout.read(1), b"")
        self.workers = children(run.pid)
        return run

    def message(self):
        self.err.seek(0)
        return self.err.read().decode()

    def assert_nothing_left(self):
        left = wait_until(lambda: not any(map(alive, self.workers)), 10)
        self.assertTrue(left, f"still alive: {[p for p in self.workers if alive(p)]}")
        self.assertEqual(set(os.listdir("/dev/shm")) - self.shared, set())

    def test_a_killed_worker_is_named_within_a_second(self):
        for victim in ("memory", "compute"):
            with self.subTest(victim):
                # Now and then a busy machine takes longer.
                self.assertLess(min(self.seconds_to_name(victim) for _ in range(3)), 1.0)

    def seconds_to_name(self, victim):
        run = self.start()
        pid = next(p for p, name in self.workers.items() if name.startswith(victim))
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        run.stdout.read()
        self.assertEqual(run.wait(10), 1)
        seconds = time.monotonic() - began
        for word in (victim, str(pid), "signal 9"):
            self.assertIn(word, self.message())
        self.assert_nothing_left()
        return seconds

    def test_a_stopped_and_killed_worker(self):
        """A worker that is stopped first cannot answer; its death must still be seen."""
        run = self.start()
        pid = next(p for p, name in self.workers.items() if name.startswith("memory"))
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        run.stdout.read()
        self.assertEqual(run.wait(10), 1)
        self.assert_nothing_left()

    def test_killed_parent_leaves_no_orphans(self):
        run = self.start()
        self.assertEqual(len(self.workers), 2)
        run.kill()
        run.wait()
        self.assert_nothing_left()

    def test_terminated_parent_leaves_no_orphans(self):
        run = self.start()
        run.terminate()
        run.stdout.read()
        self.assertNotEqual(run.wait(10), 0)
        self.assert_nothing_left()

    def test_interrupt_ends_the_run(self):
        run = self.start()
        run.send_signal(signal.SIGINT)
        run.stdout.read()
        self.assertEqual(run.wait(10), 130)
        self.assertNotIn("error", self.message())
        self.assert_nothing_left()

    def test_interrupt_of_workers_in_process(self):
        """One driver runs both workers; what has been generated is written to its end."""
        run = self.start("--inproc")
        self.assertEqual(self.workers, {})
        run.send_signal(signal.SIGINT)
        self.assertTrue(run.stdout.read().endswith(b"\n"))
        self.assertEqual(run.wait(10), 130)
        self.assertEqual(self.message(), "")

    def test_interrupt_of_the_whole_group(self):
        """A terminal sends Ctrl-C to the workers as well."""
        run = self.start()
        os.killpg(run.pid, signal.SIGINT)
        run.stdout.read()
        self.assertEqual(run.wait(10), 130)
        self.assertNotIn("killed", self.message())
        self.assert_nothing_left()

    def test_the_compiler_ignores_signals_that_it_was_started_to_ignore(self):
        """As by nohup, or by a shell in the background."""
        ignored = (signal.SIGINT, signal.SIGHUP)
        out = WORK / "ignored.lamina"
        opt = subprocess.Popen([OPT, DEMO, "-o", out, "--quiet", f"--cpu-targets={native_target()}"],
                               preexec_fn=lambda: [signal.signal(s, signal.SIG_IGN) for s in ignored])
        self.addCleanup(opt.kill)

        def ended():
            for s in ignored:
                opt.send_signal(s)
            return opt.poll() is not None

        self.assertTrue(wait_until(ended, 120))
        self.assertEqual(opt.returncode, 0)
        self.assertTrue((out / "manifest.json").exists())

    def test_closed_pipe_ends_the_run(self):
        run = self.start()
        run.stdout.close()
        self.assertIsNotNone(wait_until(lambda: run.poll() is not None, 30))
        self.assertNotEqual(run.wait(1), 0)
        self.assert_nothing_left()
