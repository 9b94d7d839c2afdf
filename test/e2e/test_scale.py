"""Growth: a model of 1.1 billion parameters, a plan for 70 billion, and what more layers cost."""

import json
import shutil
import unittest

from harness import OPT, RUN, WORK, compiled, native_target, program, random_model, succeed

GIB = 1 << 30


class Scale(unittest.TestCase):
    def test_plan_of_70_billion_parameters(self):
        model = random_model("70b", "--shape=70b", "--type=q4_k", "--header-only")
        text = program([OPT, model, "--plan-only"])
        self.assertEqual(text.status, 0, text.err)
        self.assertLess(text.peak_mib, 1024)
        for word in ("compute", "memory", "context"):
            self.assertIn(word, text.out)
        json.loads(succeed([OPT, model, "--plan-only", "--output=json"]).out)

    def test_growth_with_layers(self):
        """Plan and IR grow by the same amount with every layer; code does not grow at all."""
        plan, ir, code = {}, {}, {}
        for layers in (2, 6, 10):
            model = random_model(f"layers-{layers}", f"--layers={layers}")
            artifact = compiled(model)
            plan[layers] = (artifact / "plan.pb").stat().st_size
            code[layers] = {p.name: p.stat().st_size for p in (artifact / "code").iterdir()}
            ir[layers] = len(succeed([OPT, model, "--compile-to=schedule"]).out)
        self.assertEqual(code[2], code[6])
        self.assertEqual(code[6], code[10])
        for size in (plan, ir):
            self.assertAlmostEqual((size[10] - size[6]) / (size[6] - size[2]), 1, delta=0.1)

    def test_compiling_1_billion_parameters(self):
        if shutil.disk_usage(WORK).free < 4 * GIB:
            self.skipTest("skipped: less than 4 GiB of disk")
        model, artifact = random_model("1.1b", "--shape=1.1b", "--type=q8_0"), WORK / "1.1b.lamina"
        self.addCleanup(model.unlink)
        self.addCleanup(shutil.rmtree, artifact, ignore_errors=True)
        result = program([OPT, model, "-o", artifact, "--quiet", f"--cpu-targets={native_target()}"], timeout=300)
        self.assertEqual(result.status, 0, result.err)
        self.assertLess(result.peak_mib, (model.stat().st_size + GIB) / (1 << 20))
        out = json.loads(succeed([RUN, artifact, "--prompt-tokens", "1,300,301,302", "-n", "4", "--output=json",
                                  "--ignore-eos"]).out)
        self.assertEqual(len(out["tokens"]), 4)
