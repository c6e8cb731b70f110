# mplua: Python's multiprocessing for Lua 5.4.  `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
CFLAGS  ?= -O2 -g
LUA     ?= lua5.4
BUSTED  ?= /usr/bin/busted

VERSION := $(shell sed -n 's/.*MPLUA_VERSION "\(.*\)"/\1/p' src/mplua.h)
ROOMS   := base os shm sync chan store proc codec bind

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
LDFLAGS_ALL  = -pthread $(LDFLAGS)
LIBS_CORE    = -lsodium -lm -ldl
LIBS_HOST    = -lreadline

# --- what is built ----------------------------------------------------------

SRC_LIB  := $(sort $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))) src/embed.c
SRC_HOST := src/main.c $(sort $(wildcard src/host/*.c))
OBJ_LIB  := $(SRC_LIB:%.c=$(BUILD)/%.o) $(BUILD)/lua_bundle.o
OBJ_HOST := $(SRC_HOST:%.c=$(BUILD)/%.o)
LUA_SRC  := $(sort $(shell find lua -name '*.lua'))
CTESTS   := $(patsubst spec/c/%.c,$(BUILD)/spec/%,$(sort $(wildcard spec/c/*_test.c)))

PROGRAMS := $(BUILD)/mplua $(BUILD)/multiprocessing.so \
            $(BUILD)/libmplua.a $(BUILD)/libmplua.so

.PHONY: all deps ensure demo test ctest lint asan ubsan valgrind fuzz stress \
        bench install uninstall clean help
.DELETE_ON_ERROR:

all: ensure
	@$(MAKE) --no-print-directory $(PROGRAMS) roots

.PHONY: roots
roots: $(BUILD)/mplua $(BUILD)/multiprocessing.so
ifeq ($(BUILD),build)
	@cmp -s build/mplua mplua || cp -f build/mplua mplua
	@cmp -s build/multiprocessing.so multiprocessing.so || \
	  cp -f build/multiprocessing.so multiprocessing.so
endif

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/%.o: $(BUILD)/%.c
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# The Lua half is compiled ahead of time, into one C table.
$(BUILD)/bundle: scripts/build/bundle.c
	@mkdir -p $(@D)
	$(CC) -O1 $(LUA_INC) $< -o $@ $(LUA_A) -lm -ldl

$(BUILD)/lua_bundle.c: $(BUILD)/bundle $(LUA_SRC)
	$(BUILD)/bundle lua $(LUA_SRC) > $@

$(BUILD)/mplua: $(OBJ_HOST) $(OBJ_LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,-E -o $@ $(OBJ_HOST) $(OBJ_LIB) \
	  -Wl,--whole-archive $(LUA_A) -Wl,--no-whole-archive \
	  $(LIBS_HOST) $(LIBS_CORE)

$(BUILD)/multiprocessing.so: $(OBJ_LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -shared -o $@ $(OBJ_LIB) $(LIBS_CORE)

$(BUILD)/libmplua.so: $(OBJ_LIB)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -shared -Wl,-soname,libmplua.so.0 \
	  -o $@ $(OBJ_LIB) -llua5.4 $(LIBS_CORE)

$(BUILD)/libmplua.a: $(OBJ_LIB)
	@rm -f $@
	$(AR) rcs $@ $(OBJ_LIB)

# A C test is one program over the library's objects and a full Lua.
$(BUILD)/spec/%: $(BUILD)/spec/c/%.o $(OBJ_LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,-E -o $@ $^ \
	  -Wl,--whole-archive $(LUA_A) -Wl,--no-whole-archive $(LIBS_CORE)

.PRECIOUS: $(BUILD)/spec/c/%.o $(BUILD)/lua_bundle.c
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean: ## remove all that was built
	rm -rf build mplua multiprocessing.so

ensure: ;
