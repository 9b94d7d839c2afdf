"""Every model of the golden set, against the float64 reference: one device, two workers, two threads, in f32 and with
rounded activations. The limits are those of the set's README."""

import concurrent.futures
import functools
import json
import math
import os
import unittest

from harness import (BF16_LIMIT, F16_LIMIT, F32_LIMIT, FP8_LIMIT, Q8_LIMIT, agreeing_prefix, compiled, data, divergence, generate,
                     mean_nll, read_npy, relative_l2)

F16_CACHE = ("llama-f16", "llama31-f16", "qwen2-f16", "qwen3-f16", "gemma2-f16", "gemma3-f16", "phi3-f16",
             "qwen3moe-f16", "stories260k-q8_0")
SMALL_CACHE = ("llama-f16", "qwen3-f16", "gemma2-f16", "phi3-f16")
# Limits of the logits' relative L2, their divergence and the mean negative log likelihood.
SMALL_TYPES = {"bf16": (BF16_LIMIT, 1e-2, 1e-2), "q8_0": (Q8_LIMIT, 0.2, 0.1), "fp8_e4m3": (FP8_LIMIT, 5e-2, 0.1)}
EXACT = ("--activations=f32", "--kv-type=f32")  # flags of the compiler; without any it rounds activations
HALF = ("--activations=f32",)


@functools.cache
def golden():
    return json.loads(data("golden/golden.json").read_text())


def run_one(name, *flags, ids=None, count=32):
    """Compiles and runs a golden model; a failure is a value, so that one broken model does not hide the others."""
    try:
        model = golden()["models"][name]
        artifact = compiled(data("golden") / model["file"], *(f for f in flags if f != "--inproc"))
        inproc = ["--inproc"] if "--inproc" in flags else []
        return generate(artifact, ids or model["prompt_ids"], *inproc, count=count)
    except AssertionError as error:
        return error


def has_blocks(name):
    return not set(golden()["models"][name]["matrix_types"]) <= {"F32", "F16", "BF16"}


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = sorted(golden()["models"])
        cls.rounded = [name for name in cls.names if has_blocks(name)]
        jobs = {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name in cls.names:
                jobs[name, "workers"] = pool.submit(run_one, name, *EXACT)
                jobs[name, "monolithic"] = pool.submit(run_one, name, *EXACT, "--placement=monolithic")
            for name in F16_CACHE:
                jobs[name, "f16"] = pool.submit(run_one, name, *HALF)
            for name in SMALL_CACHE:
                for kv in SMALL_TYPES:
                    jobs[name, kv] = pool.submit(run_one, name, "--activations=f32", f"--kv-type={kv}")
            for name in cls.rounded:
                jobs[name, "rounded"] = pool.submit(run_one, name)
                jobs[name, "rounded monolithic"] = pool.submit(run_one, name, "--placement=monolithic")
            cls.runs = {key: job.result() for key, job in jobs.items()}
            threads = {(name, "inproc"): pool.submit(run_one, name, *EXACT, "--inproc") for name in cls.names}
            threads |= {(name, "rounded inproc"): pool.submit(run_one, name, "--inproc") for name in cls.rounded}
            cls.runs |= {key: job.result() for key, job in threads.items()}

    def result(self, name, how):
        run = self.runs[name, how]
        if isinstance(run, AssertionError):
            self.fail(f"{how}: {run}")
        return run

    def compare_top(self, name, rows, tops, limit):
        want = read_npy(data("golden") / golden()["models"][name]["logits_file"])[0]
        scale = math.sqrt(sum(x * x for x in want) / len(want))
        for row, top in zip(rows, tops, strict=True):
            for token, logit in top:
                self.assertAlmostEqual(row[token], logit, delta=10 * limit * scale + 1e-5 * abs(logit))

    def compare(self, name, run, limit, kl_limit, nll_limit):
        """Checks the logits of the prompt and greedy ids; how many of these had to agree."""
        model = golden()["models"][name]
        want = read_npy(data("golden") / model["logits_file"])[0]
        self.assertEqual(len(run.logits), len(model["prompt_ids"]))
        self.assertLess(relative_l2(run.logits[-1], want), limit)
        self.assertLess(divergence(want, run.logits[-1]), kl_limit)
        self.assertAlmostEqual(mean_nll(run.logits, model["prompt_ids"]), model["mean_nll"], delta=nll_limit)
        self.compare_top(name, run.logits, model["top5"], limit)
        error = max(abs(a - b) for a, b in zip(run.logits[-1], want))
        return agreeing_prefix(run.json["tokens"], model["greedy_ids"], model["greedy_margins"], error)

    def test_two_workers_agree_with_float64(self):
        for name in self.names:
            with self.subTest(name):
                self.compare(name, self.result(name, "workers"), F32_LIMIT, 1e-6, 1e-4)

    def test_f16_cache_agrees_with_float64(self):
        for name in F16_CACHE:
            with self.subTest(name):
                self.compare(name, self.result(name, "f16"), F16_LIMIT, 1e-4, 1e-2)

    def test_small_caches_agree_with_float64(self):
        for name in SMALL_CACHE:
            for kv, limits in SMALL_TYPES.items():
                with self.subTest(f"{name} {kv}"):
                    self.compare(name, self.result(name, kv), *limits)

    def test_rounded_activations_agree_with_float64(self):
        for name in self.rounded:
            with self.subTest(name):
                model = golden()["models"][name]
                limit = max(Q8_LIMIT, 3 * model["rounded_activations"]["rel_l2"])
                run = self.result(name, "rounded")
                if self.compare(name, run, limit, 0.2, 0.1) == len(model["greedy_ids"]):
                    continue
                # The ids may have gone another way where two were close: what follows the reference's is compared.
                ids = model["prompt_ids"] + model["greedy_ids"][:-1]
                again = run_one(name, ids=ids, count=1)
                if isinstance(again, AssertionError):
                    self.fail(str(again))
                self.compare_top(name, again.logits[len(model["prompt_ids"]) - 1:], model["greedy_top5"], limit)

    def same(self, names, one, other):
        for name in names:
            with self.subTest(name):
                one_run, other_run = self.result(name, one), self.result(name, other)
                self.assertEqual(one_run.json["tokens"], other_run.json["tokens"])
                self.assertTrue(one_run.logits == other_run.logits, "logits differ")

    def test_one_device_gives_the_same_bits(self):
        self.same(self.names, "workers", "monolithic")
        self.same(self.rounded, "rounded", "rounded monolithic")

    def test_threads_give_the_same_bits(self):
        self.same(self.names, "workers", "inproc")
        self.same(self.rounded, "rounded", "rounded inproc")
