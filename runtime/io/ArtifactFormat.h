//===- ArtifactFormat.h - the constants of the artifact format ------------------------------*- C++ -*-===//
//
// What writer and reader of a deployment artifact agree on. docs/formats/artifact.md explains the directory.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_ARTIFACTFORMAT_H
#define LAMINA_RUNTIME_IO_ARTIFACTFORMAT_H

#include <cstddef>
#include <cstdint>

namespace lamina {

/// Version of the directory and its manifest. Raised when an older runtime would misread the result.
inline constexpr uint32_t kArtifactFormatVersion = 2;
/// The oldest artifact that this runtime reads: the previous format version.
inline constexpr uint32_t kOldestArtifactFormatVersion = 1;
/// The first version whose files have digests of chunks instead of one over all bytes.
inline constexpr uint32_t kChunkDigestFormatVersion = 2;
/// Version of plan.proto's meaning (Plan.format_version), with the same rule. 2: kernels may read LaminaStep.candidates.
inline constexpr uint32_t kPlanFormatVersion = 2;
inline constexpr uint32_t kOldestPlanFormatVersion = 1;

inline constexpr char kArtifactSuffix[] = ".lamina";

/// Files and folders of the directory.
inline constexpr char kManifestFile[] = "manifest.json";
inline constexpr char kPlanFile[] = "plan.pb";
inline constexpr char kTokenizerFile[] = "tokenizer.gguf";
inline constexpr char kCodeFolder[] = "code";       // <worker>.<target>.so
inline constexpr char kWeightsFolder[] = "weights"; // <worker>.bin

/// The buffers of a plan whose rows are what a step gives: logits, and perhaps, both or neither, the largest of each row in
/// descending order and their ids.
inline constexpr char kLogitsBuffer[] = "logits";
inline constexpr char kCandidateLogitsBuffer[] = "candidate_logits", kCandidateIdsBuffer[] = "candidate_ids";

/// Weight shards are mapped: their buffers start at multiples of LAMINA_BUFFER_ALIGNMENT, the file at a page.
inline constexpr size_t kWeightsPageBytes = 4096;

/// A file's digest is the SHA-256 of the SHA-256 digests of its chunks of this size, the last of which may be
/// shorter: so several threads can share a large file. Writers write whole chunks, which lets file systems
/// cache them in huge pages.
inline constexpr size_t kDigestChunkBytes = size_t{4} << 20;

/// Bounds that the reader enforces before it allocates.
inline constexpr size_t kMaxManifestBytes = size_t{16} << 20;
inline constexpr size_t kMaxPlanBytes = size_t{1} << 30;
/// The reader maps all files at once, and a process has 65530 mappings in all (vm.max_map_count).
inline constexpr size_t kMaxArtifactFiles = 4096;
inline constexpr size_t kMaxArtifactPathBytes = 512;

/// The first line of a manifest is this prefix, the SHA-256 of everything after the line, and this suffix.
inline constexpr char kManifestPrefix[] = "{\"sha256\":\"";
inline constexpr char kManifestSuffix[] = "\",\n";

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_ARTIFACTFORMAT_H
