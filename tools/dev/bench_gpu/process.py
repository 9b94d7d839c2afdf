"""Programs that are run, and how what goes wrong is said."""

import os
import signal
import subprocess


class Failed(Exception):
    pass


class Late(Failed):
    pass


class Skipped(Exception):
    """For want of something that need not be there."""


def checked(argv, seconds=None, log=None, env=None):
    """What it prints."""
    argv, late = [str(a) for a in argv], False
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             universal_newlines=True, errors="replace", env=env, start_new_session=True)
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(child.pid, signal.SIGKILL)  # with all that it began
        out, err = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    if log:
        log(argv, out + err + (f"no end after {seconds:.0f} s\n" if late else ""))
    if late:
        raise Late(f"no end after {seconds:.0f} s")
    if child.returncode != 0:
        lines = err.strip().splitlines()
        raise Failed(lines[-1] if lines else f"{argv[0]} ended with status {child.returncode}")
    return out


def reason(error):
    """For a cell of the table."""
    text = str(error) if isinstance(error, (Failed, Skipped, OSError)) else f"{type(error).__name__}: {error}"
    return ("skipped: " if isinstance(error, Skipped) else "failed: ") + " ".join(text.split()).replace("|", "/")
