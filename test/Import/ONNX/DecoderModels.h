//===- DecoderModels.h - the shared decoders, and steps of them -------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_IMPORT_ONNX_DECODERMODELS_H
#define LAMINA_TEST_IMPORT_ONNX_DECODERMODELS_H

#include "lib/Import/ONNX/Inline.h"
#include "lib/Import/ONNX/Probe.h"
#include "lib/Import/ONNX/ProbeInputs.h"
#include "lib/Import/ONNX/Reader.h"

#include <algorithm>

namespace lamina::onnx {

inline absl::StatusOr<Model> decoder(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(Model model, readModel(std::string(LAMINA_TEST_DATA) + "/onnx/" + path));
  return inlined(std::move(model));
}

inline bool haveDecoders() {
  return readModel(std::string(LAMINA_TEST_DATA) + "/onnx/capp-gpt/model.onnx").ok();
}

/// A decoder with the caches of the tokens that it has seen.
class Session {
public:
  explicit Session(const Model &model) : model_(model) {}

  /// Logits of the last token, after these.
  absl::StatusOr<std::vector<double>> step(const std::vector<int64_t> &tokens) {
    ProbePoint point{static_cast<int64_t>(tokens.size()), past_};
    std::vector<Tensor> inputs;
    size_t cache = 0;
    for (ValueId id : model_.graph.inputs) {
      const Value &value = model_.graph.values[id];
      LAMINA_ASSIGN_OR_RETURN(Tensor input, inputAt(value, point, {}));
      if (roleOf(value) == InputRole::Tokens)
        input = Tensor::ofIntegers(tokens, input.dims());
      else if (roleOf(value) == InputRole::Cache && past_ == 0)
        input.allocate();
      else if (roleOf(value) == InputRole::Cache)
        input = caches_.at(cache++);
      inputs.push_back(std::move(input));
    }
    Evaluator evaluator(model_);
    LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, evaluator.run(std::move(inputs)));
    past_ += point.S;
    caches_.assign(outputs.begin() + 1, outputs.end());
    std::vector<double> logits = outputs[0].reals();
    return std::vector<double>(logits.end() - outputs[0].dims().back(), logits.end());
  }

private:
  const Model &model_;
  int64_t past_ = 0;
  std::vector<Tensor> caches_;
};

inline int64_t largest(const std::vector<double> &logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

} // namespace lamina::onnx

#endif // LAMINA_TEST_IMPORT_ONNX_DECODERMODELS_H
