"""lamina-bench: its formats, what it measures, what it refuses, and the cluster file of its probe."""

import csv
import io
import json
import sys
import unittest

from harness import BENCH, DEMO, OPT, ROOT, WORK, compiled, program, succeed

# The columns of llama-bench's CSV; its JSON has the samples after them, and ours what llama-bench does not know.
COLUMNS = """build_commit build_number cpu_info gpu_info backends model_filename model_type model_size model_n_params
    n_batch n_ubatch n_threads cpu_mask cpu_strict poll type_k type_v n_gpu_layers n_cpu_moe split_mode main_gpu
    no_kv_offload flash_attn devices tensor_split tensor_buft_overrides load_mode lazy_mode embeddings no_op_offload
    no_host repack fit_target fit_min_ctx n_prompt n_gen n_depth test_time avg_ns stddev_ns avg_ts stddev_ts""".split()
SAMPLES, OURS = ["samples_ns", "samples_ts"], ["load_ns", "first_token_ns", "workers"]
BATCHED = """n_kv_max n_batch n_ubatch flash_attn is_pp_shared n_gpu_layers n_threads n_threads_batch pp tg pl n_kv t_pp
    speed_pp t_tg speed_tg t speed workers""".split()
SHORT = ["-p", 8, "-n", 4, "-r", 2, "-t", 1]


def bench(*flags):
    return succeed([BENCH, compiled(DEMO), *flags])


