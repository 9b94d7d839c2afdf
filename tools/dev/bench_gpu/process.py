"""Programs that are run, and how what goes wrong is said."""

import json
import os
import signal
import subprocess


class Failed(Exception):
    pass


class Late(Failed):
    """`output`: what was printed until then."""

    def __init__(self, seconds, output):
        super().__init__(f"no end after {seconds:.0f} s")
        self.output = output


class Skipped(Exception):
    """For want of something that need not be there."""


def checked(argv, seconds=None, log=None, env=None):
    """What it prints."""
    argv, late = [str(a) for a in argv], None
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             universal_newlines=True, errors="replace", env=env, start_new_session=True)
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # with all that it began
        out, err = rest(child)
        late = Late(seconds, out)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    if log:
        log(argv, out + err + (f"{late}\n" if late else ""))
    if late:
        raise late
    if child.returncode != 0:
        lines = err.strip().splitlines()
        raise Failed(lines[-1] if lines else f"{argv[0]} ended with status {child.returncode}")
    return out


def rest(child):
    """What a killed program had printed; nothing of one that hangs inside a driver and takes no signal."""
    try:
        return child.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        return "", ""


def json_lines(run):
    """The objects that a program prints, a line each; those of one that is late come before it is said."""
    late = None
    try:
        text = run()
    except Late as error:
        text, late = error.output, error
    for line in text.split("\n")[:-1]:  # the last may be a piece
        if line.startswith("{"):
            yield json.loads(line)
    if late:
        raise late


def reason(error):
    """For a cell of the table."""
    text = str(error) if isinstance(error, (Failed, Skipped, OSError)) else f"{type(error).__name__}: {error}"
    return ("skipped: " if isinstance(error, Skipped) else "failed: ") + " ".join(text.split()).replace("|", "/")
