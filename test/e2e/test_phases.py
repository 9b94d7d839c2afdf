"""Compiling step by step through files gives what compiling at once gives; a .gguf runs without a command of its own."""

import time
import unittest

from harness import DEMO, OPT, RUN, WORK, compiled, generate, native_target, succeed

PHASES = ("import", "mark", "partition", "comm", "schedule")
IDS = [1, 896, 261, 886]


class Phases(unittest.TestCase):
    def test_every_phase_can_be_left_and_entered(self):
        direct = generate(compiled(DEMO, "--max-context=512"), IDS)
        for phase in PHASES:
            with self.subTest(phase):
                ir, artifact = WORK / f"{phase}.mlir", WORK / f"{phase}.lamina"
                succeed([OPT, DEMO, f"--compile-to={phase}", "--max-context=512", "-o", ir])
                succeed([OPT, ir, f"--compile-from={phase}", "--max-context=512", "-o", artifact, "--quiet",
                         f"--cpu-targets={native_target()}"])
                run = generate(artifact, IDS)
                self.assertEqual(run.json["tokens"], direct.json["tokens"])
                self.assertTrue(run.logits == direct.logits, "logits differ")

    def test_q_leaves_before_k_and_v_are_computed(self):
        text = succeed([OPT, DEMO, "--compile-to=comm"]).out
        text = text[text.index("func.func"):]
        for layer in range(5):
            q, k, v = (text.index(f"@blk.{layer}.attn_{name}.weight") for name in "qkv")
            sent = text.index("mpmd.transfer", q)
            self.assertLess(sent, min(k, v))
            sent = text.index("mpmd.transfer", max(k, v))
            self.assertLess(sent, text.index("lm.attention", q))
        self.assertEqual(text.count("mpmd.transfer"), 3 * 5)   # q, k with v, and what attention gives back

    def test_a_gguf_file_runs_and_is_compiled_once(self):
        argv, times = [RUN, DEMO, "--prompt", "The king said", "-n", "8"], []
        outputs = set()
        for _ in range(2):
            began = time.monotonic()
            outputs.add(succeed(argv).out)
            times.append(time.monotonic() - began)
        self.assertEqual(len(outputs), 1)
        self.assertLess(times[1], times[0])
        self.assertEqual(outputs.pop(), succeed([RUN, compiled(DEMO), "--prompt", "The king said", "-n", "8"]).out)
