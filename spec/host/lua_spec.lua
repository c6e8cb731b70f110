--- lua_spec.lua: mplua and lua5.4 do the same on the same command lines
-- MIT licence, see LICENSE
--
-- Each case is a shell command with LUA for the interpreter, run in a fresh folder that holds the
-- files below. Output, errors and exit code are compared; the program's name is the one thing that
-- may differ.

local helper = require "spec.helper"

local files = {
  ["args.lua"] = [[
    print(#arg, ...)
    for i = -9, 9 do if arg[i] then print(i, arg[i]) end end]],
  ["bang.lua"] = "#!/usr/bin/env lua\nprint 'after the first line' error 'line 2'",
  ["bang_only.lua"] = "#no newline at the end",
  ["bom.lua"] = "\xEF\xBB\xBFprint 'after the mark'",
  ["bom_bang.lua"] = "\xEF\xBB\xBF#!lua\nprint 'after both'",
  ["syntax.lua"] = "local x =\n= 3",
  ["deep.lua"] = [[
    local function f(n) if n == 0 then error "at the bottom" end return (f(n - 1)) end
    f(40)]],
  ["overflow.lua"] = "local function f() return 1 + f() end f()",
  ["module.lua"] = "print('loading', ...) return {name = 'module'}",
  ["broken.lua"] = "error 'while loading'",
  ["lib/inner.lua"] = "return 'inner'",
  ["init.lua"] = "print 'from the init file' x = 1",
  ["gc.lua"] = [[
    setmetatable({}, {__gc = function() print 'collected' end})
    keep = setmetatable({}, {__gc = function() print 'kept to the end' end})
    local c <close> = setmetatable({}, {__close = function(_, e) print('closed', e) end})
    print 'last line']],
  ["close_error.lua"] = [[
    local a <close> = setmetatable({}, {__close = function(_, e) print('a', e) end})
    local b <close> = setmetatable({}, {__close = function(_, e) print('b', e) error 'in b' end})
    error 'in the body']],
  ["exit_close.lua"] = [[
    local c <close> = setmetatable({}, {__close = function() print 'closed' end})
    g = setmetatable({}, {__gc = function() print 'collected' end})
    io.write 'no newline '
    os.exit(tonumber((...)), true)]],
  ["exit.lua"] = [[
    g = setmetatable({}, {__gc = function() print 'never' end})
    io.write 'flushed '
    local codes = {yes = true, no = false, ["nil"] = nil}
    local code = codes[...]
    if code == nil and ... ~= "nil" then code = math.tointeger((...)) end
    os.exit(code)]],
  ["-dash.lua"] = "print('a file that begins with a dash', ...)",
  ["-"] = "print('a file that is called -', ...)",
  ["empty.lua"] = "",
  ["gc_error.lua"] = [[
    setmetatable({}, {__gc = function() error 'in a finalizer' end})]],
  ["read.lua"] = "print(io.read 'a')",
}

local cases = {
  -- no script, standard input
  "LUA </dev/null",
  "echo 'print(1, ...)' | LUA",
  "echo 'print(1, ...)' | LUA - a b",
  "echo 'print(arg[0], arg[1], arg[-1])' | LUA - a",
  "echo 'error {}' | LUA -",
  "echo 'x = = 1' | LUA",
  "LUA <.",
  "LUA - <&-",
  "echo text | LUA read.lua",
  -- scripts and their arguments
  "LUA args.lua",
  "LUA args.lua a '' 'b c' -e -v",
  "LUA -e 'x=1' -W args.lua one",
  "LUA -- args.lua -- x",
  "LUA -W -- -dash.lua 1",
  "LUA -- - 1",
  "echo 'print(\"standard input\", ...)' | LUA -W - 1",
  "LUA -e 'for i = -9, 9 do if arg[i] then print(i, arg[i]) end end'",
  "LUA -E -e 'print(#arg, arg[0], arg[-1])' -W",
  "LUA -e 'arg = {\"own\", n = 7}' args.lua replaced",
  "LUA -e 'arg = nil' args.lua",
  "LUA -e 'arg = setmetatable({}, {__len = function() return 3 end})' -- empty.lua",
  "LUA -e 'arg = setmetatable({}, {__len = function() return 2000000 end})' -- empty.lua",
  "LUA empty.lua",
  "LUA bang.lua",
  "LUA bang_only.lua",
  "LUA bom.lua",
  "LUA bom_bang.lua",
  "LUA nosuch.lua",
  "LUA .",
  "LUA ''",
  "LUA syntax.lua",
  "LUA -e 'local f = io.open(\"out\", \"wb\") f:write(string.dump(loadfile \"args.lua\"))' && " ..
    "LUA out 1 2",
  "LUA -e 'local s = string.dump(load \"return 1\") io.open(\"out\", \"wb\")" ..
    ":write(s:sub(1, -9))' && LUA out",
  -- options
  "LUA -e 'print(1)' -e 'print(2)'",
  "LUA -e'print(1)'",
  "LUA -e ''",
  "LUA -e 'print(...)' empty.lua x",
  "LUA -e 'x = ' -e 'print \"not reached\"'",
  "LUA -e 'error \"first\"' empty.lua",
  "LUA -e 'return 1, 2'",
  "LUA -lmodule -e 'print(module.name)'",
  "LUA -l module -l m=module -e 'print(module == m)'",
  "LUA -lm=module -e 'print(module, m.name)'",
  "LUA -l lib.inner -e 'print(_G[\"lib.inner\"])'",
  "LUA -l nosuch",
  "LUA -l broken -e 'print \"not reached\"'",
  "LUA -l broken.lua",
  "LUA -l = -e 'print(1)'",
  "LUA -W -e 'warn \"heard\"'",
  "LUA -e 'warn \"not heard\"' -W -e 'warn(\"he\", \"ard\")' -e 'warn \"@off\" warn \"no\"'",
  "LUA -e 'warn \"@on\" warn \"heard\" warn \"@unknown\" warn \"again\"'",
  "LUA -W gc_error.lua",
  "LUA gc_error.lua",
  -- errors and their objects
  "LUA -e 'error()'",
  "LUA -e 'error(nil)'",
  "LUA -e 'error \"text\"'",
  "LUA -e 'error(\"text\", 0)'",
  "LUA -e 'error(42)'",
  "LUA -e 'error(1.5)'",
  "LUA -e 'error(true)'",
  "LUA -e 'error {}'",
  "LUA -e 'error(print)'",
  "LUA -e 'error(setmetatable({}, {__tostring = function() return \"speaks\" end}))'",
  "LUA -e 'error(setmetatable({}, {__tostring = function() return 1 end}))'",
  "LUA -e 'error(setmetatable({}, {__tostring = function() error \"worse\" end}))'",
  "LUA -e 'error(setmetatable({}, {__name = \"Named\"}))'",
  "LUA -e 'error(\"before\\0after\")'",
  "LUA -e 'error \"\"'",
  "LUA -e 'nothing.x = 1'",
  "LUA -e 'coroutine.wrap(function() error \"in a coroutine\" end)()'",
  "LUA deep.lua",
  "LUA overflow.lua",
  "LUA -e 'string.rep(\"x\", 1 << 40)'",
  "LUA close_error.lua",
  "LUA -e 'local f = load \"return\" debug.sethook(f, \"\", 1) x = 1 print \"hooked\"'",
  -- the end
  "LUA gc.lua",
  "LUA exit_close.lua 0",
  "LUA exit_close.lua 7",
  "LUA exit.lua yes",
  "LUA exit.lua no",
  "LUA exit.lua nil",
  "LUA exit.lua 3",
  "LUA exit.lua 256",
  "LUA exit.lua -1",
  "LUA -e 'print(1)' >&-",
  "LUA -e 'print(1)' >/dev/full",
  "LUA -e 'io.stdout:setvbuf \"no\" print(io.write(1))' >/dev/full",
  "LUA -e 'error \"unseen\"' 2>&-",
  "LUA -e 'os.exit(true, true)'",
  "LUA -e 'io.write \"unfinished\" error \"after it\"'",
  -- the environment
  "LUA_INIT='print \"init\"' LUA -e 'print \"then\"'",
  "LUA_INIT='print \"old\"' LUA_INIT_5_4='print \"new\"' LUA empty.lua",
  "LUA_INIT=@init.lua LUA -e 'print(x)'",
  "LUA_INIT=@nosuch.lua LUA -e 'print \"not reached\"'",
  "LUA_INIT='error \"in init\"' LUA empty.lua",
  "LUA_INIT='x = ' LUA empty.lua",
  "LUA_INIT='error {}' LUA -e 'print \"not reached\"'",
  "LUA_INIT='print \"init\"' LUA -E -e 'print \"alone\"'",
  "LUA_INIT='print(arg[0], arg[1])' LUA args.lua a",
  "LUA_INIT='' LUA empty.lua",
  "LUA_PATH='lib/?.lua;;' LUA -e 'print(require \"inner\") print(package.path)'",
  "LUA_PATH='lib/?.lua' LUA_PATH_5_4='other/?.lua;;' LUA -e 'print(package.path)'",
  "LUA_CPATH='lib/?.so;;' LUA -e 'print(package.cpath)'",
  "LUA_PATH='lib/?.lua' LUA_CPATH=x LUA -E -e 'print(package.path, package.cpath)'",
  "LUA -e 'print(package.path, package.cpath, package.config)'",
  "LUA -e 'print(_VERSION, collectgarbage \"incremental\", math.type(1))'",
  "LUA -e 'local t = {} for k in pairs(_G) do t[#t+1] = k end table.sort(t) " ..
    "print(table.unpack(t))'",
  "LUA -e 'local t = {} for k in pairs(package.loaded) do t[#t+1] = k end table.sort(t) " ..
    "print(table.unpack(t))'",
  -- C modules that the system has
  "LUA -e 'local j = require \"cjson\" print(j.encode {1, 2, {a = true}}, j.decode \"[3]\"[1])'",
  "LUA -e 'local p = require \"lpeg\" print(p.match(p.C(p.P \"a\" ^ 1) * -1, \"aaa\"))'",
  "LUA -e 'local lfs = require \"lfs\" print(lfs.attributes(\"args.lua\", \"mode\"))'",
}

local folder, real

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("\n$", ""))
end

