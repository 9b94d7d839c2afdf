//===- ChannelSizing.h - the channels that a plan's transfers need --------------------------*- C++ -*-===//
//
// Runs the programs of all workers on paper: which messages are under way at once decides how large the rings
// between them must be, and a plan whose programs wait for each other in a circle is refused here instead of
// hanging.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_CHANNELSIZING_H
#define LAMINA_RUNTIME_EXECUTOR_CHANNELSIZING_H

#include "runtime/base/Status.h"
#include "runtime/io/plan.pb.h"
#include "runtime/transport/SharedMemoryTransport.h"

#include <vector>

namespace lamina {

/// One channel for each ordered pair of workers with transfers, large enough that no step within the limits
/// blocks for good. Expects that the indices and sizes of instructions and transfers have been checked.
/// InvalidArgument if a transfer is not sent, received and waited for exactly once, if two workers disagree
/// about the order of their messages, or if the workers would wait for each other forever.
absl::StatusOr<std::vector<ChannelSpec>> sizeChannels(const plan::Plan &plan);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_CHANNELSIZING_H
