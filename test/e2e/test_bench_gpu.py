"""tools/dev/bench-gpu: packed here, run on the simulated GPU with tiny models. Its figures mean nothing there; that each row has
one, and that rows fail alone, does."""

import array
import json
import os
import shutil
import signal
import struct
import sys
import tarfile
import unittest

from harness import BUILD, DEMO, F32_LIMIT, ROOT, WORK, native_target, program, succeed

sys.path.insert(0, str(ROOT / "tools/dev"))
from bench_gpu.process import Late, checked, json_lines

SCRIPT, FOLDER = ROOT / "tools/dev/bench-gpu", WORK / "bench-gpu"
DRIVER = BUILD / "cuda-sim/libcuda_sim.so"
# What each row's figure looks like.
NUMBER = r"(?=[0.]*[1-9])[0-9.]+(e[+-]\d+)?"  # but 0
TIME, RATE = rf"{NUMBER} ms( a step)?(, {NUMBER} times)?", rf"{NUMBER} GB/s( of {NUMBER} GB/s)?"
FLOPS = rf"{NUMBER} TFLOP/s"
PROMPT = rf"{NUMBER} tokens/s, {FLOPS}"
ROWS = {"copy in its memory, reads and writes": RATE, "copy from the host": RATE, "copy to the host": RATE,
        **{f"{name} against float64, {placement}": rf"\d\.\de-\d\d relative L2 \({name}\)" for name in ("demo", "exact")
           for placement in ("compute GPU, memory CPU", "both on GPUs", "compute CPU, memory GPU")},
        "demo against float64, one GPU": r"\d\.\de-\d\d relative L2 \(demo\)",
        "decode attention, 4 x 48 tokens": RATE, "decode attention, 1 x 96 tokens": RATE,
        "weights BF16, 1 token": RATE, "weights BF16, 16 tokens": RATE, "weights Q4_0, 4 tokens": RATE,
        "weights Q4_K, 1 token": RATE,
        "products BF16, 32 tokens": FLOPS, "products Q4_0, 32 tokens": FLOPS, "by cuBLASLt in PyTorch 2.stand-in": "0.5 TFLOP/s",
        "BF16 against it": r"\d\.\d\d times",
        "step of the whole model, 1 sequence": TIME,
        "step of the whole model, 4 sequences": TIME,
        "prompt of 16 tokens": PROMPT, "KV on the GPU, 528 tokens": TIME,
        "as two workers on it, 1040 tokens": TIME, "KV in host memory, 1040 tokens": TIME, "its attention on the CPU": RATE,
        "q first, 528 tokens: k and v under attention": rf"[0-9.]+ us of {NUMBER} us a layer",
        "attention meanwhile and after": rf"{NUMBER} us a layer, [1-9]\d* layers of trace.json",
        "step by PyTorch 2.stand-in, 1 sequence": rf"2.000 ms, {NUMBER} times ours",
        "step by PyTorch 2.stand-in, 4 sequences": rf"4.000 ms, {NUMBER} times ours",
        "compute-sanitizer, exact": r"failed: error of the stand-in",
        "not measured": "cannot compile kernel read: CUDA_ERROR_NO_BINARY_FOR_GPU: .*", "compute-sanitizer, 2 models": "1 of 2 clean"}
# What the machine with the GPU may have: a PyTorch, and in the place of bench_torch.py what prints as it does.
TORCH = """
import json, sys
verb, *argv = sys.argv[1:]
if verb == "products":
    assert argv == ["32", "384x256", "256x256", "1024x256", "256x512"], argv
    print(json.dumps({"torch": "2.stand-in", "flops": 5e11}))
else:
    assert argv[:4] == ["1", "4", "--context", "16"], argv
    for sequences in 1, 4:
        print(json.dumps({"torch": "2.stand-in", "sequences": sequences, "seconds": 0.002 if sequences == 1 else 0.004}))
"""
SANITIZER = """#!/bin/sh
[ "$1 $2" = "--error-exitcode 9" ] || exit 1
shift 2
"$@" || exit
case "$*" in *exact-2*) echo "error of the stand-in" >&2; exit 9;; esac
"""


