# mplua: Python's multiprocessing for Lua 5.4.  `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
OBJCOPY ?= objcopy
CFLAGS  ?= -O2 -g
LUA     ?= lua5.4
BUSTED  ?= /usr/bin/busted

VERSION := $(shell sed -n 's/.*MPLUA_VERSION "\(.*\)"/\1/p' src/mplua.h)
ROOMS   := base os shm sync chan store proc codec bind embed

# --- what the machine offers ------------------------------------------------

PKG     := pkg-config
LUA_INC  = $(shell $(PKG) --cflags lua5.4 2>/dev/null)
LUA_LIBDIR = $(shell $(PKG) --variable=libdir lua5.4 2>/dev/null)
LUA_A   ?= $(firstword $(wildcard $(LUA_LIBDIR)/liblua5.4.a \
             $(addsuffix /liblua5.4.a,$(wildcard /usr/lib/*-linux-gnu))))

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings
CPPFLAGS_ALL = -D_GNU_SOURCE -Isrc $(LUA_INC) $(CPPFLAGS)
CFLAGS_ALL   = -std=c11 $(WARN) -fPIC -fvisibility=hidden -pthread $(CFLAGS)
LDFLAGS_ALL  = -pthread -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS_CORE    = -lsodium -lm -ldl

# The program takes its libraries in where the static ones are there: each
# shared one is five mappings more to copy and to undo in every fork (readline,
# tinfo and sodium: 35 us of a bare fork's 110).
static = $(if $(wildcard $(shell $(CC) -print-file-name=lib$(1).a)),-l:lib$(1).a,-l$(1))
LIBS_TAKEN   = readline tinfo sodium
LIBS_HOST    = $(foreach l,$(LIBS_TAKEN),$(call static,$(l)) \
                 -Wl,--exclude-libs,lib$(l).a) -lm -ldl

# --- what is built ----------------------------------------------------------

SRC_LIB  := $(sort $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))) src/embed.c
SRC_HOST := src/main.c $(sort $(wildcard src/host/*.c))
OBJ_LIB  := $(SRC_LIB:%.c=$(BUILD)/%.o) $(BUILD)/lua_bundle.o
OBJ_HOST := $(SRC_HOST:%.c=$(BUILD)/%.o)
LUA_SRC  := $(sort $(shell find lua -name '*.lua'))
CTESTS   := $(patsubst spec/c/%.c,$(BUILD)/spec/%,$(sort $(wildcard spec/c/*_test.c)))

PROGRAMS := $(BUILD)/mplua $(BUILD)/multiprocessing.so \
            $(BUILD)/libmplua.a $(BUILD)/libmplua.so

# `make V=1` shows the commands.
Q    := $(if $(V),,@)
note  = $(if $(V),,@echo "  $(1) $(patsubst $(BUILD)/%,%,$@)")

.PHONY: all deps ensure demo test ctest lint asan ubsan tsan m32 valgrind fuzz faults \
        crashpoints stress bench figures install uninstall deb clean help
.DELETE_ON_ERROR:

all: ensure
	@$(MAKE) -s --no-print-directory $(PROGRAMS) roots

.PHONY: roots
roots: $(BUILD)/mplua $(BUILD)/multiprocessing.so
ifeq ($(BUILD),build)
	@cmp -s build/mplua mplua || cp -f build/mplua mplua
	@cmp -s build/multiprocessing.so multiprocessing.so || \
	  cp -f build/multiprocessing.so multiprocessing.so
endif

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call note,CC )
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/%.o: $(BUILD)/%.c
	$(call note,CC )
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# The Lua half is compiled ahead of time, into one C table.
$(BUILD)/bundle: scripts/build/bundle.c
	@mkdir -p $(@D)
	$(call note,LD )
	$(Q)$(CC) -O1 $(LUA_INC) $< -o $@ $(LUA_A) -lm -ldl

$(BUILD)/lua_bundle.c: $(BUILD)/bundle $(LUA_SRC)
	$(call note,LUA)
	$(Q)$(BUILD)/bundle lua $(LUA_SRC) > $@

$(BUILD)/mplua: $(OBJ_HOST) $(OBJ_LIB)
	$(call note,LD )
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,-E,-z,noseparate-code \
	  -o $@ $(OBJ_HOST) $(OBJ_LIB) \
	  -Wl,--whole-archive $(LUA_A) -Wl,--no-whole-archive \
	  $(LIBS_HOST)

$(BUILD)/multiprocessing.so: $(OBJ_LIB)
	$(call note,LD )
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -shared -o $@ $(OBJ_LIB) $(LIBS_CORE)

$(BUILD)/libmplua.so: $(OBJ_LIB)
	$(call note,LD )
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -shared -Wl,-soname,libmplua.so.0 \
	  -o $@ $(OBJ_LIB) -llua5.4 $(LIBS_CORE)

# One object, in which all that is hidden is local: a host's own names are safe.
$(BUILD)/libmplua.a: $(OBJ_LIB)
	$(call note,AR )
	@rm -f $@
	$(Q)$(LD) -r -o $(BUILD)/libmplua.o $(OBJ_LIB)
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/libmplua.o
	$(Q)$(AR) rcs $@ $(BUILD)/libmplua.o

# A C test is one program over the library's objects and a full Lua.
$(BUILD)/spec/%: $(BUILD)/spec/c/%.o $(OBJ_LIB)
	@mkdir -p $(@D)
	$(call note,LD )
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,-E -o $@ $^ \
	  -Wl,--whole-archive $(LUA_A) -Wl,--no-whole-archive $(LIBS_CORE)

# The model checker runs the locks' own sources, each atomic operation a step.
MODEL := $(addprefix $(BUILD)/model/,lock.o semaphore.o event.o gate.o)
$(BUILD)/model/%.o: src/sync/%.c spec/model/atomics.h
	@mkdir -p $(@D)
	$(call note,CC )
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -include spec/model/atomics.h \
	  -MMD -MP -c $< -o $@

$(BUILD)/spec/model/world.o: CPPFLAGS_ALL += -I.
$(BUILD)/spec/c/locks_model_test.o: CPPFLAGS_ALL += -I. \
  -include spec/model/atomics.h
$(BUILD)/spec/locks_model_test: $(BUILD)/spec/c/locks_model_test.o \
    $(BUILD)/spec/model/world.o $(MODEL)
	@mkdir -p $(@D)
	$(call note,LD )
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^

.SECONDARY:
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)

# --- what the machine lacks ---------------------------------------------------

deps: ## install what is missing (Debian packages; root or sudo)
	@sh scripts/build/deps

ensure:
	@sh scripts/build/deps --check || { \
	  echo "some packages are missing: make deps"; sh scripts/build/deps; }

# --- running it ---------------------------------------------------------------

demo: all ## build, then count the words of this machine's documentation
	./mplua scripts/examples/wordcount.lua --compare

test: all ## build, then run every C test and every spec
	@$(MAKE) -s --no-print-directory ctests
	@spec/run

.PHONY: ctests
ctests: $(CTESTS)

# cppcheck does not know that luaL_error and what ends in it never return.
CPPCHECK_OFF := --suppress=nullPointerRedundantCheck \
  --suppress=nullPointerArithmeticRedundantCheck --suppress=arrayIndexThenCheck

lint: ensure ## warnings as errors, luacheck, the rooms' include rule, cppcheck
	@$(MAKE) --no-print-directory BUILD=build/lint CFLAGS="-O2 -Werror" \
	  build/lint/mplua build/lint/multiprocessing.so
	@sh scripts/build/lint_rooms
	@luacheck -q lua scripts spec
	@cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr \
	  --enable=warning,portability --suppress=missingIncludeSystem \
	  $(CPPCHECK_OFF) \
	  -D_GNU_SOURCE -Isrc src

# A sanitizer build runs the C tests and the specs; leaks are looked for in
# the C tests only (an interpreter that ends in _exit leaves all it had).
# SANITIZER tells specs that measure memory; of crash points a part will do.
SAN_ENV := ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 \
           UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
           TSAN_OPTIONS=halt_on_error=1 \
           SANITIZER=1 MPLUA_CRASH_EVERY=25 DEADLINE=900

# Not those that build, install or measure something else.
SAN_SPECS = $(wildcard spec/c/*_test.c) $(shell find spec -name '*_spec.lua' \
  ! -path 'spec/bench/*' ! -path 'spec/install/*' ! -path 'spec/examples/*')

# SPECS="spec/c/os_test.c spec/codec/codec_spec.lua" takes some tests only.
asan: all ## all tests under AddressSanitizer
	@$(MAKE) --no-print-directory BUILD=build/asan LDFLAGS=-fsanitize=address \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address" \
	  build/asan/mplua ctests
	@$(SAN_ENV) BUILD=build/asan LUA=build/asan/mplua \
	  spec/run $(or $(SPECS),$(SAN_SPECS))

ubsan: all ## all tests under UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory BUILD=build/ubsan \
	  LDFLAGS="-fsanitize=undefined" \
	  CFLAGS="-O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined" \
	  build/ubsan/mplua ctests
	@$(SAN_ENV) BUILD=build/ubsan LUA=build/ubsan/mplua \
	  spec/run $(or $(SPECS),$(SAN_SPECS))

# The locks' algorithms know nothing of processes: threads are their twins.
tsan: ensure ## tests with threads under ThreadSanitizer
	@$(MAKE) --no-print-directory BUILD=build/tsan LDFLAGS=-fsanitize=thread \
	  CFLAGS="-O1 -g -fsanitize=thread $(if $(findstring clang,$(CC)),,-Wno-tsan)" \
	  build/tsan/spec/sync_threads_test
	@$(SAN_ENV) BUILD=build/tsan spec/run spec/c/sync_threads_test.c

m32: ## tests of a 32-bit build; its packages are unpacked below build/m32
	@scripts/build/m32 $(SPECS)

VALGRIND := $(addprefix spec/c/,$(addsuffix _test.c,alloc object shm queue dict \
  codec)) $(wildcard spec/codec/*_spec.lua)

valgrind: all ctests ## SPECS (default: what handles memory) under valgrind
	@SANITIZER=1 DEADLINE=600 spec/run $(or $(SPECS),$(VALGRIND))

# It does not know close_range, which spawning needs.
valgrind: export MPLUA_METHODS = fork
valgrind: export WRAP = valgrind -q --error-exitcode=99 \
  --child-silent-after-fork=yes --trace-children=no

fuzz: all ## libFuzzer on the decoder, SECONDS=60
	@sh scripts/build/deps fuzz
	@spec/fuzz/run $(or $(SECONDS),60)

crashpoints: ensure ## operations killed at every instruction that mattered
	@$(MAKE) -s --no-print-directory ctests
	@spec/run $(wildcard spec/c/*_crash_test.c)

# What spec/fault/steps.lua does, with each call that takes something from the
# machine failing once; POINTS=n tries about n a part, STEPS="map unix" some.
$(BUILD)/fault/fault.so: $(wildcard spec/fault/*.c spec/fault/*.h)
	@mkdir -p $(@D)
	$(call note,LD )
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -shared -o $@ $(filter %.c,$^) -ldl

faults: all $(BUILD)/fault/fault.so ## the n-th malloc, fork, open... fails, for every n
	@./mplua spec/fault/run.lua $(or $(POINTS),0) $(STEPS)

stress: all ## kill storms, SECONDS=60 in all, STORMS="queue pool"
	@./mplua spec/stress/run.lua $(or $(SECONDS),60) $(STORMS)

bench: all ## against python3 in the same run, table in build/bench.md
	@sh scripts/build/deps bench
	@$(MAKE) -s --no-print-directory $(BENCH)
	@./mplua scripts/bench/run.lua $(ARGS)

figures: bench ## make bench, and what grows; the documentation shows them
	@./mplua scripts/bench/run.lua --grow
	@for t in bench bench-grow; do \
	  ./mplua scripts/bench/plot.lua build/$$t.json > docs/$$t.svg && \
	  sed -i -e "/<!-- $$t -->/,/<!-- end -->/{//!d}" \
	    -e "/<!-- $$t -->/r build/$$t.md" docs/performance.md || exit 1; done

BENCH := $(BUILD)/bench/limits $(BUILD)/bench/codec_floor.so

$(BUILD)/bench/limits: scripts/bench/limits.c
	@mkdir -p $(@D)
	$(call note,LD )
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $< -o $@

$(BUILD)/bench/codec_floor.so: scripts/bench/codec_floor.c
	@mkdir -p $(@D)
	$(call note,LD )
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fvisibility=default -shared $< -o $@

# --- the reference ------------------------------------------------------------

REFERENCE := $(BUILD)/mplua $(wildcard scripts/build/*.lua) $(LUA_SRC)
MANUAL    := $(BUILD)/share/multiprocessing.lua $(BUILD)/share/multiprocessing.3

.PHONY: docs
docs: all ## write docs/reference.md from the annotations in lua/
	@$(BUILD)/mplua scripts/build/reference.lua markdown > $(BUILD)/reference.md
	@cp $(BUILD)/reference.md docs/reference.md

$(BUILD)/share/multiprocessing.lua: $(REFERENCE)
	@mkdir -p $(@D)
	$(call note,DOC)
	$(Q)$(BUILD)/mplua scripts/build/reference.lua meta > $@

$(BUILD)/share/multiprocessing.3: $(REFERENCE)
	@mkdir -p $(@D)
	$(call note,DOC)
	$(Q)$(BUILD)/mplua scripts/build/reference.lua man $(VERSION) > $@

# --- installing ---------------------------------------------------------------

LIBDIR   ?= $(PREFIX)/lib
LUA_CMOD ?= $(LIBDIR)/lua/5.4
PLACES    = PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' BUILD='$(BUILD)' \
  LIBDIR='$(LIBDIR)' LUA_CMOD='$(LUA_CMOD)' VERSION='$(VERSION)'

install: all ## into DESTDIR/PREFIX
	@$(MAKE) -s --no-print-directory $(MANUAL)
	@$(PLACES) scripts/build/install all
	@$(if $(DESTDIR),,ldconfig 2>/dev/null || true)

uninstall: ## removes what install put there
	@$(PLACES) scripts/build/install --remove all
	@$(if $(DESTDIR),,ldconfig 2>/dev/null || true)

deb: all ## build a Debian package, build/mplua_VERSION_ARCH.deb
	@$(MAKE) -s --no-print-directory $(MANUAL)
	@VERSION='$(VERSION)' scripts/build/deb $(BUILD)

# For LuaRocks, which brings its own places and installs no packages.
.PHONY: rock rock-install
rock: $(BUILD)/mplua $(BUILD)/multiprocessing.so

rock-install:
	@$(PLACES) BINDIR='$(BINDIR)' scripts/build/install program module

clean: ## remove all that was built
	rm -rf build mplua multiprocessing.so

help: ## this list
	@echo "make             build ./mplua and ./multiprocessing.so"
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	  awk -F'|' '{printf "make %-11s %s\n", $$1, $$2}'
