//===- RunningDriver.cpp - a driver of workers as seen by who started it ------------------------------===//

#include "runtime/executor/RunningDriver.h"

#include "runtime/base/Clock.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lamina {
namespace {

/// How long a process that was told to leave may take before it is killed.
constexpr uint64_t kLeaveNanoseconds = 1'000'000'000;

/// What a signal usually means in a worker: weights are mapped.
const char *causeOf(int signal) {
  return signal == SIGBUS
             ? ": most likely a file of the artifact was cut off while it was in use, or its disk failed"
             : "";
}

class ProcessDriver final : public RunningDriver {
public:
  explicit ProcessDriver(pid_t pid) : pid_(pid) {}

  ~ProcessDriver() override {
    uint64_t deadline = monotonicNanoseconds() + kLeaveNanoseconds;
    while (!death() && monotonicNanoseconds() < deadline)
      usleep(500);
    if (!death_) {
      kill();
      waitpid(pid_, nullptr, 0);
    }
  }

  void kill() override {
    if (!death_) // otherwise the number may be somebody else's by now
      ::kill(pid_, SIGKILL);
  }

  int pid() const override { return pid_; }

  std::optional<std::string> death() override {
    int status = 0;
    if (death_)
      return death_;
    pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == 0)
      return std::nullopt;
    if (ended < 0)
      death_ = absl::StrCat("is gone (", strerror(errno), ")");
    else if (WIFSIGNALED(status))
      death_ = absl::StrCat("was killed by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")",
                            causeOf(WTERMSIG(status)));
    else
      death_ = absl::StrCat("exited with status ", WEXITSTATUS(status));
    return death_;
  }

private:
  pid_t pid_;
  std::optional<std::string> death_;
};

class ThreadDriver final : public RunningDriver {
public:
  explicit ThreadDriver(const DriverContext &context) : context_(context) {}

  ~ThreadDriver() override {
    if (started_)
      pthread_join(thread_, nullptr);
  }

  absl::Status start() {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(
        &thread_, nullptr,
        [](void *self) -> void * {
          runWorkers(static_cast<ThreadDriver *>(self)->context_);
          return nullptr;
        },
        this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0)
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot start a thread for a worker: ", strerror(error)));
    started_ = true;
    return absl::OkStatus();
  }

  int pid() const override { return getpid(); }
  std::optional<std::string> death() override { return std::nullopt; }
  void kill() override {}

private:
  DriverContext context_;
  pthread_t thread_{};
  bool started_ = false;
};

/// What a forked worker must set right before it runs. Handlers of the front end would act on state that is
/// not ours.
void enterWorkerProcess(const std::string &name, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) // it died before the line above
    _exit(1);
  prctl(PR_SET_NAME, name.substr(0, 15).c_str());
  for (int signal : {SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM})
    ::signal(signal, SIG_DFL);
  ::signal(SIGINT, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

} // namespace

absl::StatusOr<std::unique_ptr<RunningDriver>> startProcess(const DriverContext &context) {
  const std::string &name = context.plan->workers(context.workers.front()).name();
  pid_t parent = getpid();
  // Nothing may reach a worker between the fork and its own settings, an interrupt of the terminal least of
  // all.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  int error = errno;
  if (pid == 0) {
    enterWorkerProcess(name, parent);
    runWorkers(context);
    _exit(0); // not exit: buffers and handlers belong to the front end
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start a process for worker ", name, ": ", strerror(error)));
  return std::make_unique<ProcessDriver>(pid);
}

absl::StatusOr<std::unique_ptr<RunningDriver>> startThread(const DriverContext &context) {
  auto driver = std::make_unique<ThreadDriver>(context);
  LAMINA_RETURN_IF_ERROR(driver->start());
  return std::unique_ptr<RunningDriver>(std::move(driver));
}

} // namespace lamina
