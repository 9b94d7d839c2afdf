//===- LaminaRun.h - lamina-run over a model of the tests ------------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_TOOLS_LAMINA_RUN_LAMINARUN_H
#define LAMINA_TEST_TOOLS_LAMINA_RUN_LAMINARUN_H

#include "TestModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace lamina::test {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

inline const std::string kFifteen = "abcdefghijklmn"; // with bos fifteen tokens: then the model says "m"

class LaminaRun : public testing::Test {
protected:
  Outcome run(std::vector<std::string> arguments, const std::string &input = "") {
    arguments.insert(arguments.begin(), model_.artifact());
    return laminaRun(arguments, input);
  }

  Json json(std::vector<std::string> arguments) {
    arguments.push_back("--output=json");
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    Json result = Json::parse(outcome.out, nullptr, false);
    EXPECT_TRUE(result.is_object()) << outcome.out;
    return result;
  }

  void refused(const Outcome &outcome, int status, const std::string &words) {
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(words));
    EXPECT_EQ(outcome.out, "");
    if (status == 1)
      EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }

  TestModel model_;
};

/// Whether script, of util-linux, can give a program a terminal.
inline bool canMakeTerminals() {
  return runProgram("/bin/sh", {"-c", "script -qec true /dev/null < /dev/null"}).status == 0;
}

} // namespace lamina::test

#endif // LAMINA_TEST_TOOLS_LAMINA_RUN_LAMINARUN_H
