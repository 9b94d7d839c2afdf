"""Trained models of the external test data: recorded greedy ids, streamed text, perplexity."""

import functools
import json
import struct
import unittest

from harness import RUN, WORK, compiled, data, generate, mean_nll, succeed

MODEL = "models/stories260K.gguf"


@functools.cache
def recorded():
    return next(iter(json.loads(data("models/golden.json").read_text()).values()))


@functools.cache
def vocabulary():
    """tok512.bin: longest piece (i32), then for each token its score (f32), length (i32) and bytes."""
    raw, offset, pieces = data("models/tok512.bin").read_bytes(), 4, []
    while offset < len(raw):
        _, length = struct.unpack_from("<fi", raw, offset)
        pieces.append(raw[offset + 8:offset + 8 + length].decode())
        offset += 8 + length
    return pieces


class Models(unittest.TestCase):
    def test_greedy_ids_and_text(self):
        artifact = compiled(data(MODEL), "--kv-type=f32")
        for case in recorded()["cases"]:
            with self.subTest(case["prompt"]):
                run = generate(artifact, case["prompt_ids"], count=64)
                self.assertEqual(run.json["tokens"], case["greedy_ids"])
                for token, logit in case["last_prompt_top5"]:
                    self.assertAlmostEqual(run.logits[-1][token], logit, delta=1e-3)
                text = succeed([RUN, artifact, "--prompt", case["prompt"], "-n", "64", "--ignore-eos"]).out
                self.assertEqual(text, run.json["text"] + "\n")

    def test_nll_of_recorded_ids(self):
        ids = recorded()["nll"]["ids"]
        for flags, delta in ((("--kv-type=f32",), 1e-4), ((), 1e-2)):
            with self.subTest(flags=flags):
                run = generate(compiled(data(MODEL), *flags), ids, count=1)
                self.assertAlmostEqual(mean_nll(run.logits, ids), recorded()["nll"]["mean_nll"], delta=delta)

    def test_perplexity_of_the_same_text(self):
        ids = recorded()["nll"]["ids"]
        text = "".join(vocabulary()[i] for i in ids[1:]).removeprefix(" ")
        file = WORK / "story.txt"
        file.write_text(text)
        artifact = compiled(data(MODEL), "--kv-type=f32")
        self.assertEqual(json.loads(succeed([RUN, artifact, "--tokenize", "--prompt", text]).out), ids)
        result = json.loads(succeed([RUN, artifact, "--perplexity", file, "--output=json"]).out)
        self.assertEqual(result["predictions"], len(ids) - 1)
        self.assertAlmostEqual(result["mean_nll"], recorded()["nll"]["mean_nll"], delta=1e-4)

    def test_perplexity_of_a_long_text(self):
        """The first windows of a text: --perplexity and the logits of the same windows say the same."""
        text = data("text/wikitext-2-raw-wiki.test.raw").read_text()[:2000]
        file = WORK / "wiki.txt"
        file.write_text(text)
        artifact = compiled(data(MODEL))
        result = json.loads(succeed([RUN, artifact, "--perplexity", file, "--context-size", "256", "--output=json"]).out)
        ids = json.loads(succeed([RUN, artifact, "--tokenize", "--no-bos", "--prompt", text]).out)
        total = count = 0
        for i, window in enumerate(result["windows"]):
            part = [1] + ids[i * 255:(i + 1) * 255]
            nll = mean_nll(generate(artifact, part, count=1).logits, part)
            self.assertAlmostEqual(window["mean_nll"], nll, delta=1e-5)
            total, count = total + nll * (len(part) - 1), count + len(part) - 1
        self.assertEqual(result["predictions"], count)
        self.assertAlmostEqual(result["mean_nll"], total / count, delta=1e-5)

    def test_large_vocabulary(self):
        """32000 tokens, random weights: one device and two workers agree."""
        ids = [1, 450, 4996, 17354, 1701, 29916]
        model = data("models/llama-2-tiny-random.gguf")
        one = generate(compiled(model, "--placement=monolithic"), ids, count=8)
        two = generate(compiled(model), ids, count=8)
        self.assertEqual(one.json["tokens"], two.json["tokens"])
        self.assertTrue(one.logits == two.logits)
