--- install_spec.lua: what is installed works where it is put, and goes again
-- MIT licence, see LICENSE
--
-- The tree is put below temporary folders: by make install, as a Debian package and as a rock.

local helper = require "spec.helper"

local HELLO <const> = [[
local mp = require "multiprocessing"
mp.set_start_method(arg and arg[1] or "spawn")
local pool <close> = mp.Pool(2)
print(table.concat(pool:map(function(x) return x * x end, { 1, 2, 3 }), " "))
]]

local HOST <const> = [[
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <mplua.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  mplua_child_entry(argc, argv);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mplua_openlibs(L);
  if (strcmp(mplua_version(), MPLUA_VERSION) != 0)
    return 2;
  if (luaL_dofile(L, argv[1]) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  lua_close(L);
  return 0;
}
]]

local SQUARES <const> = "1 4 9"

-- A folder for one spec; closed, it is removed.
local function new_folder()
  local pipe <close> = assert(io.popen "mktemp -d")
  local path = pipe:read "l"
  return setmetatable({ path = path }, { __close = function() os.execute("rm -r " .. path) end })
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

-- Runs a script of the shell with a deadline; `values` are its variables. Fails when it fails.
local function shell(script, values)
  local assignments = {}
  for name, value in pairs(values or {}) do
    assignments[#assignments + 1] = ("%s='%s'"):format(name, value)
  end
  local pipe <close> = assert(io.popen(("env %s timeout -k 1 100 sh -ec '%s' 2>&1 </dev/null")
    :format(table.concat(assignments, " "), (script:gsub("'", "'\\''")))))
  local output = pipe:read "a"
  local ok, _, code = pipe:close()
  if not ok then error(("%s\nends with %s:\n%s"):format(script, code, output), 2) end
  return (output:gsub("\n$", ""))
end

local function is_installed(command)
  return (os.execute("command -v " .. command .. " >/dev/null"))
end

local function prepare(folder)
  write(folder.path .. "/hello.lua", HELLO)
  write(folder.path .. "/host.c", HOST)
end

local function make(target, places)
  return shell(("make -s --no-print-directory -o all %s %s"):format(target, places or ""))
end

-- The program and the module of an installed tree, under the start methods.
local function check_programs(folder, bin, cmod, methods)
  for _, method in ipairs(methods or { "spawn" }) do
    local values = { F = folder.path, BIN = bin, LUA_CPATH = cmod .. "/?.so", M = method }
    assert.equal(SQUARES, shell([["$BIN/mplua" "$F/hello.lua" "$M"]], values))
    assert.equal(SQUARES, shell([[lua5.4 -l multiprocessing "$F/hello.lua" "$M"]], values))
  end
end

describe("make install", function()
  local folder

  setup(function()
    folder = new_folder()
    prepare(folder)
    make("install", "PREFIX=" .. folder.path .. "/mp")
  end)

  teardown(function() getmetatable(folder).__close() end)

  it("puts a program and a module in place", function()
    check_programs(folder, folder.path .. "/mp/bin", folder.path .. "/mp/lib/lua/5.4",
      { "fork", "spawn", "forkserver" })
  end)

  it("puts a library in place that C programs find by pkg-config, shared and static", function()
    local values = { F = folder.path, PKG_CONFIG_PATH = folder.path .. "/mp/lib/pkgconfig" }
    assert.equal(SQUARES .. "\nshared", shell([[
      cd "$F"
      cc -o host host.c $(pkg-config --cflags --libs mplua)
      export LD_LIBRARY_PATH="$F/mp/lib"
      ./host hello.lua
      ! ldd host | grep -q "$F/mp/lib/libmplua.so.0" || echo shared]], values))
    assert.equal(SQUARES .. "\nstatic", shell([[
      cd "$F"
      cc -o host host.c $(pkg-config --cflags --static --libs mplua | sed s/-lmplua/-l:libmplua.a/)
      ./host hello.lua
      ldd host | grep -q libmplua || echo static]], values))
  end)

  it("shows nothing of the library but what mplua.h declares", function()
    local names = shell([[nm -D --defined-only "$F/mp/lib/libmplua.so" | awk '{print $3}']],
      { F = folder.path })
    for name in names:gmatch "%S+" do
      assert.truthy(name:find "^mplua_" or name == "luaopen_multiprocessing", name)
    end
    assert.truthy(names:find "mplua_openlibs")
  end)

  it("puts manual pages and definitions for editors in place", function()
    local share = folder.path .. "/mp/share"
    local definitions = assert(loadfile(share .. "/mplua/library/multiprocessing.lua"))()
    assert.equal("function", type(definitions.Pool))
    for _, page in ipairs { "man1/mplua.1", "man3/multiprocessing.3" } do
      local file <close> = assert(io.open(share .. "/man/" .. page))
      assert.truthy(file:read "a":find("\n.SH NAME\n", 1, true), page)
    end
  end)

  it("puts everything below DESTDIR, for the places that are named", function()
    local there <close> = new_folder()
    make("install", "PREFIX=/usr LIBDIR=/usr/lib/here DESTDIR=" .. there.path)
    local list = shell([[cd "$F" && find . ! -type d | LC_ALL=C sort]], { F = there.path })
    for _, name in ipairs { "bin/mplua", "include/mplua.h", "lib/here/libmplua.a",
      "lib/here/libmplua.so", "lib/here/libmplua.so.0", "lib/here/lua/5.4/multiprocessing.so",
      "lib/here/pkgconfig/mplua.pc", "share/doc/mplua/README.md", "share/man/man1/mplua.1",
      "share/man/man3/multiprocessing.3", "share/mplua/library/multiprocessing.lua" } do
      assert.truthy(("\n" .. list .. "\n"):find("\n./usr/" .. name .. "\n", 1, true),
        name .. " is not in:\n" .. list)
    end
    assert.equal("/usr/lib/here", shell("pkg-config --variable=libdir mplua",
      { PKG_CONFIG_PATH = there.path .. "/usr/lib/here/pkgconfig" }))
    make("uninstall", "PREFIX=/usr LIBDIR=/usr/lib/here DESTDIR=" .. there.path)
    assert.equal("", shell([[find "$F" ! -type d]], { F = there.path }))
    assert.equal("", shell([[find "$F" -name "*mplua*"]], { F = there.path }))
  end)
end)

describe("make deb", function()
  -- where Debian's packages are built, and where they are not
  local there = is_installed "dpkg-shlibdeps" and is_installed "dpkg-deb"
  local deb

  setup(function() deb = there and make "deb" end)

  it("builds a package that is complete", function()
    if not there then return pending "no dpkg-dev" end
    local folder <close> = new_folder()
    prepare(folder)
    local values = { F = folder.path, DEB = deb }
    shell([[dpkg-deb -x "$DEB" "$F"; dpkg-deb -e "$DEB" "$F/DEBIAN"]], values)
    shell([[cd "$F" && md5sum -c --quiet DEBIAN/md5sums]], values)
    assert.equal("", shell([[dpkg-deb -c "$DEB" | grep -v " root/root " || true]], values))
    local depends = shell([[dpkg-deb -f "$DEB" Depends]], values)
    for _, package in ipairs { "libc6", "liblua5.4-0", "libsodium23" } do
      assert.truthy(depends:find(package, 1, true), depends)
    end
    local libs = shell("dpkg-architecture -qDEB_HOST_MULTIARCH")
    check_programs(folder, folder.path .. "/usr/bin",
      ("%s/usr/lib/%s/lua/5.4"):format(folder.path, libs))
  end)

  it("builds a package that dpkg installs and removes", function()
    if not there then return pending "no dpkg-dev" end
    if shell "id -u" ~= "0" then return pending "dpkg wants root" end
    local folder <close> = new_folder()
    local values = { F = folder.path, DEB = deb }
    -- a system of its own that has the packages of this one
    assert.equal("installed\nremoved", shell([[
      export PATH="$PATH:/usr/sbin:/sbin"
      mkdir -p "$F/var/lib/dpkg/info" "$F/var/lib/dpkg/updates" "$F/var/lib/dpkg/triggers"
      cp /var/lib/dpkg/status "$F/var/lib/dpkg/status"
      touch "$F/var/lib/dpkg/available"
      dpkg --root="$F" --force-script-chrootless --no-triggers -i "$DEB" >"$F/log" 2>&1 ||
        { cat "$F/log"; exit 1; }
      dpkg-query --admindir="$F/var/lib/dpkg" -W -f='${db:Status-Status}\n' mplua
      [ -x "$F/usr/bin/mplua" ]
      dpkg --root="$F" --force-script-chrootless --no-triggers -r mplua >"$F/log" 2>&1 ||
        { cat "$F/log"; exit 1; }
      find "$F" -path "$F/var" -prune -o -path "*mplua*" -print
      echo removed]], values))
  end)
end)

describe("luarocks make", function()
  it("installs the module and the program from the checkout, without a network", function()
    if not is_installed "luarocks" then return pending "no luarocks" end
    local folder <close> = new_folder()
    prepare(folder)
    local values = { F = folder.path, HOME = folder.path, http_proxy = "http://127.0.0.1:9",
      https_proxy = "http://127.0.0.1:9" }
    shell([[luarocks --lua-version 5.4 --tree "$F/rocks" make]], values)
    check_programs(folder, folder.path .. "/rocks/bin", folder.path .. "/rocks/lib/lua/5.4")
    shell([[luarocks --lua-version 5.4 --tree "$F/rocks" remove mplua]], values)
    assert.equal("", shell([[find "$F/rocks" -name "*mplua*" -o -name "*multiprocessing*"]],
      values))
  end)

  it("is told the library's version", function()
    local version = shell(helper.interpreter .. " -v"):match "^mplua ([%d.]+)"
    assert.equal(("mplua-%s-1.rockspec"):format(version), shell "ls *.rockspec")
    local rockspec = {}
    assert(loadfile(("mplua-%s-1.rockspec"):format(version), "t", rockspec))()
    assert.equal(version .. "-1", rockspec.version)
  end)
end)
