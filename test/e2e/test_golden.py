"""Every model of the golden set, against the float64 reference: one device, two workers, two threads."""

import concurrent.futures
import functools
import json
import math
import os
import unittest

from harness import (F16_LIMIT, F32_LIMIT, agreeing_prefix, compiled, data, generate, mean_nll, read_npy, relative_l2)

F16_CACHE = ("llama-f16", "llama31-f16", "qwen2-f16", "qwen3-f16", "gemma2-f16", "gemma3-f16", "phi3-f16",
             "qwen3moe-f16", "stories260k-q8_0")


@functools.cache
def golden():
    return json.loads(data("golden/golden.json").read_text())


def run_one(name, *placement, kv="f32"):
    """Compiles and runs a golden model; a failure is a value, so that one broken model does not hide the others."""
    try:
        model = golden()["models"][name]
        artifact = compiled(data("golden") / model["file"], f"--kv-type={kv}", *(p for p in placement if p != "--inproc"))
        inproc = ["--inproc"] if "--inproc" in placement else []
        return generate(artifact, model["prompt_ids"], *inproc)
    except AssertionError as error:
        return error


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = sorted(golden()["models"])
        jobs = {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name in cls.names:
                jobs[name, "workers"] = pool.submit(run_one, name)
                jobs[name, "monolithic"] = pool.submit(run_one, name, "--placement=monolithic")
            for name in F16_CACHE:
                jobs[name, "f16"] = pool.submit(run_one, name, kv="f16")
            cls.runs = {key: job.result() for key, job in jobs.items()}
            threads = {name: pool.submit(run_one, name, "--inproc") for name in cls.names}
            cls.runs |= {(name, "inproc"): job.result() for name, job in threads.items()}

    def result(self, name, how):
        run = self.runs[name, how]
        if isinstance(run, AssertionError):
            self.fail(f"{how}: {run}")
        return run

    def compare(self, name, run, limit, nll_limit):
        model = golden()["models"][name]
        want = read_npy(data("golden") / model["logits_file"])[0]
        self.assertEqual(len(run.logits), len(model["prompt_ids"]))
        self.assertLess(relative_l2(run.logits[-1], want), limit)
        self.assertAlmostEqual(mean_nll(run.logits, model["prompt_ids"]), model["mean_nll"], delta=nll_limit)
        scale = math.sqrt(sum(x * x for x in want) / len(want))
        for position, top in enumerate(model["top5"]):
            for token, logit in top:
                self.assertAlmostEqual(run.logits[position][token], logit, delta=10 * limit * scale + 1e-5 * abs(logit))
        error = max(abs(a - b) for a, b in zip(run.logits[-1], want))
        agreeing_prefix(run.json["tokens"], model["greedy_ids"], model["greedy_margins"], error)

    def test_two_workers_agree_with_float64(self):
        for name in self.names:
            with self.subTest(name):
                self.compare(name, self.result(name, "workers"), F32_LIMIT, 1e-4)

    def test_f16_cache_agrees_with_float64(self):
        for name in F16_CACHE:
            with self.subTest(name):
                self.compare(name, self.result(name, "f16"), F16_LIMIT, 1e-2)

    def same(self, how):
        for name in self.names:
            with self.subTest(name):
                one, other = self.result(name, "workers"), self.result(name, how)
                self.assertEqual(one.json["tokens"], other.json["tokens"])
                self.assertTrue(one.logits == other.logits, "logits differ")

    def test_one_device_gives_the_same_bits(self):
        self.same("monolithic")

    def test_threads_give_the_same_bits(self):
        self.same("inproc")