def run(*flags, driver=DRIVER, has="nothing"):
    """`has`: a folder of what else the machine has."""
    return program(["env", f"LAMINA_CUDA_DRIVER={driver}", "LAMINA_CUDA_SIM_MEMORY=100000000", f"PATH={has}:{os.environ['PATH']}",
                    f"PYTHONPATH={has}", FOLDER / "bench-gpu", "run", "--threads", 1, *flags], timeout=2400)


def stand_ins():
    folder = WORK / "stand-ins"
    folder.mkdir()
    (folder / "torch.py").write_text("class cuda:\n    def current_device(): pass\n")
    (folder / "compute-sanitizer").write_text(SANITIZER)
    (folder / "compute-sanitizer").chmod(0o755)
    return folder


def golden():
    """The demo model in the form of the golden ones."""
    folder = WORK / "golden"
    folder.mkdir()
    case = min(json.loads(DEMO.with_suffix(".json").read_text()), key=lambda c: len(c["prompt_ids"]))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, %d)}\n" % len(case["last_logits"])
    (folder / "logits.npy").write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header +
                                        array.array("f", case["last_logits"]).tobytes())
    (folder / "golden.json").write_text(json.dumps({"models": {"exact": {
        "file": str(DEMO), "logits_file": "logits.npy", "prompt_ids": case["prompt_ids"]}}}))
    return folder


def table(text):
    return {what.strip(): [cell.strip() for cell in rest] for what, *rest in
            (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))}


