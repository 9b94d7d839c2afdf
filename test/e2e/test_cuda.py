"""Workers on GPUs, on the simulated one: the placements of compute and memory, against the float64 references. A kernel
runs a thread of a block after the other, so prompts are short and few ids are generated."""

import concurrent.futures
import json
import os
import pathlib
import re
import sys
import unittest

from harness import (BENCH, BUILD, DEMO, F32_LIMIT, OPT, Q8_LIMIT, ROOT, RUN, WORK, agreeing_prefix, compiled, data, generate,
                     ids_text, program, random_model, read_npy, relative_l2, succeed)

COMPUTE, MEMORY = "--target=compute=cuda:sim", "--target=memory=cuda:sim"
PLACEMENTS = {"compute on a GPU": (COMPUTE,), "both on GPUs": (COMPUTE, MEMORY), "memory on a GPU": (MEMORY,),
              "one GPU": (COMPUTE, "--placement=monolithic")}
# Of the golden set: every kind of kernel once.
GOLDEN = ("gemma2-f16", "llama-f16", "phi3-f16", "qwen3moe-f16")
EXACT = ("--activations=f32", "--kv-type=f32")
NO_GPU = r"^lamina-run: error: worker (compute|memory)0: no CUDA device was found \(.*\); install .*\n$"
CASE = min(json.loads(pathlib.Path(DEMO).with_suffix(".json").read_text()), key=lambda c: len(c["prompt_ids"]))


def long_model():
    return random_model("long", "--layers", 2, "--width", 64, "--ffn", 128, "--heads", 4, "--kv-heads", 2, "--vocab", 300,
                        "--context", 1536, "--type", "f32")


def without_gpu(artifact):
    """What lamina-run says of it where there is no driver."""
    result = program(["env", "LAMINA_CUDA_DRIVER=/nonexistent/libcuda.so.1", RUN, artifact, "--prompt-tokens", "1", "-n", "1"])
    if result.status == 0:
        raise AssertionError(result.out)
    return result.err