-- Runs a command for both; the interpreter is found through PATH, so argv[0] is its bare name.
local function run(command, name)
  write(folder .. "/command", (command:gsub("%f[%w_]LUA%f[^%w_]", name)))
  local _, _, code = os.execute(([[cd '%s/files' && PATH="%s/bin:$PATH" LC_ALL=C timeout 10 \
    sh ../command >../stdout 2>../stderr]]):format(folder, folder))
  local function text(path)
    local said = read(folder .. path):gsub("%f[%w]lua5%.4%f[%W]", "mplua")
    return (said:gsub("skipping %d+ levels", "skipping levels")) -- the host's own frames count
  end
  return { stdout = text "/stdout", stderr = text "/stderr", code = code }
end

describe("the command line", function()
  setup(function()
    folder = shell "mktemp -d"
    real = shell(("readlink -f '%s'"):format(helper.interpreter))
    os.execute(("mkdir -p '%s/bin' '%s/files/lib' && ln -s '%s' '%s/bin/mplua'"):format(
      folder, folder, real, folder))
    for name, text in pairs(files) do write(folder .. "/files/" .. name, text) end
  end)

  teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  for _, command in ipairs(cases) do
    it("is lua's: " .. command, function()
      assert.same(run(command, "lua5.4"), run(command, "mplua"))
    end)
  end

  -- What is ours to word: the same exit code, the same first line, every option explained.
  for _, options in ipairs { "-x", "-e", "-l", "-i -e", "-vv", "-ix", "-E1", "--help", "-l -v",
    "-e -", "-W1", "-x script" } do
    it("refuses what lua refuses: " .. options, function()
      local theirs, ours = run("LUA " .. options, "lua5.4"), run("LUA " .. options, "mplua")
      assert.equal(1, ours.code)
      assert.equal(theirs.code, ours.code)
      assert.equal("", ours.stdout)
      assert.equal(theirs.stderr:match "^.-\n.-\n", ours.stderr:match "^.-\n.-\n")
      for option in theirs.stderr:gmatch "\n  (%-%a*)" do
        assert.truthy(ours.stderr:find("\n  " .. option, 1, true), option)
      end
    end)
  end

  it("names both versions", function()
    for _, options in ipairs { "-v", "-v -E", "-v -e ''", "-E -v empty.lua" } do
      local lua = run("LUA " .. options, "lua5.4").stdout
      local ours = run("LUA " .. options, "mplua")
      assert.same({ 0, "" }, { ours.code, ours.stderr })
      assert.truthy(ours.stdout:match "^mplua %d+%.%d+%.%d+, ")
      assert.equal(lua, (ours.stdout:gsub("^mplua [%d.]+, ", "")))
    end
  end)

  it("keeps a versioned module in a global without the version", function()
    write(folder .. "/files/app-v2.lua", "return 'second'")
    assert.equal("second\n", run("LUA -l app-v2 -e 'print(app)'", "mplua").stdout)
  end)

  it("refuses more arguments than a call can have", function()
    write(folder .. "/files/many.lua",
      "arg = setmetatable({}, {__len = function() return 1 << 40 end})")
    local out = run("LUA_INIT=@many.lua LUA empty.lua", "mplua")
    assert.same({ stdout = "", stderr = "mplua: too many arguments to script\n", code = 1 }, out)
  end)

  it("drops the folder from the name in messages", function()
    local out = run("../bin/mplua nosuch.lua", "mplua")
    assert.equal("mplua: cannot open nosuch.lua\n", (out.stderr:gsub(": No such.*", "\n")))
  end)

  it("has multiprocessing built in", function()
    local out = run("LUA_PATH= LUA_CPATH= LUA -l mp=multiprocessing -e 'print(mp.now() > 0)'",
      "mplua")
    assert.same({ stdout = "true\n", stderr = "", code = 0 }, out)
  end)

  it("shows where an uncaught condition of multiprocessing comes from", function()
    write(folder .. "/files/condition.lua", [[
local mp = require "multiprocessing"
local function work() mp.dumps(coroutine.create(print)) end
work()]])
    local out = run("LUA condition.lua", "mplua")
    assert.equal(1, out.code)
    assert.truthy(out.stderr:find "^mplua: SerializationError: .-\nstack traceback:\n", out.stderr)
    assert.truthy(out.stderr:find("condition.lua:2: in ", 1, true), out.stderr)
  end)

  it("runs busted", function()
    write(folder .. "/files/some_spec.lua", "it('is run', function() assert.equal(1, 1) end)")
    local out = run("LUA /usr/bin/busted --output=plainTerminal some_spec.lua", "mplua")
    assert.truthy(out.stdout:find("1 success / 0 failures / 0 errors", 1, true), out.stdout)
    assert.equal(0, out.code)
  end)
end)