class Bench(unittest.TestCase):
    def test_json(self):
        tests = json.loads(bench(*SHORT, "-pg", "8,4", "-d", "0,32", "-o", "json").out)
        self.assertEqual([(t["n_prompt"], t["n_gen"], t["n_depth"]) for t in tests],
                         [(8, 0, 0), (0, 4, 0), (8, 4, 0), (8, 0, 32), (0, 4, 32), (8, 4, 32)])
        for test in tests:
            self.assertEqual(list(test), COLUMNS + SAMPLES + OURS)
            self.assertEqual(len(test["samples_ns"]), 2)
            self.assertAlmostEqual(test["avg_ts"], sum(test["samples_ts"]) / 2, places=3)
            self.assertAlmostEqual(test["samples_ts"][0] * test["samples_ns"][0] * 1e-9, test["n_prompt"] + test["n_gen"])
            self.assertLess(0, test["load_ns"])
            self.assertLess(test["load_ns"], test["first_token_ns"])
            self.assertEqual([w["class"] for w in test["workers"]], ["compute", "memory"])
            for worker in test["workers"]:
                self.assertTrue(0 < worker["busy"] <= 1, worker)
                self.assertLess(0, worker["bandwidth"])
        compute, memory = tests[1]["workers"]
        self.assertEqual(compute["bytes_sent_per_token"], memory["bytes_received_per_token"])
        self.assertEqual(compute["bytes_received_per_token"], memory["bytes_sent_per_token"])
        # Behind 32 tokens the memory worker reads 32 more of the cache in every step, the compute worker the same weights.
        deep_compute, deep_memory = tests[4]["workers"]
        self.assertEqual(deep_compute["bytes_read_per_step"], compute["bytes_read_per_step"])
        self.assertAlmostEqual(deep_memory["bytes_read_per_step"] / memory["bytes_read_per_step"], (32 + 2.5) / 2.5)

    def test_json_lines(self):
        result = bench(*SHORT, "--npl", "1,3", "--npp", 8, "--ntg", 4, "-o", "jsonl")
        objects = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([list(o) for o in objects], [COLUMNS + SAMPLES + OURS] * 2 + [BATCHED] * 2)
        self.assertEqual([(o["pp"], o["tg"], o["pl"], o["n_kv"]) for o in objects[2:]], [(8, 4, 1, 12), (8, 4, 3, 36)])
        self.assertAlmostEqual(objects[3]["speed_tg"] * objects[3]["t_tg"], 12)

    def test_long_contexts_need_not_be_computed(self):
        objects = [json.loads(line) for line in
                   bench("--npl", "1,3", "--npp", 100, "--ntg", 4, "-t", 1, "--no-fill", "-o", "jsonl").out.splitlines()]
        self.assertEqual([(o["pl"], o["n_kv"], o["t_pp"], o["speed_pp"]) for o in objects], [(1, 104, 0, 0), (3, 312, 0, 0)])
        self.assertAlmostEqual(objects[1]["speed"], objects[1]["speed_tg"])
        filled, touched = (json.loads(bench("-p", 0, "-n", 4, "-d", 100, "-r", 1, "-t", 1, "-o", "json", *flags).out)[0]
                           for flags in ([], ["--no-fill"]))
        self.assertEqual([w["bytes_read_per_step"] for w in filled["workers"]],
                         [w["bytes_read_per_step"] for w in touched["workers"]])

    def test_kernels(self):
        kernels = [json.loads(line) for line in
                   bench("--kernels", "--npl", "1,2", "--npp", 31, "-t", 1, "-o", "jsonl").out.splitlines()]
        self.assertTrue(all(k["seconds"] > 0 and k["launches"] > 0 and not k["gpu"] for k in kernels))
        self.assertEqual({(k["pl"], k["pp"]) for k in kernels}, {(1, 31), (2, 31)})
        whole = json.loads(bench("--npl", 2, "--npp", 31, "--ntg", 1, "-t", 1, "-o", "jsonl").out)
        for worker in whole["workers"]:  # each byte is read by one kernel
            own = [k for k in kernels if k["worker"] == worker["name"] and k["pl"] == 2]
            self.assertEqual(sum(k["bytes_read"] for k in own), worker["bytes_read_per_step"])
        attention = [k for k in kernels if k["kernel"] == "online_attention"]
        self.assertEqual([k["worker"] for k in attention], ["memory0"] * 2)
        self.assertEqual(attention[1]["bytes_read"], 2 * attention[0]["bytes_read"])
        self.assertIn("online_attention", bench("--kernels", "-t", 1).out)

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(bench(*SHORT, "-o", "csv").out)))
        self.assertEqual([list(r) for r in rows], [COLUMNS] * 2)
        self.assertEqual([(r["n_prompt"], r["n_gen"], r["n_threads"]) for r in rows], [("8", "0", "1"), ("0", "4", "1")])

    def test_markdown(self):
        text = bench(*SHORT, "-d", 16, "--npl", 2, "--npp", 8, "--ntg", 4).out
        tables = [[line for line in table.splitlines() if line.startswith("|")] for table in text.split("\n\n")]
        for table in filter(None, tables):
            self.assertEqual(len({line.count("|") for line in table}), 1, table)
        for words in ("pp8 @ d16", "tg4 @ d16", " ± ", "T_PP s", "tg4 x 2", "memory0", "process start to load done",
                      "to first token, pp16", "build: lamina "):
            self.assertIn(words, text)

    def test_both_streams(self):
        result = bench(*SHORT, "-o", "none", "-oe", "jsonl", "--progress")
        self.assertEqual(result.out, "")
        lines = result.err.splitlines()
        self.assertEqual(lines[0], "lamina-bench: benchmark 1/2: pp8")
        self.assertEqual(json.loads(lines[1])["n_prompt"], 8)

    def test_every_number_of_threads_in_turn(self):
        tests = json.loads(bench("-p", 8, "-n", 0, "-r", 1, "-t", "1-2", "-o", "json", "--inproc").out)
        self.assertEqual([t["n_threads"] for t in tests], [1, 2])

    def test_a_model_is_compiled_with_room_for_the_tests(self):
        result = succeed([BENCH, DEMO, "-p", 0, "-n", 0, "--npl", 20, "--npp", 200, "--ntg", 8, "-o", "jsonl"])
        test = json.loads(result.out)
        self.assertEqual((test["pl"], test["n_kv_max"]), (20, 20 * 208))

    def refused(self, status, words, *argv):
        result = program([BENCH, *argv], timeout=30)
        self.assertEqual(result.status, status, result.err)
        self.assertEqual(result.out, "")
        self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
        self.assertIn(words, result.err)

    def test_refusals(self):
        model = compiled(DEMO, "--max-context=64")
        self.refused(2, "nothing to measure: give MODEL, --probe or --cuda")
        self.refused(2, "--n-prompt: expected up to 10000 numbers", model, "-p", "many")
        self.refused(2, "these lists make ", model, "-p", "1-5000", "-d", "1-5000")
        self.refused(2, "--frobnicate", model, "--frobnicate")
        self.refused(2, "--kernels prints md or jsonl, got 'csv'", model, "--kernels", "-o", "csv")
        for option, *value in (["--n-gen", 4], ["--repetitions", 2], ["--no-warmup"], ["--no-fill"], ["--inproc"],
                               ["--progress"], ["--output-err", "md"]):
            self.refused(2, f"--kernels times single steps of --npl and --npp and takes no {option};", model, "--kernels",
                         option, *value)
        self.refused(2, "--kernels takes one number of --threads, got '1-2'", model, "--kernels", "-t", "1-2")
        self.refused(2, "--output: expected md, csv, json, jsonl or none, got 'xml'", model, "-o", "xml")
        self.refused(1, "cannot open", WORK / "nowhere.lamina")
        self.refused(1, "tg8 @ d60 needs 68 tokens, but the compiled context is 64; lower -p, -n or -d or compile with "
                        "--max-context=68", model, "-p", 0, "-n", 8, "-d", 60)
        encoder = WORK / "encoder.onnx"
        succeed([sys.executable, ROOT / "tools/dev/make_onnx_encoder.py", encoder, "bert"])
        self.refused(1, "computes tensors from tensors; what is measured are models that generate tokens",
                     compiled(encoder, "--dim=batch=1", "--dim=sequence=8"))
        self.refused(1, "compile with --max-sequences=17", model, "--npl", 17, "--npp", 1, "--ntg", 1)

    def test_probe(self):
        cluster = WORK / "probed.yaml"
        table = succeed([BENCH, "--probe", "-t", 1, "-o", cluster]).out
        for words in ("memory read", "f32, ", "int8, ", "round trip", "GB/s"):
            self.assertIn(words, table)
        topology = succeed([OPT, DEMO, "--cluster", cluster, "--compile-to=partition"]).out
        for words in ("int8_ops = ", "flops = ", "bandwidth = ", "latency_ns = ", "memory_bytes = "):
            self.assertIn(words, topology)
        self.refused(1, "cannot write", "--probe", "-t", 1, "-o", WORK / "no/such/folder.yaml")
        self.refused(1, "Is a directory", "--probe", "-t", 1, "-o", WORK)
        self.assertEqual(list(WORK.glob("probed.yaml.*")), [])
