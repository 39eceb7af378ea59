# The front door. Everything is built by Meson and ninja into build/; `make help` lists what there is.
BUILD ?= build
MESON_FLAGS ?=
MODEL = models/gemma-3-270m-q4_k_m.gguf

.PHONY: all setup model demo test check bench precommit check-asan check-tsan check-oom check-cpu fuzz longest map format help clean

all: $(BUILD)/build.ninja  ## build build/carat and build/libcarat
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja: | scripts/setup.sh
	@command -v meson >/dev/null && command -v ninja >/dev/null || scripts/setup.sh
	@meson setup $(BUILD) $(MESON_FLAGS) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt 2>/dev/null | tail -20; exit 1; }

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
