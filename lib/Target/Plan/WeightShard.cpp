//===- WeightShard.cpp - a worker's weights in one file -------------------------------------------------------===//

#include "lib/Target/Plan/WeightShard.h"

#include "dialects/LM/IR/LM.h"
#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/Plan/PlanWriter.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;

/// The bytes that `weight` names, checked against the files at hand: the module may have been edited since it was
/// imported.
static absl::StatusOr<WeightSource> locate(lm::WeightOp weight, const ModelFiles &model) {
  WeightSource source;
  source.type = weight.getTensorType();
  source.ropeHeads = weight.getRopeHeads().value_or(0);
  source.ropeLength = weight.getRopeLength().value_or(0);
  source.columnPitch = weight.getColumnPitch().value_or(0);
  uint64_t elements = source.type.getNumElements() / weight.getSources().size();
  if (source.columnPitch != 0) // from the first column's first element to the last one's last
    elements = llvm::SaturatingMultiplyAdd<uint64_t>(source.type.getDimSize(1) - 1, source.columnPitch,
                                                     source.type.getDimSize(0) / weight.getSources().size());
  for (auto place : weight.getSources().getAsRange<lm::SourceAttr>()) {
    const BlockFormat *format = findBlockFormat(std::string_view(place.getFormat()));
    if (!format || uint64_t(place.getPart()) >= model.files.size())
      return absl::InvalidArgumentError(absl::StrCat("weight ", weight.getSymName().str(),
                                                     " names a format or a file that does not exist"));
    const auto &[path, bytes] = model.files[place.getPart()];
    // A pitch that was edited may be any number; no format has more than 256 elements in a byte.
    uint64_t offset = place.getOffset(), length = format->bytesOf(std::min(elements, uint64_t(bytes.size()) << 8));
    if (offset > bytes.size() || length > bytes.size() - offset)
      return absl::OutOfRangeError(absl::StrCat(path, ": weight ",
                                                weight.getSymName().str(), " reaches beyond the file: ", length,
                                                " bytes at ", offset, " of ", bytes.size()));
    source.parts.push_back({format, bytes.data() + offset});
  }
  return source;
}

absl::Status lamina::checkWeights(plan::ProgramOp program, const ModelFiles &model) {
  SymbolTable symbols(program->getParentOp());
  for (auto buffer : program.getBody().front().getOps<plan::BufferOp>())
    if (buffer.getSource())
      LAMINA_RETURN_IF_ERROR(locate(symbols.lookup<lm::WeightOp>(*buffer.getSource()), model).status());
  return absl::OkStatus();
}

absl::Status lamina::writeWeightShard(ArtifactWriter &artifact, plan::ProgramOp program, const ModelFiles &model,
                                      unsigned threads) {
  LAMINA_ASSIGN_OR_RETURN(ArtifactFileWriter file, artifact.openFile(weightsFileName(program), *program.getWeightBytes()));
  SymbolTable symbols(program->getParentOp());
  for (auto buffer : program.getBody().front().getOps<plan::BufferOp>()) {
    if (buffer.getKind() != plan::BufferKind::weight)
      continue;
    LAMINA_ASSIGN_OR_RETURN(WeightSource source, locate(symbols.lookup<lm::WeightOp>(*buffer.getSource()), model));
    std::string gap(*buffer.getOffset() - file.offset(), '\0');
    LAMINA_RETURN_IF_ERROR(file.append(gap));
    LAMINA_RETURN_IF_ERROR(packWeight(source, threads, [&](std::span<const uint8_t> bytes) { return file.append(bytes); }));
  }
  LAMINA_RETURN_IF_ERROR(file.alignTo(kWeightsPageBytes));
  return file.close();
}
