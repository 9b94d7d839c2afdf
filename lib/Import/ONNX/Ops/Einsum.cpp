//===- Einsum.cpp - sums of products by their indices ---------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Einsum.h"

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
constexpr int64_t kMostEllipsis = 10;

absl::StatusOr<std::string> expandEllipsis(const OpContext &context, std::string term, int64_t axes) {
  size_t dots = term.find("...");
  if (dots != std::string::npos) {
    std::string labels;
    for (int64_t i = axes; i-- > 0;)
      labels.push_back(static_cast<char>('0' + i));
    term.replace(dots, 3, labels);
  }
  for (size_t i = 0; i < term.size(); ++i) {
    bool digit = dots != std::string::npos && i >= dots && i < dots + static_cast<size_t>(axes);
    if (!digit && !std::isalpha(static_cast<unsigned char>(term[i])))
      return context.error("the equation has an unexpected ", quoteName(std::string(1, term[i])));
  }
  return term;
}

std::vector<std::string> splitAt(const std::string &text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text)
    c == separator ? void(parts.emplace_back()) : parts.back().push_back(c);
  return parts;
}

absl::Status bindSizes(const OpContext &context, Equation &equation) {
  for (size_t n = 0; n < equation.operands.size(); ++n)
    for (size_t axis = 0; axis < equation.operands[n].size(); ++axis) {
      int64_t size = context.dims(n)[axis];
      auto [bound, fresh] = equation.sizes.try_emplace(equation.operands[n][axis], size);
      if (!fresh && bound->second == 1)
        bound->second = size;
      else if (bound->second != size && size != 1)
        return context.error("index '", std::string(1, bound->first), "' has sizes ", bound->second, " and ",
                             size);
    }
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<Equation> equationOf(OpContext &context) {
  std::string text = context.text("equation");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  size_t arrow = text.find("->");
  std::vector<std::string> terms = splitAt(text.substr(0, arrow), ',');
  if (terms.size() != context.numInputs() || text.size() > 1000)
    return context.error("the equation has ", terms.size(), " operands, the node ", context.numInputs());
  Equation equation;
  int64_t most = 0;
  for (size_t n = 0; n < terms.size(); ++n) {
    bool dots = terms[n].find("...") != std::string::npos;
    int64_t axes = context.in(n).rank() - static_cast<int64_t>(terms[n].size()) + (dots ? 3 : 0);
    if (axes < 0 || axes > kMostEllipsis || (!dots && axes != 0))
      return context.error("'", terms[n], "' does not name the axes of ", context.in(n).describe());
    most = std::max(most, axes);
    LAMINA_ASSIGN_OR_RETURN(terms[n], expandEllipsis(context, terms[n], axes));
  }
  equation.operands = terms;
  LAMINA_RETURN_IF_ERROR(bindSizes(context, equation));
  if (arrow != std::string::npos) {
    LAMINA_ASSIGN_OR_RETURN(equation.result, expandEllipsis(context, text.substr(arrow + 2), most));
  } else { // what the ellipsis stands for, then labels that occur once, in order of the alphabet
    for (int64_t i = most; i-- > 0;)
      equation.result.push_back(static_cast<char>('0' + i));
    for (const auto &[label, size] : equation.sizes) {
      size_t uses = 0;
      for (const std::string &operand : terms)
        uses += std::count(operand.begin(), operand.end(), label);
      if (std::isalpha(static_cast<unsigned char>(label)) && uses == 1)
        equation.result.push_back(label);
    }
  }
  for (size_t i = 0; i < equation.result.size(); ++i)
    if (!equation.sizes.count(equation.result[i]) || equation.result.find(equation.result[i]) != i)
      return context.error("index '", std::string(1, equation.result[i]),
                           "' of the result is not one of the operands'");
  return equation;
}

namespace {
absl::Status einsumRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(sameTypes(context));
  LAMINA_ASSIGN_OR_RETURN(Equation equation, equationOf(context));
  Dims dims;
  for (char label : equation.result)
    dims.push_back(equation.sizes[label]);
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

/// One loop over all indices: the result's outside, the summed ones inside.
absl::Status einsum(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Equation equation, equationOf(context));
  std::string labels = equation.result;
  for (const auto &[label, size] : equation.sizes)
    if (labels.find(label) == std::string::npos)
      labels.push_back(label);
  Dims dims;
  for (char label : labels)
    dims.push_back(equation.sizes[label]);
  int64_t operands = static_cast<int64_t>(context.numInputs());
  LAMINA_RETURN_IF_ERROR(
      context.spend({elementCount(dims), static_cast<int64_t>(dims.size()) + 4, operands}));
  std::vector<Dims> strides;
  std::vector<std::vector<double>> values;
  for (size_t n = 0; n < context.numInputs(); ++n) {
    Dims own = stridesOf(context.dims(n)), all(labels.size(), 0);
    for (size_t axis = 0; axis < own.size(); ++axis)
      if (context.dims(n)[axis] != 1)
        all[labels.find(equation.operands[n][axis])] += own[axis];
    strides.push_back(std::move(all));
    values.push_back(context.in(n).reals());
  }
  Dims place = stridesOf(dims);
  std::vector<double> result(context.out(0).count(), 0);
  int64_t summed = elementCount(std::span(dims).subspan(equation.result.size()));
  for (int64_t i = 0; i < elementCount(dims); ++i) {
    double product = 1;
    for (size_t n = 0; n < strides.size(); ++n) {
      int64_t at = 0;
      for (size_t axis = 0; axis < dims.size(); ++axis)
        at += i / place[axis] % dims[axis] * strides[n][axis];
      product *= values[n][at];
    }
    result[i / summed] += product;
  }
  context.out(0).setReals(result);
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "Einsum", .since = 12, .most = kVariadic, .rule = einsumRule, .semantics = einsum},
};
} // namespace

std::span<const OpRow> einsumRows() { return kRows; }

} // namespace lamina::onnx
