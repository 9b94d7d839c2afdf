//===- WeightShard.cpp - a worker's weights in one file -------------------------------------------------------===//

#include "lib/Target/Plan/WeightShard.h"

#include "dialects/LM/IR/LM.h"
#include "lib/Target/Kernels/PackedWeight.h"
#include "lib/Target/Plan/PlanWriter.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Where the bytes of a weight lie.
struct Place {
  const BlockFormat *format;
  const ModelFiles::File *file;
  uint64_t offset, length;
};

struct Located {
  WeightSource source; ///< without its parts
  std::vector<Place> places;
};

} // namespace

/// The places that `weight` names, checked against the files at hand: the module may have been edited since it was
/// imported.
static absl::StatusOr<Located> locate(lm::WeightOp weight, const ModelFiles &model) {
  Located located;
  WeightSource &source = located.source;
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
    const ModelFiles::File &file = model.files[place.getPart()];
    // A pitch that was edited may be any number; no format has more than 256 elements in a byte.
    uint64_t size = file.size(), offset = place.getOffset();
    uint64_t length = format->bytesOf(std::min(elements, llvm::SaturatingMultiply<uint64_t>(size, 256)));
    if (offset > size || length > size - offset)
      return absl::OutOfRangeError(absl::StrCat(file.path, ": weight ", weight.getSymName().str(),
                                                " reaches beyond the file: ", length, " bytes at ", offset,
                                                " of ", size));
    located.places.push_back({format, &file, offset, length});
  }
  return located;
}

/// Gives the source its parts: bytes of files where they are, computed ones in `computed`.
static absl::Status readParts(Located &located, std::vector<std::vector<uint8_t>> &computed) {
  for (const Place &place : located.places) {
    const uint8_t *bytes = place.file->bytes.data() + place.offset;
    if (place.file->compute) {
      computed.emplace_back(place.length);
      LAMINA_RETURN_IF_ERROR(place.file->compute(place.offset, computed.back()));
      bytes = computed.back().data();
    }
    located.source.parts.push_back({place.format, bytes});
  }
  return absl::OkStatus();
}

absl::Status lamina::checkWeights(plan::ProgramOp program, const ModelFiles &model) {
  SymbolTable symbols(program->getParentOp());
  for (auto buffer : program.getBody().front().getOps<plan::BufferOp>())
    if (buffer.getSource())
      LAMINA_RETURN_IF_ERROR(locate(symbols.lookup<lm::WeightOp>(*buffer.getSource()), model).status());
  return absl::OkStatus();
}

absl::Status lamina::writeWeightShard(ArtifactWriter &artifact, plan::ProgramOp program,
                                      const ModelFiles &model, unsigned threads) {
  LAMINA_ASSIGN_OR_RETURN(ArtifactFileWriter file,
                          artifact.openFile(weightsFileName(program), *program.getWeightBytes()));
  SymbolTable symbols(program->getParentOp());
  for (auto buffer : program.getBody().front().getOps<plan::BufferOp>()) {
    if (buffer.getKind() != plan::BufferKind::weight)
      continue;
    LAMINA_ASSIGN_OR_RETURN(Located located,
                            locate(symbols.lookup<lm::WeightOp>(*buffer.getSource()), model));
    std::vector<std::vector<uint8_t>> computed; // lives until the weight is packed
    LAMINA_RETURN_IF_ERROR(readParts(located, computed));
    std::string gap(*buffer.getOffset() - file.offset(), '\0');
    LAMINA_RETURN_IF_ERROR(file.append(gap));
    LAMINA_RETURN_IF_ERROR(packWeight(located.source, threads,
                                      [&](std::span<const uint8_t> bytes) { return file.append(bytes); }));
  }
  LAMINA_RETURN_IF_ERROR(file.alignTo(kWeightsPageBytes));
  return file.close();
}
