"""The machine with the GPU: its driver, the programs that were carried there, and the time that is left."""

import array
import concurrent.futures
import functools
import json
import math
import os
import pathlib
import subprocess
import sys
import threading
import time

from bench_gpu.models import SIZES
from bench_gpu.process import Failed, Late, Skipped, checked, json_lines
from bench_gpu.weights import WeightsWriter

# Where drivers lie that the loader's cache does not name.
DRIVER_FOLDERS = ("/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/wsl/lib",
                  "/run/opengl-driver/lib", "/usr/local/cuda/compat")


def find_driver(paths):
    """The driver's path, or None.  The loader that was carried may look elsewhere than this machine's."""
    for folder in (*paths, *DRIVER_FOLDERS):
        if (pathlib.Path(folder) / "libcuda.so.1").exists():
            return str(pathlib.Path(folder) / "libcuda.so.1")
    try:
        listed = subprocess.run(["ldconfig", "-p"], stdout=subprocess.PIPE, universal_newlines=True).stdout
    except OSError:
        return None
    found = [line.split("=>")[1].strip() for line in listed.splitlines()
             if line.split()[:1] == ["libcuda.so.1"] and "x86-64" in line]
    return found[0] if found else None


class Machine:
    def __init__(self, folder, minutes, threads):
        self.folder = folder
        prepared = json.loads((folder / "prepared.json").read_text())
        self.size, self.references = SIZES[prepared["size"]], prepared["references"]
        self.deadline = self.overall = time.monotonic() + 60 * minutes
        self.threads = threads
        self.log_lock, self.log_file = threading.Lock(), open(folder / "log.txt", "w")
        self.writer = WeightsWriter(folder / "artifacts", prepared["weights"])
        self.weights = {}        # written by a thread: artifact -> future
        paths = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(":") if p]
        driver = os.environ.get("LAMINA_CUDA_DRIVER") or find_driver(paths)
        self.environment = {**os.environ, **({"LAMINA_CUDA_DRIVER": driver} if driver else {})}
        if driver and os.path.isabs(driver):  # which opens libraries beside it
            paths.append(os.path.dirname(driver))
        self.library_path = ":".join([str(folder / "lib"), *paths])
        self.gpu = {}            # what lamina-bench --cuda says
        self.read = 0.0          # bytes per second of the GPU's memory
        self.step_seconds = {}   # of the whole model, by sequences

    def log(self, argv, text):
        with self.log_lock:
            self.log_file.write(f"$ {' '.join(argv)}\n{text}\n")
            self.log_file.flush()

    def begin_writing_weights(self, artifacts):
        pool = concurrent.futures.ThreadPoolExecutor(1)
        self.weights = {name: pool.submit(self.writer.write, name) for name in artifacts}
        pool.shutdown(wait=False)

    def stop_writing_weights(self):
        """Of what nobody asked for."""
        for job in self.weights.values():
            job.cancel()

    def seconds(self, limit):
        """What a program may take."""
        left = self.deadline - time.monotonic()
        if left < 2:
            raise Failed("no time left")
        return min(limit, left)

    def program(self, name, *argv, limit=120, under=()):
        loader = next((self.folder / "lib").glob("ld-*"))
        return checked([*under, loader, "--library-path", self.library_path, self.folder / "bin" / name, *argv],
                       self.seconds(limit), self.log, self.environment)

    def artifact(self, name):
        if name in self.weights:
            try:
                self.weights[name].result(self.seconds(120))
            except concurrent.futures.TimeoutError:
                raise Failed(f"the weights of {name} are not written yet") from None
        return self.folder / "artifacts" / f"{name}.lamina"

    def bench(self, artifact, *flags, limit=120):
        """What lamina-bench prints; it runs when the first of it is asked for."""
        threads = ["-t", self.threads] if self.threads else []
        return json_lines(lambda: self.program("lamina-bench", self.artifact(artifact), "-o", "jsonl", *threads, *flags,
                                               limit=limit))

    @functools.cached_property
    def whole_kernels(self):
        """Those of the whole model in each of the steps, each by itself."""
        return list(self.bench("whole-gpu", "--kernels", "--npl", ",".join(map(str, self.size["steps"])), "--npp",
                               self.size["prompt"]))

    def torch(self, verb, *argv, limit):
        """What bench_torch.py prints, or Skipped."""
        patience = self.seconds(60)
        try:
            checked([sys.executable, "-c", "import torch; torch.cuda.current_device()"], patience, self.log)
        except Late:
            raise
        except Failed as reason:
            raise Skipped(f"PyTorch has no GPU here ({reason})") from None
        script = self.folder / "bench_gpu" / "bench_torch.py"
        return json_lines(lambda: checked([sys.executable, script, verb, *argv], self.seconds(limit), self.log))

    def generate(self, artifact, reference, *flags, under=()):
        """A token behind the prompt of a reference."""
        self.program("lamina-run", self.artifact(artifact), "--prompt-tokens", ",".join(map(str, reference["prompt_ids"])),
                     "-n", 1, "--temperature", 0, "--ignore-eos", "--output=json", "--threads", self.threads or 2, *flags,
                     under=under)

    def error(self, artifact, reference):
        """Relative L2 of the prompt's last logits."""
        out, want = self.folder / f"{artifact}.npy", reference["logits"]
        self.generate(artifact, reference, "--logits-out", out)
        got = array.array("f", out.read_bytes()[-4 * len(want):])
        error = math.sqrt(sum((a - b) ** 2 for a, b in zip(got, want)) / sum(b * b for b in want))
        if not math.isfinite(error):
            raise Failed("logits are not finite")
        return error
