//===- TestModel.h - an artifact for lamina-run that needs no compiler ----------------------*- C++ -*-===//
//
// The hand-written plan of the executor's tests (two workers, 32 tokens, context 100) with a vocabulary:
// "<unk>", "<s>",
// "</s>", then "a" (3) to "z" (28) and "0" to "2" (29 to 31). After a sequence of at least 14 tokens it
// always says "m" (15), before that "1" (30), which makes memory0 crash when it is processed.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_TOOLS_LAMINA_RUN_TESTMODEL_H
#define LAMINA_TEST_TOOLS_LAMINA_RUN_TESTMODEL_H

#include "runtime/io/plan.pb.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace lamina::test {

/// A temporary folder with the artifact model.lamina and the GGUF file model.gguf, which holds the
/// vocabulary.
class TestModel {
public:
  /// `memoryDevice`: the kind of device that the plan wants for memory0. `edit` changes the plan.
  explicit TestModel(const std::string &memoryDevice = "cpu",
                     const std::function<void(plan::Plan &)> &edit = {});
  ~TestModel();
  std::string artifact() const { return folder_ + "/model.lamina"; }
  std::string gguf() const { return folder_ + "/model.gguf"; }
  std::string file(const std::string &name) const { return folder_ + "/" + name; }

private:
  std::string folder_;
};

struct Outcome {
  int status = -1; ///< exit status, 128 + signal if a signal ended it
  std::string out;
  std::string err;
};

/// Runs a program to its end.
Outcome runProgram(const std::string &program, const std::vector<std::string> &arguments,
                   const std::string &input = "", const std::map<std::string, std::string> &environment = {});

/// The lamina-run that was built.
Outcome laminaRun(const std::vector<std::string> &arguments, const std::string &input = "");

std::string readFile(const std::string &path);
void writeFile(const std::string &path, const std::string &text);

} // namespace lamina::test

#endif // LAMINA_TEST_TOOLS_LAMINA_RUN_TESTMODEL_H
