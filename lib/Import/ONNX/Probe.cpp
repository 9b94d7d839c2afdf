//===- Probe.cpp - evaluates at points and compares -----------------------------------------------------===//

#include "lib/Import/ONNX/Probe.h"

#include "lib/Import/ONNX/PositionRows.h"
#include "lib/Import/ONNX/ProbeInputs.h"
#include "lib/Import/ONNX/Recognize.h"

#include "absl/strings/str_join.h"

namespace lamina::onnx {

namespace {
/// The first three determine an affine function; the others check it. No two share S, P or their sum, and
/// there are a step after a prompt (S = 1) and a prompt without a past.
constexpr ProbePoint kPoints[] = {{5, 3}, {7, 11}, {13, 2}, {1, 4}, {6, 0}, {1, 25}};
/// For models whose masks cannot take several new tokens behind others.
constexpr ProbePoint kPromptsAndSteps[] = {{5, 0}, {7, 0}, {1, 4}, {13, 0}, {1, 11}, {1, 25}};
constexpr int64_t kLongestPast = 25;

std::string term(int64_t factor, std::string_view name) {
  return factor == 1 ? std::string(name) : factor == -1 ? strCat("-", name) : strCat(factor, " ", name);
}

/// All values at each point: by point, then by value.
using AllSamples = std::vector<std::vector<Tensor>>;

absl::StatusOr<AllSamples> evaluateAt(const Model &model, std::span<const ProbePoint> points,
                                      const ProbeOptions &options) {
  AllSamples samples;
  for (const ProbePoint &point : points) {
    std::vector<Tensor> inputs;
    for (ValueId id : model.graph.inputs) {
      LAMINA_ASSIGN_OR_RETURN(Tensor input, inputAt(model.graph.values[id], point, options));
      inputs.push_back(std::move(input));
    }
    Evaluator evaluator(model, options.limits);
    LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> values, evaluator.values(std::move(inputs)));
    samples.push_back(std::move(values));
  }
  return samples;
}

std::vector<ProbedValue> recognizeAll(size_t values, const AllSamples &samples,
                                      std::span<const ProbePoint> points) {
  std::vector<ProbedValue> probed(values);
  for (size_t id = 0; id < probed.size(); ++id) {
    std::vector<Tensor> own;
    for (const std::vector<Tensor> &at : samples)
      own.push_back(at[id]);
    probed[id] = recognize(own, points);
  }
  nameRotations(probed, samples, points);
  return probed;
}
} // namespace

std::string Affine::text() const {
  std::string text = s ? term(s, "S") : "";
  auto append = [&](const std::string &part, bool negative) {
    text += text.empty() ? part
            : negative   ? strCat(" - ", std::string_view(part).substr(1))
                         : strCat(" + ", part);
  };
  if (p)
    append(term(p, "P"), p < 0);
  if (constant || text.empty())
    append(std::to_string(constant), constant < 0);
  return text;
}

std::string ProbedValue::describe() const {
  struct Describe {
    std::string operator()(const Computed &) const { return ""; }
    std::string operator()(const Unnamed &) const { return ": by the batch"; }
    std::string operator()(const Fixed &) const { return ": fixed"; }
    std::string operator()(const Numbers &numbers) const {
      auto text = [](std::string *out, const Affine &affine) { *out += affine.text(); };
      return strCat(": (", absl::StrJoin(numbers.elements, ", ", text), ")");
    }
    std::string operator()(const Filled &filled) const { return strCat(": all ", filled.value); }
    std::string operator()(const Positions &p) const {
      return strCat(": positions from ", p.first.text(), " along axis ", p.axis);
    }
    std::string operator()(const Mask &mask) const {
      return strCat(": causal mask, ", mask.visible, " or ", mask.hidden,
                    mask.window ? strCat(", window ", *mask.window) : "");
    }
    std::string operator()(const RowsByPosition &rows) const {
      constexpr std::string_view kKinds[] = {"rows", "angles", "cosines", "sines"};
      return strCat(": ", kKinds[static_cast<int>(rows.kind)], " by position from ", rows.first.text(),
                    " along axis ", rows.axis);
    }
  };
  auto text = [](std::string *out, const Affine &size) { *out += size.text(); };
  return strCat(elementTypeName(type), "[", absl::StrJoin(dims, ", ", text), "]",
                std::visit(Describe{}, meaning));
}

absl::StatusOr<std::vector<ProbedValue>> probe(const Model &model, const ProbeOptions &options) {
  auto pointsOf = [&](std::span<const ProbePoint> some) {
    std::vector<ProbePoint> points(some.begin(), some.end());
    if (options.longest > kLongestPast + 1)
      points.push_back({1, options.longest - 1});
    return points;
  };
  std::vector<ProbePoint> points = pointsOf(kPoints);
  absl::StatusOr<AllSamples> samples = evaluateAt(model, points, options);
  if (!samples.ok()) {
    points = pointsOf(kPromptsAndSteps);
    absl::StatusOr<AllSamples> separate = evaluateAt(model, points, options);
    if (!separate.ok())
      return samples.status();
    samples = std::move(separate);
  }
  return recognizeAll(model.graph.values.size(), *samples, points);
}

} // namespace lamina::onnx
