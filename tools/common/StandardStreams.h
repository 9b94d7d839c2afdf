//===- StandardStreams.h - programs that are started with a stream closed -------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_STANDARDSTREAMS_H
#define LAMINA_TOOLS_COMMON_STANDARDSTREAMS_H

#include <fcntl.h>
#include <unistd.h>

namespace lamina {

/// Takes the places of those of standard input, output and error that are closed. Else a file that is opened later would
/// take one, and what is printed would go into it. Using them stays an error.
inline void occupyStandardStreams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    bool isClosed = ::fcntl(stream, F_GETFD) < 0;
    // Opening takes the lowest place that is free; where it fails, later ones do as well.
    if (isClosed && ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return;
  }
}

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_STANDARDSTREAMS_H
