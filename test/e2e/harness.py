"""What the end-to-end tests share: finding and running the two programs, compiling once per set of flags, reading results.

Everything goes through the command line, as a user's script would. Only Python's standard library is needed.
"""

import array
import ast
import atexit
import collections
import functools
import hashlib
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LAMINA_BUILD", ROOT / "build")).resolve()
DATA = pathlib.Path(os.environ.get("LAMINA_TEST_DATA", ROOT / "../shared")).resolve()
OPT, RUN, BENCH = (BUILD / "bin" / name for name in ("lamina-opt", "lamina-run", "lamina-bench"))
DEMO = ROOT / "test/data/demo.gguf"
# Relative L2 of logits against float64: with a KV cache of f32, f16, bf16; with activations or a KV cache rounded to eight bits.
F32_LIMIT, F16_LIMIT, BF16_LIMIT, Q8_LIMIT, FP8_LIMIT = 2e-4, 5e-3, 3e-2, 2e-2, 6e-2

WORK = pathlib.Path(tempfile.mkdtemp(prefix="lamina-e2e-"))
atexit.register(shutil.rmtree, WORK, ignore_errors=True)

Result = collections.namedtuple("Result", "status out err seconds peak_mib")


def program(argv, timeout=120, cwd=None, stdout=None):
    """Runs to the end; `peak_mib` is the largest resident memory of the program or of one of its children."""
    argv, began = [str(a) for a in argv], time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(argv, stdout=stdout or out, stderr=err, stdin=subprocess.DEVNULL, cwd=cwd,
                                 env={**os.environ, "XDG_CACHE_HOME": str(WORK / "cache")})
        pid, late = 0, False
        while not pid:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not pid and not late and time.monotonic() - began > timeout:
                child.kill()
                late = True
            time.sleep(0 if pid else 0.003)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    if late:
        raise AssertionError(f"{' '.join(argv)}: still running after {timeout} s\n{texts[1][-2000:]}")
    return Result(child.returncode, *texts, seconds, usage.ru_maxrss / 1024)


def succeed(argv, **options):
    result = program(argv, **options)
    if result.status != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit status {result.status}\n{result.err[-2000:]}")
    return result


AVX2, AVX512 = {"avx2", "fma", "bmi2", "f16c"}, {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}
X86_TARGETS = {"x86-64-v2": set(), "x86-64-v3": AVX2, "x86-64-v3-avxvnni": AVX2 | {"avx_vnni"},
               "x86-64-v4": AVX2 | AVX512, "x86-64-v4-vnni": AVX2 | AVX512 | {"avx512_vnni"},
               "x86-64-v4-amx": AVX2 | AVX512 | {"avx512_vnni", "amx_tile", "amx_int8"}}


@functools.cache
def runnable_targets():
    """Our x86-64 targets that run here, the best last."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return [target for target, needed in X86_TARGETS.items() if needed <= set(line.split())]
    return ["x86-64-v2"]


def native_target():
    """The best of our targets here, so that a test compiles code once and not for all of them."""
    return runnable_targets()[-1]


@functools.cache
def compiled(model, *flags, targets=None):
    """The artifact of a model file; the same arguments compile once in a run of the tests."""
    key = hashlib.sha256(repr((str(model), flags, targets)).encode()).hexdigest()[:12]
    path = WORK / f"{pathlib.Path(model).stem}-{key}.lamina"
    succeed([OPT, model, "-o", path, "--quiet", f"--cpu-targets={targets or native_target()}", *flags], timeout=300)
    return path


@functools.cache
def random_model(name, *flags):
    """A model of random weights, made by tools/dev/make_random_model.py with these flags."""
    path = WORK / f"{name}.gguf"
    succeed([sys.executable, ROOT / "tools/dev/make_random_model.py", path, *flags])
    return path


Generation = collections.namedtuple("Generation", "json logits")


def ids_text(ids):
    return ",".join(map(str, ids))


def generate(artifact, ids, *flags, count=32, logits=True, threads=1):
    """Greedy continuation of ids, without an end token, and the logits of every prompt position (bytes and rows)."""
    file = WORK / f"logits-{os.getpid()}-{time.monotonic_ns()}.npy"
    out = ["--logits-out", file] if logits else []
    result = succeed([RUN, artifact, "--prompt-tokens", ids_text(ids), "-n", count, "--temperature", "0", "--ignore-eos",
                      "--output=json", "--threads", threads, *out, *flags])
    rows = read_npy(file) if logits else None
    file.unlink(missing_ok=True)
    return Generation(json.loads(result.out), rows)


def read_npy(path):
    """A float32 .npy file of one or two dimensions as a list of rows (array.array compares bit by bit but for NaN and
    signed zero)."""
    raw = path.read_bytes()
    if raw[:8] != b"\x93NUMPY\x01\x00":
        raise AssertionError(f"{path}: expected a .npy file of version 1.0")
    length, = struct.unpack_from("<H", raw, 8)
    header = ast.literal_eval(raw[10:10 + length].decode())
    if header["descr"] != "<f4" or header["fortran_order"]:
        raise AssertionError(f"{path}: expected float32 rows, got {header}")
    values = array.array("f", raw[10 + length:])
    columns = header["shape"][-1]
    if len(values) != math.prod(header["shape"]):
        raise AssertionError(f"{path}: expected {header['shape']} values, got {len(values)}")
    return [values[i:i + columns] for i in range(0, len(values), columns)]


def relative_l2(got, want):
    if len(got) != len(want):
        raise AssertionError(f"expected {len(want)} logits, got {len(got)}")
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(got, want)) / sum(b * b for b in want))


def log_softmax(row):
    top = max(row)
    total = top + math.log(sum(math.exp(x - top) for x in row))
    return [x - total for x in row]


def divergence(want, got):
    """Kullback-Leibler divergence of the distribution that `got` stands for from that of `want`."""
    return sum(math.exp(p) * (p - q) for p, q in zip(log_softmax(want), log_softmax(got), strict=True))


def mean_nll(rows, ids):
    total = 0.0
    for row, target in zip(rows, ids[1:]):
        top = max(row)
        total += top + math.log(sum(math.exp(x - top) for x in row)) - row[target]
    return total / (len(ids) - 1)


def agreeing_prefix(got, want, margins, error):
    """How many ids must agree: up to the first step that a logit error could have turned the other way."""
    for i, (a, b, margin) in enumerate(zip(got, want, margins)):
        if margin <= 2 * error:
            return i
        if a != b:
            raise AssertionError(f"greedy id {i}: expected {b}, got {a}, margin {margin} with logit error {error:.2g}")
    if len(got) != len(want):
        raise AssertionError(f"expected {len(want)} ids, got {len(got)}")
    return len(want)


def data(relative):
    """A file or folder of the external test data; where it is absent the test is skipped."""
    path = DATA / relative
    if not path.exists():
        raise unittest.SkipTest(f"skipped: no {path}")
    return path
