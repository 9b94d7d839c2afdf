# A short front to CMake. `make demo` and `make test` also work on a fresh Debian 12 machine: they install what is
# missing and say so.

BUILD := build
JOBS := $(shell nproc)

.PHONY: all deps demo test clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

deps:
	@tools/dev/install-deps

$(BUILD)/build.ninja: | deps
	@cmake --preset release -B $(BUILD) >$(BUILD).cmake.log || { cat $(BUILD).cmake.log; exit 1; }
	@rm -f $(BUILD).cmake.log

demo: all
	@tools/dev/demo $(BUILD)

# Everything that CI runs.
test: all
	@tools/dev/run-tests $(BUILD)

clean:
	rm -rf $(BUILD)
