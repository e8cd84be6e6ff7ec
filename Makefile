# The two commands are `make demo` and `make test`; both set up everything first.
BUILD ?= build

.PHONY: help demo test build setup bench lint clean install

help:
	@echo "make demo     set up everything, then run the main job on two simulated confidential VMs"
	@echo "make test     set up everything, then pass the tests"
	@echo "make build    compile into $(BUILD)/"
	@echo "make bench    measure (docs/benchmarks.md)"
	@echo "make lint     the house's checks"
	@echo "make install  install (DESTDIR and meson's prefix are honoured)"

setup:
	@scripts/setup

$(BUILD)/build.ninja: | setup
	@meson setup $(BUILD) --buildtype=debugoptimized >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

build: setup $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

demo: build
	@$(BUILD)/src/cli/avow demo

test: build
	@scripts/test $(BUILD)

bench: build
	@bench/run $(BUILD)

lint: build
	@tests/lint/run

install: build
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD)
