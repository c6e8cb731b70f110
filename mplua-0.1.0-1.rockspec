-- mplua-0.1.0-1.rockspec: for LuaRocks; in a checkout: luarocks --lua-version 5.4 make
-- MIT licence, see LICENSE

rockspec_format = "3.0"
package = "mplua"
version = "0.1.0-1"
source = { url = "file://." }
description = {
  summary = "Python's multiprocessing for Lua 5.4",
  detailed = [[
Processes, pools, queues, pipes, shared values, locks and managers for scripts that should use all
cores and survive crashes: the module `multiprocessing`, and the program `mplua`, which is Lua 5.4
with the module built in.]],
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
external_dependencies = {
  SODIUM = { header = "sodium.h", library = "sodium" },
  READLINE = { header = "readline/readline.h", library = "readline" },
}
build = {
  type = "make",
  build_target = "rock",
  build_variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_INC = "-I$(LUA_INCDIR)",
  },
  install_target = "rock-install",
  install_variables = { LUA_CMOD = "$(LIBDIR)", BINDIR = "$(BINDIR)" },
}
deploy = { wrap_bin_scripts = false }