class BenchGpu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not DRIVER.exists():
            raise unittest.SkipTest("skipped: the simulated driver was not built")
        succeed([SCRIPT, "prepare", FOLDER, "--build", BUILD, "--size=tiny", "--cuda=:sim", "--cpu-targets", native_target(),
                 "--golden", golden(), "--archive"], timeout=600)
        cls.carried = {shard.parents[1].stem for shard in FOLDER.glob("artifacts/*.lamina/weights/*.bin")}

    def test_every_row_has_its_figure(self):
        self.assertEqual(self.carried, {f"{name}-{i}" for name in ("demo", "exact") for i in range(4)} - {"exact-0"},
                         "the others' weights are left out")
        script = FOLDER / "bench_gpu/bench_torch.py"
        self.assertEqual(script.read_bytes(), (SCRIPT.parent / "bench_gpu/bench_torch.py").read_bytes())
        script.write_text(TORCH)
        result = run("--minutes", 30, has=stand_ins())
        self.assertEqual(result.status, 0, result.err)
        rows = table(result.out)
        for what, figure in ROWS.items():
            with self.subTest(what):
                self.assertRegex(rows.get(what, [""])[0], f"^{figure}$", result.out)
        for name, (figure, *_) in rows.items():
            if "against float64" in name:
                self.assertLess(float(figure.split()[0]), 2e-2 if name.startswith("demo") else F32_LIMIT, name)
        self.assertEqual(result.out.count("failed"), 1, result.out)
        self.assertRegex(rows["step of the whole model, 1 sequence"][1], r"^\d+(\.\d+)? %$")
        self.assertIn("--kernels", (FOLDER / "log.txt").read_text())

    def test_the_archive_has_the_script(self):
        with tarfile.open(f"{FOLDER}.tar.xz") as archive:
            self.assertIn("bench-gpu/bench-gpu", (os.path.normpath(name) for name in archive.getnames()))

    def test_a_row_that_fails_says_why_and_the_others_go_on(self):
        plan, hidden = FOLDER / "artifacts/attention.lamina/plan.pb", WORK / "hidden"
        plan.rename(hidden)
        try:
            rows = table(run("--rows=attention", "--rows=correct").out)
        finally:
            hidden.rename(plan)
        for what in ("4 x 48", "1 x 96"):
            self.assertRegex(rows[f"decode attention, {what} tokens"][0], "^failed: lamina-bench: error: .*plan.pb")
        self.assertRegex(rows["demo against float64, one GPU"][0], "relative L2")

    def test_weights_that_cannot_be_written_are_missed_where_they_are_needed(self):
        weights, hidden = FOLDER / "artifacts/streamed-q4_0.lamina/weights", WORK / "hidden-weights"
        if weights.exists():
            weights.rename(hidden)
        weights.write_text("in the way")
        try:
            rows = table(run("--rows=streaming").out)
        finally:
            weights.unlink()
            if hidden.exists():
                hidden.rename(weights)
        self.assertRegex(rows["weights Q4_0"][0], "^failed: .*File exists")
        for kind in ("BF16", "Q4_K"):
            self.assertRegex(rows[f"weights {kind}, 4 tokens"][0], f"^{RATE}$")

    def test_what_the_machine_does_not_have_is_skipped(self):
        (WORK / "no-torch").mkdir()
        (WORK / "no-torch/torch.py").write_text("raise ImportError('none of it')\n")
        rows = table(run("--rows=pytorch", has=WORK / "no-torch").out)
        self.assertEqual(rows["pytorch"][0], "skipped: PyTorch has no GPU here (ImportError: none of it)")
        if not shutil.which("compute-sanitizer", path=f"{os.environ['PATH']}:/usr/local/cuda/bin"):
            rows = table(run("--rows=sanitizer").out)
            self.assertEqual(rows["sanitizer"][0], "skipped: no compute-sanitizer is on the PATH")

    def test_a_row_by_itself(self):
        rows = table(run("--rows=prompt").out)
        self.assertRegex(rows["prompt of 16 tokens"][0], f"^{PROMPT}$")

    def test_without_time_every_row_says_so(self):
        rows = table(run("--minutes", "0.03", "--rows=placements").out)
        for what in ("KV on the GPU", "as two workers on it", "KV in host memory"):
            self.assertEqual(rows[what][0], "failed: no time left")
        self.assertEqual(rows["gpu"][0], "failed: no time left", "nor is what shares refer to needed")

    def test_without_a_gpu_one_line_says_so(self):
        result = run(driver="/nonexistent/libcuda.so.1")
        self.assertEqual((result.status, result.out), (1, ""))
        self.assertRegex(result.err, r"^bench-gpu: lamina-bench: error: no CUDA device was found \(.*\); install .*\n$")

    def test_a_folder_that_exists_is_left_alone(self):
        result = program([SCRIPT, "prepare", FOLDER])
        self.assertEqual(result.status, 1)
        self.assertIn("exists; remove it or name another folder", result.err)


class Programs(unittest.TestCase):
    def test_what_a_late_program_has_printed_counts(self):
        script = r"""echo nothing; echo '{"row": 1}'; echo '{"row": 2}'; printf '{"row": '; exec sleep 600"""
        rows = json_lines(lambda: checked(["sh", "-c", script], seconds=3))
        self.assertEqual([next(rows), next(rows)], [{"row": 1}, {"row": 2}])
        self.assertRaisesRegex(Late, "^no end after 3 s$", next, rows)

    def test_a_program_that_cannot_be_killed_is_left(self):
        """What has a session of its own stands for it: it is not killed, and holds the pipe."""
        pid = WORK / "left.pid"
        script = """setsid sh -c 'echo $$ > "$1"; exec sleep 60' sh "$1" & sleep 600"""
        with self.assertRaises(Late):
            checked(["sh", "-c", script, "sh", pid], seconds=3)
        os.kill(int(pid.read_text()), signal.SIGKILL)  # it is still there


if __name__ == "__main__":
    unittest.main()
