//===- PageAllocator.cpp - which pages of the KV cache a sequence holds -------------------------------===//

#include "runtime/kvcache/PageAllocator.h"

#include "runtime/device/KernelABI.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace lamina {
namespace {

constexpr int32_t kNoPage = -1;

int64_t pagesFor(int64_t tokens) { return (tokens + LAMINA_KV_PAGE_TOKENS - 1) / LAMINA_KV_PAGE_TOKENS; }

} // namespace

PageAllocator::PageAllocator(int64_t pages, std::span<int32_t> blockTable, int64_t stride, int64_t maxContext)
    : totalPages_(pages), blockTable_(blockTable), stride_(stride),
      maxContext_(std::min(maxContext, stride * LAMINA_KV_PAGE_TOKENS)) {
  std::fill(blockTable.begin(), blockTable.end(), kNoPage);
  held_.assign(stride > 0 ? blockTable.size() / size_t(stride) : 0, -1);
  freePages_.reserve(size_t(pages));
  for (int64_t page = pages; page-- > 0;)
    freePages_.push_back(int32_t(page));
}

absl::Status PageAllocator::checkOpen(int sequence) const {
  if (sequence < 0 || size_t(sequence) >= held_.size() || held_[size_t(sequence)] < 0)
    return absl::InvalidArgumentError(absl::StrCat("sequence slot ", sequence, " is not in use"));
  return absl::OkStatus();
}

absl::StatusOr<int> PageAllocator::openSequence() {
  auto slot = std::find(held_.begin(), held_.end(), -1);
  if (slot == held_.end())
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", held_.size(),
                     " sequence slots are in use; finish a sequence or compile the "
                     "model with a larger max_sequences"));
  *slot = 0;
  return int(slot - held_.begin());
}

int64_t PageAllocator::pagesNeeded(int sequence, int64_t tokens) const {
  int64_t held = checkOpen(sequence).ok() ? held_[size_t(sequence)] : 0;
  return std::max<int64_t>(pagesFor(tokens) - held, 0);
}

absl::Status PageAllocator::reserve(int sequence, int64_t tokens) {
  LAMINA_RETURN_IF_ERROR(checkOpen(sequence));
  if (tokens < 0 || tokens > maxContext_)
    return absl::OutOfRangeError(absl::StrCat("a sequence of ", tokens,
                                              " tokens does not fit the context of ", maxContext_,
                                              "; compile the model with a larger max_context"));
  int64_t needed = pagesNeeded(sequence, tokens);
  if (needed > freePages())
    return absl::ResourceExhaustedError(
        absl::StrCat("the KV cache is full: ", needed - freePages(), " more of its ", totalPages_,
                     " pages of ", int(LAMINA_KV_PAGE_TOKENS),
                     " tokens are needed; finish a sequence or compile the model with a larger kv_pages"));
  int64_t &held = held_[size_t(sequence)];
  for (int64_t i = 0; i < needed; ++i) {
    row(sequence)[held++] = freePages_.back();
    freePages_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status PageAllocator::truncate(int sequence, int64_t tokens) {
  LAMINA_RETURN_IF_ERROR(checkOpen(sequence));
  int64_t &held = held_[size_t(sequence)];
  for (int64_t keep = pagesFor(std::max<int64_t>(tokens, 0)); held > keep;) {
    int32_t &entry = row(sequence)[--held];
    freePages_.push_back(entry);
    entry = kNoPage;
  }
  return absl::OkStatus();
}

absl::Status PageAllocator::closeSequence(int sequence) {
  LAMINA_RETURN_IF_ERROR(truncate(sequence, 0));
  held_[size_t(sequence)] = -1;
  return absl::OkStatus();
}

int PageAllocator::freeSequences() const { return int(std::count(held_.begin(), held_.end(), -1)); }

} // namespace lamina