class Simulated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        driver = BUILD / "cuda-sim/libcuda_sim.so"
        if not driver.exists():
            raise unittest.SkipTest("skipped: the simulated driver was not built")
        cls.before = os.environ.get("LAMINA_CUDA_DRIVER")
        os.environ["LAMINA_CUDA_DRIVER"] = str(driver)

    @classmethod
    def tearDownClass(cls):
        if cls.before is None:
            del os.environ["LAMINA_CUDA_DRIVER"]
        else:
            os.environ["LAMINA_CUDA_DRIVER"] = cls.before

    def compare(self, limit, *flags):
        run = generate(compiled(DEMO, *flags), CASE["prompt_ids"], count=8)
        self.assertLess(relative_l2(run.logits[-1], CASE["last_logits"]), limit)
        error = max(abs(a - b) for a, b in zip(run.logits[-1], CASE["last_logits"]))
        agreeing_prefix(run.json["tokens"], CASE["greedy_ids"][:8], CASE["greedy_margins"][:8], error)
        return run

    def test_every_placement_agrees_with_float64(self):
        for name, flags in PLACEMENTS.items():
            with self.subTest(name):
                self.compare(F32_LIMIT, *EXACT, *flags)

    def test_placement_on_gpus_changes_no_bit(self):
        one, two = (self.compare(Q8_LIMIT, *PLACEMENTS[name]) for name in ("one GPU", "both on GPUs"))
        self.assertEqual(one.json["tokens"], two.json["tokens"])
        self.assertTrue(one.logits == two.logits, "logits differ")

    def test_chunks_of_the_prompt_change_no_bit(self):
        artifact = compiled(DEMO, COMPUTE, MEMORY)
        whole = generate(artifact, CASE["prompt_ids"], count=4)
        for size in (3, 1):
            with self.subTest(size=size):
                parts = generate(artifact, CASE["prompt_ids"], "--prefill-chunk", size, count=4)
                self.assertTrue(whole.logits == parts.logits, "logits differ")

    def test_what_is_cached_is_attended_to_before_keys_and_values_arrive(self):
        """Behind 512 positions a range is cached: the memory device has two operations, with the results of one."""
        model = long_model()
        ids = [(7 * i * i + 3) % 300 for i in range(520)]
        one, two = (generate(compiled(model, *EXACT, *flags), ids, count=8) for flags in ((), (COMPUTE,)))
        self.assertEqual(one.json["tokens"], two.json["tokens"])
        self.assertLess(relative_l2(two.logits[-1], one.logits[-1]), F32_LIMIT)
        # Each byte of the cache is read by one of the two.
        artifact, flags = compiled(model, *EXACT, COMPUTE), ["--npl", 2, "--npp", 600, "-t", 1, "-o", "jsonl"]
        kernels = [json.loads(line) for line in succeed([BENCH, artifact, "--kernels", *flags]).out.splitlines()]
        whole = json.loads(succeed([BENCH, artifact, "--ntg", 1, "--no-fill", *flags]).out)
        for worker in whole["workers"]:
            read = sum(k["bytes_read"] for k in kernels if k["worker"] == worker["name"])
            self.assertEqual(read, worker["bytes_read_per_step"], worker["name"])

    def test_choosing_on_the_gpu_changes_no_token(self):
        """With --logits-out a prompt's logits come to the host whole, and its token is chosen there."""
        artifact, ids = compiled(DEMO, COMPUTE, MEMORY), CASE["prompt_ids"]
        schedule = succeed([OPT, DEMO, COMPUTE, MEMORY, "--compile-to=schedule"]).out
        for part in ("lm.top_k", '"candidate_logits"', '"candidate_ids"'):
            self.assertIn(part, schedule)
        chosen = generate(artifact, ids, count=6, logits=False).json["tokens"]
        for i in range(6):
            self.assertEqual(generate(artifact, ids + chosen[:i], count=1).json["tokens"], chosen[i:i + 1])
        sampled = set()
        for seed in range(5):
            here, there = (json.loads(succeed([RUN, artifact, "--prompt-tokens", ids_text(ids), "-n", 1, "--temperature", 2,
                                               "--top-k", 40, "--top-p", 0.95, "--min-p", 0.01, "--seed", seed, "--output=json",
                                               "--threads", 1, *flags]).out)["tokens"]
                           for flags in (["--logits-out", WORK / "logits.npy"], []))
            self.assertEqual(here, there)
            sampled.update(there)
        self.assertGreater(len(sampled), 1)

    def test_a_trace_shows_that_q_goes_first(self):
        """On the simulated GPU nothing overlaps as it would, but each does its own in the order that lets it."""
        trace, layers, steps = WORK / "trace.json", 2, 3
        succeed([BENCH, compiled(long_model(), *EXACT, COMPUTE), "--npl", 1, "--npp", 600, "--ntg", steps, "--no-fill", "-t", 1,
                 "--trace", trace])
        events = json.loads(trace.read_text())["traceEvents"]
        lanes = {e["args"]["name"]: e["tid"] for e in events if e["ph"] == "M"}
        self.assertEqual(set(lanes), {"compute0", "memory0", "communication"})
        last = max(e["args"]["step"] for e in events if e["ph"] == "X")
        for step in range(last - steps + 1, last + 1):
            of = {lane: sorted((e for e in events if e["ph"] == "X" and e["tid"] == tid and e["args"]["step"] == step),
                               key=lambda e: e["ts"]) for lane, tid in lanes.items()}
            names = {lane: [(e["cat"], e["name"]) for e in bars] for lane, bars in of.items()}
            for layer in range(layers):
                q, k, attention = (f"blk.{layer}.{what}" for what in ("attn_q", "attn_k", "attention"))
                place = names["compute0"].index
                self.assertLess(place(("send", q)), place(("dispatch", k)))
                self.assertLess(place(("dispatch", k)), place(("send", k)))
                place = names["memory0"].index
                self.assertLess(place(("wait", q)), place(("dispatch", attention)))
                self.assertLess(place(("dispatch", attention)), place(("wait", k)))
                sources = {e["name"]: e["args"]["from"] for e in of["communication"]}
                self.assertEqual([sources[name] for name in (q, k, attention)], ["compute0", "compute0", "memory0"])
                sent = next(e for e in of["compute0"] if (e["cat"], e["name"]) == ("send", q))
                first = next(e for e in of["memory0"] if (e["cat"], e["name"]) == ("dispatch", attention))
                self.assertGreaterEqual(first["ts"], sent["ts"])
        sys.path.insert(0, str(ROOT / "tools/dev"))
        from bench_gpu.trace import overlap_of
        making, hidden, attending, count = overlap_of(events)
        self.assertGreaterEqual(count, layers * steps)
        self.assertTrue(0 <= hidden <= making and hidden <= attending and making > 0, (making, hidden, attending))

    def test_workers_in_one_process_can_be_measured(self):
        artifact = compiled(DEMO, COMPUTE, MEMORY)
        result = succeed([BENCH, artifact, "--inproc", "-p", 4, "-n", 2, "-r", 1, "-t", 1, "-o", "jsonl"])
        for test in map(json.loads, result.out.splitlines()):
            self.assertEqual((test["backends"], test["gpu_info"]), ("CUDA", "simulated GPU 0"))
            self.assertTrue(all(worker["bandwidth_share"] > 0 for worker in test["workers"]), test["workers"])

    def golden_error(self, model, flags):
        artifact = compiled(data("golden") / model["file"], *EXACT, *flags)
        self.assertRegex(without_gpu(artifact), NO_GPU)
        run = generate(artifact, model["prompt_ids"], count=2)
        return relative_l2(run.logits[-1], read_npy(data("golden") / model["logits_file"])[0])

    def test_golden_models_agree_with_float64(self):
        """Those of GOLDEN on all placements of two workers, the others on one of them by turns."""
        models = json.loads(data("golden/golden.json").read_text())["models"]
        placements = list(PLACEMENTS)[:3]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = {(name, placement): pool.submit(self.golden_error, model, PLACEMENTS[placement])
                    for i, (name, model) in enumerate(sorted(models.items()))
                    for placement in (placements if name in GOLDEN else [placements[i % 3]])}
        for case, job in jobs.items():
            with self.subTest(case):
                self.assertLess(job.result(), F32_LIMIT)


