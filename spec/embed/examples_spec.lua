--- The C programs of scripts/embed, built as a user builds them, and the libraries themselves

local helper = require "spec.helper"

local STATIC <const> = "build/libmplua.a $(pkg-config --libs lua5.4) -lsodium -lm -ldl -pthread"
local SHARED <const> = "-Lbuild -lmplua $(pkg-config --libs lua5.4) -pthread"
local CFLAGS <const> = "-std=gnu11 -Wall -Wextra -Werror -g -Isrc $(pkg-config --cflags lua5.4)"

-- a host that is no target itself
local OTHER <const> = [[
#include <mplua.h>
#include <stdio.h>
int main(int argc, char **argv) {
  mplua_run *run = NULL;
  mplua_run_options ro;
  mplua_pool *pool = NULL;
  mplua_pool_options po;
  mplua_run_options_init(&ro);
  mplua_pool_options_init(&po);
  ro.executable = po.executable = argc > 1 ? argv[1] : NULL;
  po.processes = 1;
  printf("run: %d, ", mplua_run_start(&run, "", 0, NULL, &ro, NULL) == MPLUA_ENOTARGET);
  printf("pool: %d\n", mplua_pool_new(&pool, &po, NULL) == MPLUA_ENOTARGET);
  mplua_run_free(run);
  mplua_pool_free(pool);
  return 0;
}
]]

local directory

local function shell(command, ...)
  command = command:format(...)
  local pipe <close> = assert(io.popen(("{ %s\n} 2>&1; echo status=$?"):format(command)))
  local text, status = pipe:read("a"):match("^(.*)status=(%d+)\n$")
  return text, tonumber(status)
end

local function must(command, ...)
  local text, status = shell(command, ...)
  assert(status == 0, ("%s\nended with %d:\n%s"):format(command:format(...), status, text))
  return text
end

-- the path of the built program
local function build(name, libs, kind)
  local path = ("%s/%s-%s"):format(directory, name, kind)
  must("gcc %s scripts/embed/%s.c -o %s %s", CFLAGS, name, path, libs)
  return path
end

-- links libmplua.so under the name that programs look for
local function make_shared()
  must("ln -s $PWD/build/libmplua.so %s/libmplua.so.0", directory)
end

describe("embedding", function()
  setup(function()
    directory = must "mktemp -d":match "%S+"
    make_shared()
  end)
  teardown(function() must("rm -r %s", directory) end)

  for kind, libs in pairs { static = STATIC, shared = SHARED } do
    describe("(" .. kind .. ")", function()
      local function run(name, args, before)
        return must("%s LD_LIBRARY_PATH=%s timeout -k 1 60 %s %s 2>%s/stderr </dev/null",
          before or "", directory, build(name, libs, kind), args or "", directory)
      end

      it("runs the minimal program", function()
        assert.equal("1 4 9\n", run "minimal")
      end)

      it("runs a pool within an event loop", function()
        assert.equal("the endless call: Connection timed out\n40 answers, the sum is 4819612\n",
          run "event_loop")
      end)

      it("runs plugins that misbehave, and the host lives", function()
        must("gcc -shared -fPIC scripts/embed/bad_module.c -o %s/bad_module.so", directory)
        local said = run("plugin_host", directory)
        local function says(line)
          assert(said:find(line, 1, true), ("no %q in\n%s"):format(line, said))
        end
        says "good: returned 144 after printing working\n"
        says "endless: cpu ("
        says "stuck: timeout ("
        says "hog: memory ("
        says "crash: signal (killed by signal 11"
        says "quitter: exit (ended with exit status 3"
        says "flood: flood ("
        says "wrong: error ([string \"wrong\"]:1: attempt to index a nil value"
        says "thief: error ("
        says "sneak: forbidden ("
        assert.truthy(said:find "the host lives\n$")
      end)
    end)
  end

  it("says so where libseccomp is missing", function()
    local path = build("plugin_host", STATIC, "static")
    must("gcc -shared -x c /dev/null -o %s/libseccomp.so.2", directory)
    local said = must("LD_LIBRARY_PATH=%s timeout 60 %s", directory, path)
    must("rm %s/libseccomp.so.2", directory)
    assert.truthy(said:find("sneak: not begun (cannot restrict system calls (libseccomp.so.2)", 1,
      true))
    assert.truthy(said:find "good: returned 144")
  end)

  it("needs mplua_child_entry, or another program", function()
    local source <close> = assert(io.open(directory .. "/other.c", "w"))
    source:write(OTHER)
    source:close()
    must("gcc %s %s/other.c -o %s/other %s", CFLAGS, directory, directory, STATIC)
    assert.equal("run: 1, pool: 1\n", must("timeout 60 %s/other", directory))
    assert.equal("run: 0, pool: 0\n", must("timeout 60 %s/other $PWD/mplua", directory))
  end)

  it("lives within a small address space", function()
    local path = build("minimal", STATIC, "static")
    assert.equal("1 4 9\n", must("ulimit -v 200000; timeout 60 %s", path))
    path = build("plugin_host", STATIC, "static")
    assert.truthy(must("ulimit -v 200000; timeout 60 %s", path):find "good: returned 144")
  end)
end)

describe("the libraries", function()
  -- the names that a library defines for others
  local function names(command)
    local list = {}
    for name in must(command):gmatch "%x+ %u ([%w_]+)" do list[#list + 1] = name end
    table.sort(list)
    return list
  end

  local function declared()
    local file <close> = assert(io.open "src/mplua.h")
    local list = {}
    for name in file:read("a"):gmatch "MPLUA_API[^(;]-([%w_]+)%(" do
      if not name:find "^__" then list[#list + 1] = name end
    end
    table.sort(list)
    return list
  end

  it("define what the header declares, and nothing else", function()
    assert.is_true(#declared() > 30)
    assert.same(declared(), names "nm -D --defined-only build/libmplua.so")
    assert.same(declared(), names "nm -g --defined-only build/libmplua.a")
  end)

  it("have a header that C and C++ compilers take by itself", function()
    local flags = "-Wall -Wextra -Wpedantic -Werror -fsyntax-only"
    must("echo '#include <mplua.h>' | gcc -std=c99 %s -Isrc -x c -", flags)
    assert(helper)
    if select(2, shell "command -v g++") == 0 then
      must("echo '#include <mplua.h>' | g++ -std=c++98 %s -Isrc -x c++ -", flags)
    end
  end)
end)
