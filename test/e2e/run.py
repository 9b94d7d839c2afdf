#!/usr/bin/env python3
"""Runs the end-to-end tests.

    run.py [--build BUILD_FOLDER] [--data TEST_DATA_FOLDER] [MODULE ...]      e.g. run.py --build build test_demo

Without modules all of them run. The last line counts: "e2e: N passed, N failed, N skipped".
"""

import argparse
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class CountingResult(unittest.TextTestResult):
    """Counts successes, because a class that is skipped as a whole is no test that ran."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("LAMINA_BUILD", str(HERE.parents[1] / "build")))
    parser.add_argument("--data", default=os.environ.get("LAMINA_TEST_DATA", str(HERE.parents[1] / "../shared")))
    parser.add_argument("-k", action="append", dest="patterns", help="only tests whose name contains this")
    parser.add_argument("modules", nargs="*")
    args = parser.parse_args()
    os.environ["LAMINA_BUILD"], os.environ["LAMINA_TEST_DATA"] = args.build, args.data
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if args.patterns:
        loader.testNamePatterns = [f"*{p}*" for p in args.patterns]
    names = args.modules or sorted(p.stem for p in HERE.glob("test_*.py"))
    suite = loader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(verbosity=2, resultclass=CountingResult).run(suite)
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print(f"e2e: {result.passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if result.wasSuccessful() and result.passed + skipped else 1


if __name__ == "__main__":
    sys.exit(main())