class Artifacts(unittest.TestCase):
    def test_no_driver_is_one_line(self):
        self.assertRegex(without_gpu(compiled(DEMO, "--target=compute=cuda:sm_90a")), NO_GPU)

    def test_every_kernel_says_that_it_waits_for_those_before(self):
        for worker in ("compute0", "memory0"):
            code = (compiled(DEMO, COMPUTE, MEMORY) / f"code/{worker}.sim.so").read_bytes()
            kernels, waiting = (set(re.findall(rb"\0([^\0]+)_" + what + rb"(?=\0)", code)) for what in (b"parameters", b"waits"))
            self.assertGreater(len(kernels), 1)
            self.assertEqual(kernels, waiting)

    def test_a_cluster_file_does_what_targets_do(self):
        cluster = WORK / "gpus.yaml"
        cluster.write_text("classes:\n  - { name: compute, role: compute, device: cuda }\n"
                           "  - { name: memory, role: memory, device: cuda }\n"
                           "links:\n  - { from: compute, to: memory }\n")
        self.assertRegex(without_gpu(compiled(DEMO, "--cluster", cluster)), NO_GPU)
        for name, model in json.loads(data("golden/golden.json").read_text())["models"].items():
            with self.subTest(name):
                one, two = (succeed([OPT, data("golden") / model["file"], "--compile-to=schedule", *flags]).out for flags in
                            (["--cluster", cluster], ["--target=compute=cuda", "--target=memory=cuda"]))
                self.assertIn("plan.program @memory0", one)
                self.assertTrue(one == two, "schedules differ")


if __name__ == "__main__":
    unittest.main()
