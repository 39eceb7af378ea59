# The front door. Meson and ninja do the building, in $(BUILD)/; `make help` lists what there is.
BUILD ?= build
MESON_FLAGS ?=
MODEL = models/gemma-3-270m-q4_k_m.gguf
CHAT_MODEL = models/chat-270m-q8_0.gguf
EMBED_MODEL = models/embeddinggemma-300m
PEERS_4B = $(BUILD)/peers-4b-q4_0.gguf
# make check K=dot narrows the kernel tests, T=gguf the others; make fuzz T=gguf SECONDS=600.
K ?=
T ?=
SECONDS ?= 60

.PHONY: all setup install model demo test test-all check bench bench-peers web test-web test-clients test-embed precommit check-asan check-tsan check-oom check-cpu fuzz longest map format help \
        clean tools

all: $(BUILD)/build.ninja  ## build $(BUILD)/carat and $(BUILD)/libcarat
	@ninja -C $(BUILD) --quiet

setup:  ## install what Debian or Ubuntu lacks for building, testing and fetching the model
	@scripts/setup.sh

# Everything that builds needs the tools; the script returns at once when they are there.
tools:
	@scripts/setup.sh --quiet

$(BUILD)/build.ninja: | tools
	@scripts/configure.sh $(BUILD) $(MESON_FLAGS)

install: all  ## install program, library, headers, man pages and completion; PREFIX=/usr/local, DESTDIR as usual
	@$(if $(PREFIX),meson configure $(BUILD) -Dprefix='$(abspath $(PREFIX))' >/dev/null)
	@meson install -C $(BUILD) --quiet

model: all  ## fetch the real Gemma 3 270M (242 MB, Gemma Terms of Use) to $(MODEL), and merge a chat adapter into a copy
	@scripts/model.sh $(MODEL)
	@scripts/chat_model.sh $(BUILD) $(MODEL) $(CHAT_MODEL)

demo: all model  ## install, build, fetch the model and show the main jobs
	@scripts/demo.sh $(BUILD) $(MODEL) $(CHAT_MODEL)

test: all model  ## every test: check, the golden files and the real model
	@CARAT_TEST_MODEL=$(abspath $(MODEL)) CARAT_TEST_CHAT_MODEL=$(abspath $(CHAT_MODEL)) scripts/test.sh $(BUILD) \
	    --no-suite oom --no-suite embed --no-suite exhaustive --num-processes $$(($$(nproc) + 2)) # some wait, as in check

test-all: all model  ## make test, and every combination of what it asks in part: half an hour and more; T=name narrows them
	@CARAT_TEST_MODEL=$(abspath $(MODEL)) CARAT_TEST_CHAT_MODEL=$(abspath $(CHAT_MODEL)) scripts/test.sh $(BUILD) \
	    $(if $(T),--match '$(T)') --no-suite oom --no-suite embed

check: all  ## the tests that need no download, in a minute or two; K=kernel or T=name narrows them
	@CARAT_TEST_KERNEL='$(K)' scripts/test.sh $(BUILD) $(if $(K)$(T),--match '$(if $(K),kernels,$(T))') --suite check \
	    --num-processes $$(($$(nproc) + 4)) # some tests wait for clocks and terminals

bench: all model  ## speed of the real model and of a 4B vision tower beside the machine's limits; K='mul q4_0': kernels so named
	@scripts/bench.sh $(BUILD) $(MODEL) $(K)

bench-peers: all model  ## targets, the real model and a made-up 4B beside llama.cpp: SOURCE=DIR or LLAMA=DIR, ROWS=a,b, MODELS="FILE ...", MORE=options
	@$(if $(MODELS),,[ -f $(PEERS_4B) ] || $(BUILD)/carat synth 4b --type q4_0 --quiet -o $(PEERS_4B))
	@scripts/bench_peers.py $(BUILD)/carat --build $(BUILD)/peers --work $(BUILD) $(if $(SOURCE),--source '$(SOURCE)') $(if $(LLAMA),--llama '$(LLAMA)') \
	    $(if $(ROWS),--rows '$(ROWS)') $(MORE) $(or $(MODELS),$(MODEL) $(PEERS_4B))

web:  ## rebuild the chat page, web/dist, from web/src; needs Node and npm
	@cd web && npm ci --silent && npm run --silent check && npm run --silent build

test-web: all model  ## the chat page in headless Chromium; needs Node, npm and chromium
	@CARAT_TEST_CHAT_MODEL=$(abspath $(CHAT_MODEL)) scripts/test-web.sh $(BUILD)

test-clients: all model  ## real clients (openai, ollama, anthropic, lm-eval ...) against carat serve; T=name narrows them; needs Node and npm
	@CARAT_TEST_MODEL=$(abspath $(MODEL)) CARAT_TEST_CHAT_MODEL=$(abspath $(CHAT_MODEL)) scripts/test_clients.sh $(BUILD) $(T)

test-embed: all  ## the real EmbeddingGemma 300M (fetched: 1.2 GB, Gemma Terms of Use) against the reference, every instruction set
	@scripts/embed_model.sh $(EMBED_MODEL)
	@CARAT_TEST_EMBED_MODEL=$(abspath $(EMBED_MODEL)) scripts/test.sh $(BUILD) --suite embed --num-processes 1

precommit:  ## formatting, warnings as errors in gcc and clang, sanitizers, headers, symbols, banned functions
	@scripts/precommit.sh

check-asan:  ## check under AddressSanitizer and UBSan
	@scripts/sanitize.sh address,undefined

check-tsan:  ## check under ThreadSanitizer
	@scripts/sanitize.sh thread

check-oom: all  ## every allocation of opening, answering, seeing and saving refused once, T=name narrows it
	@scripts/test.sh $(BUILD) $(if $(T),--match '$(T)') --suite oom

check-cpu:  ## the kernels on other CPUs, in an emulator: an x86 without AVX, several AArch64
	@scripts/setup.sh --quiet --cross
	@scripts/check-cpu.sh

fuzz:  ## fuzz one target: make fuzz T=gguf SECONDS=600
	@scripts/setup.sh --quiet --fuzz
	@scripts/fuzz.sh $(or $(T),gguf) $(SECONDS)

longest:  ## the longest functions and files, as a reading list
	@scripts/longest.sh

map:  ## which room includes which
	@scripts/map.sh

format:  ## clang-format every C file
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:  ## remove the build folder
	@rm -rf $(BUILD)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | sed 's|$$(BUILD)|$(BUILD)|g; s|$$(MODEL)|$(MODEL)|g' | \
	  while IFS='	' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done
