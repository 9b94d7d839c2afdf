"""The model that comes with the project: the essential promises, without any other data."""

import json
import pathlib
import unittest

from harness import (DEMO, F16_LIMIT, F32_LIMIT, Q8_LIMIT, RUN, WORK, agreeing_prefix, compiled, generate,
                     mean_nll, relative_l2, runnable_targets, succeed)

CASES = json.loads(pathlib.Path(DEMO).with_suffix(".json").read_text())
LONG = max((c["prompt_ids"] for c in CASES), key=len)


class Demo(unittest.TestCase):
    def compare(self, limit, nll_limit, *flags):
        for case in CASES:
            with self.subTest(case["prompt"]):
                run = generate(compiled(DEMO, *flags), case["prompt_ids"])
                self.assertLess(relative_l2(run.logits[-1], case["last_logits"]), limit)
                self.assertAlmostEqual(mean_nll(run.logits, case["prompt_ids"]), case["mean_nll"], delta=nll_limit)
                error = max(abs(a - b) for a, b in zip(run.logits[-1], case["last_logits"]))
                agreeing_prefix(run.json["tokens"], case["greedy_ids"], case["greedy_margins"], error)

    def test_f32_cache_agrees_with_float64(self):
        self.compare(F32_LIMIT, 1e-4, "--activations=f32", "--kv-type=f32")

    def test_f16_cache_agrees_with_float64(self):
        self.compare(F16_LIMIT, 1e-2, "--activations=f32")

    def test_rounded_activations_agree_with_float64(self):
        self.compare(Q8_LIMIT, 0.1)

    def same(self, one, other):
        self.assertEqual(one.json["tokens"], other.json["tokens"])
        self.assertEqual(len(one.logits), len(other.logits))
        self.assertTrue(one.logits == other.logits, "logits differ")

    def test_placement_changes_no_bit(self):
        workers = generate(compiled(DEMO), LONG)
        self.same(workers, generate(compiled(DEMO, "--placement=monolithic"), LONG))
        self.same(workers, generate(compiled(DEMO), LONG, "--inproc"))

    def test_chunks_of_the_prompt_change_no_bit(self):
        whole = generate(compiled(DEMO), LONG)
        for size in (7, 1):
            with self.subTest(size=size):
                self.same(whole, generate(compiled(DEMO), LONG, "--prefill-chunk", size))

    def test_threads_change_no_bit(self):
        artifact = compiled(DEMO)
        self.same(generate(artifact, LONG), generate(artifact, LONG, threads=2))

    def test_vector_width_changes_no_bit(self):
        """x86-64-v2 has no fused multiply-add, so there the last bit of each product is another, which may round an
        activation the other way."""
        for activations, limit in ("f32", F32_LIMIT), ("q8", Q8_LIMIT):
            flag = f"--activations={activations}"
            best = generate(compiled(DEMO, flag), LONG)
            for target in runnable_targets():
                with self.subTest(activations=activations, target=target):
                    run = generate(compiled(DEMO, flag, targets=target), LONG)
                    if target == "x86-64-v2":
                        self.assertLess(relative_l2(run.logits[-1], best.logits[-1]), limit)
                    else:
                        self.same(best, run)

    def test_tokens_do_not_depend_on_the_batch(self):
        starts = ["The king said", "In the beginning", "He answered,", "They came to the city", "And it happened"]
        prompts = [f"{start} {end}".strip() for end in ("", "to the people", "with all his men", "that night")
                   for start in starts][:16]
        file = WORK / "prompts.txt"
        file.write_text("\n".join(prompts) + "\n")
        flags = ["-n", "24", "--ignore-eos", "--output=json", "--threads", "1"]
        together = succeed([RUN, compiled(DEMO), "--prompt-file", file, *flags]).out.splitlines()
        self.assertEqual(len(together), 16)
        for prompt, line in zip(prompts, together):
            with self.subTest(prompt):
                alone = json.loads(succeed([RUN, compiled(DEMO), "--prompt", prompt, *flags]).out)
                batched = json.loads(line)
                for key in ("prompt_tokens", "tokens", "text", "finish_reason"):
                    self.assertEqual(alone[key], batched[key])

    def test_two_workers_did_the_work(self):
        run = generate(compiled(DEMO), LONG).json
        workers = {w["class"]: w for w in run["workers"]}
        self.assertEqual(set(workers), {"compute", "memory"})
        self.assertNotEqual(workers["compute"]["pid"], workers["memory"]["pid"])
        self.assertEqual(workers["compute"]["bytes_sent"], workers["memory"]["bytes_received"])
        self.assertEqual(workers["memory"]["bytes_sent"], workers["compute"]["bytes_received"])
        self.assertGreater(workers["memory"]["bytes_sent"], 0)
        self.assertEqual(len(run["tokens"]), 32)
        self.assertEqual(run["timings"]["prefill_tokens"], len(LONG))

    def test_text_reads_as_english(self):
        """Most of the generated words are words of the prompts' kind: letters only, and a seed repeats them."""
        argv = [RUN, compiled(DEMO), "--prompt", "The king said to", "-n", "80", "--temperature", "0.7", "--seed", "3"]
        text = succeed(argv).out
        self.assertEqual(text, succeed(argv).out)
        common = {"the", "and", "of", "to", "he", "in", "his", "that", "you", "for", "they", "said", "a", "i", "who"}
        words = [w.strip('.,;:!?"\'').lower() for w in text.split()]
        self.assertGreater(len(words), 20)
        self.assertGreater(sum(w in common for w in words) / len(words), 0.2)

    def test_stop_string(self):
        argv = [RUN, compiled(DEMO), "--prompt", CASES[1]["prompt"], "-n", "32", "--ignore-eos", "--output=json"]
        whole = json.loads(succeed(argv).out)["text"]
        stop = whole[len(whole) // 2:][:5]
        out = json.loads(succeed([*argv, "--stop", stop]).out)
        self.assertEqual(out["finish_reason"], "stop")
        self.assertEqual(out["text"], whole[:whole.index(stop)])

    def test_trace_has_a_lane_per_worker_and_one_for_communication(self):
        trace = WORK / "trace.json"
        generate(compiled(DEMO), LONG, "--trace", trace, count=4, logits=False)
        events = json.loads(trace.read_text())["traceEvents"]
        lanes = {e["args"]["name"]: e["tid"] for e in events if e["ph"] == "M"}
        self.assertEqual(len(lanes), 3)
        self.assertIn("communication", lanes)
        self.assertEqual({e["tid"] for e in events if e["ph"] == "X"}, set(lanes.values()))
