"""Configuration of the lit tests: .mlir files that run lamina-opt and check what it prints."""

import os

import lit.formats

config.name = "lamina"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.lamina_binary_dir, "test")
config.excludes = ["data", "e2e", "runtime"]
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.lamina_binary_dir, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")])
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%source_dir", config.lamina_source_dir))
config.substitutions.append(("%test_data", config.lamina_test_data))
if os.path.isdir(config.lamina_test_data):
    config.available_features.add("test-data")
