--- repl_spec.lua: the interactive mode, at a terminal and without
-- MIT licence, see LICENSE
--
-- util-linux's `script` gives mplua a pseudo-terminal and writes what is seen there into a file;
-- a session types only when it has seen what it waits for.

local helper = require "spec.helper"

local BANNER <const> = "Lua%.org, PUC%-Rio\r?\n"

local folder

local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local _ <close> = file
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local Session = {}
Session.__index = Session

-- Waits until `pattern` is on the screen, after all that was waited for before; what stood there.
function Session:see(pattern)
  local found, last
  local ok = pcall(helper.eventually, function()
    found, last = read(self.screen):find(pattern, self.seen)
    return found
  end, 5)
  local text = read(self.screen):sub(self.seen)
  if not ok then error(("no %q in %q"):format(pattern, text), 2) end
  text = text:sub(1, last - self.seen + 1)
  self.seen = last + 1
  return (text:gsub("\r", ""))
end

function Session:type(keys)
  self.keyboard:write(keys)
  self.keyboard:flush()
  return self
end

-- Types a line, waits for the prompt; what was printed between the two.
function Session:enter(line, prompt)
  self:type(line .. "\r"):see "\n"
  prompt = prompt or "> "
  return (self:see("%f[^\n]" .. prompt):sub(1, -#prompt - 1))
end

-- End of file; the exit code.
function Session:leave()
  self:type "\4"
  return self:ended()
end

function Session:ended()
  local _, _, code = self.keyboard:close()
  return code
end

-- exec: a shell that stays (dash) would take the keyboard's Ctrl-C as its own.
local function session(options, environment)
  local screen = os.tmpname()
  local command = ([[cd '%s' && HOME='%s' TERM=dumb INPUTRC=/dev/null %s timeout 20 \
    script -qefc "exec '%s/mplua' %s" '%s' >/dev/null 2>&1]]):format(
    folder, folder, environment or "", folder, options or "", screen)
  local self = setmetatable({ screen = screen, seen = 1 }, Session)
  self.keyboard = assert(io.popen(command, "w"))
  return self
end

local function start(options, environment)
  local self = session(options, environment)
  self:see(BANNER .. "> ")
  return self
end

describe("the prompt", function()
  before_each(function()
    local pipe <close> = assert(io.popen "mktemp -d")
    folder = pipe:read "l"
    os.execute(("ln -s \"$(readlink -f '%s')\" '%s/mplua'"):format(helper.interpreter, folder))
  end)

  after_each(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  it("greets, evaluates, prints, and ends with the input", function()
    local s = start()
    assert.equal("2\n", s:enter "1 + 1")
    assert.equal("1\tnil\tx\n", s:enter "1, nil, 'x'")
    assert.equal("7\n", s:enter "= 7")
    assert.equal("", s:enter "x = 3")
    assert.equal("3\n", s:enter "x")
    assert.equal("", s:enter "")
    assert.equal("stdin\n", s:enter "debug.getinfo(1, 'S').short_src")
    assert.equal(0, s:leave())
    assert.truthy(read(s.screen):find "> \r?\n.*$")
  end)

  it("goes on with unfinished statements", function()
    local s = start()
    s:type "for i = 1, 2 do\r"
    s:see "\n>> "
    s:type "print(i)\r"
    s:see "\n>> "
    assert.equal("1\n2\n", s:enter "end")
    s:type "= [[a\r"
    s:see "\n>> "
    assert.equal("a\nb\n", s:enter "b]]")
    s:leave()
  end)

  it("reports errors without a name in front, and goes on", function()
    local s = start()
    assert.truthy(s:enter "x = = 1":find "^stdin:1: unexpected symbol near '='\n$")
    assert.truthy(s:enter "error 'oops'":find "^stdin:1: oops\nstack traceback:\n")
    assert.truthy(s:enter "error {}":find "^%(error object is a table value%)\n")
    assert.equal("speaks\n",
      s:enter "error(setmetatable({}, {__tostring = function() return 'speaks' end}))")
    assert.equal("error calling 'print' (attempt to call a nil value)\n",
      s:enter "print = nil; return 1")
    assert.equal(0, s:leave())
  end)

  it("prompts with _PROMPT and _PROMPT2", function()
    local s = start()
    s:enter("_PROMPT, _PROMPT2 = 'first ', 2", "first ")
    s:type "f(\r"
    s:see "\n2"
    s:enter("nil)", "first ")
    s:enter "_PROMPT = setmetatable({}, {__tostring = function() return '> ' end})"
    s:leave()
  end)

  it("starts after -e and a script with -i, and ends with os.exit", function()
    write(folder .. "/script.lua", "from_script = ...")
    local s = start "-e 'from_e = 1' -i script.lua argument"
    assert.equal("1\targument\targument\n", s:enter "from_e, from_script, arg[1]")
    s:type "os.exit(7)\r"
    assert.equal(7, s:ended())
  end)

  it("is not reached when the script fails", function()
    write(folder .. "/script.lua", "error 'no'")
    local s = session "-i script.lua"
    assert.equal(1, s:ended())
    assert.falsy(read(s.screen):find "\n> ")
  end)

  it("drops the line at Ctrl-C, and the unfinished statement", function()
    local s = start()
    s:type "half a line"
    s:see "half a line"
    s:type "\3"
    s:see "\n> "
    s:type "unfinished(\r"
    s:see ">> "
    s:type "\3"
    s:see "\n> "
    assert.equal("2\n", s:enter "1 + 1")
    assert.equal(0, s:leave())
  end)

  it("interrupts a running statement at Ctrl-C", function()
    local s = start()
    for _ = 1, 2 do
      s:type "print 'running' while true do end\r"
      s:see "\nrunning\r?\n"
      s:type "\3"
      s:see "interrupted!\r?\nstack traceback:.-\n> "
    end
    assert.equal("2\n", s:enter "1 + 1")
    assert.equal(0, s:leave())
  end)

  it("edits lines and walks through history", function()
    local s = start()
    s:enter "first = 10"
    assert.equal("10\n", s:enter "zfirst\1\4") -- to the beginning, delete
    s:type "\16" -- up
    s:see "first"
    assert.equal("11\n", s:enter " + 1")
    s:leave()
  end)

  it("keeps history in ~/.mplua_history, statements whole", function()
    local s = start()
    s:enter "one = 1"
    s:enter "one = 1"
    s:enter "  "
    s:type "function two()\r"
    s:see ">> "
    s:enter "return 2 end"
    s:leave()
    local lines = read(folder .. "/.mplua_history"):gsub("#%d+\n", "#\n")
    assert.equal("#\none = 1\n#\nfunction two()\nreturn 2 end\n", lines)
    local pipe <close> = assert(io.popen(("stat -c %%a '%s/.mplua_history'"):format(folder)))
    assert.equal("600\n", pipe:read "a")

    s = start()
    s:enter "\16" -- defines `two` again
    assert.equal("2\n", s:enter "two()")
    s:leave()
  end)

  it("keeps history where MPLUA_HISTORY says, or nowhere", function()
    local s = start("", "MPLUA_HISTORY=own")
    s:enter "x = 1"
    s:leave()
    assert.truthy(read(folder .. "/own"):find "x = 1\n$")
    s = start("", "MPLUA_HISTORY=")
    s:enter "x = 1"
    s:leave()
    s = start("", "MPLUA_HISTORY=no/such/folder/file")
    assert.equal("1\n", s:enter "1")
    s:leave()
    assert.equal("", read(folder .. "/.mplua_history"))
  end)

  it("completes names with Tab, without running anything", function()
    local s = start()
    assert.equal("3\n", s:enter "str\t.for\t('%d', 3)")
    s:enter "class = {method_name = function() return 'm' end}; class.__index = class"
    s:enter "object = setmetatable({}, class)"
    assert.equal("m\n", s:enter "object:meth\t()")
    s:enter "trap = setmetatable({}, {__index = error, __pairs = error})"
    assert.equal("2\n", s:enter "trap.\t\21return 2")
    assert.equal("1\n", s:enter "\treturn 1")
    s:leave()
  end)
end)

describe("-i without a terminal", function()
  local function run(input)
    local path = os.tmpname()
    write(path, input)
    local pipe <close> = assert(io.popen(("timeout 10 '%s' -i <'%s' 2>&1; echo status=$?"):format(
      helper.interpreter, path)))
    local text = pipe:read "a"
    os.remove(path)
    return (text:gsub("^.-" .. BANNER, ""))
  end

  it("prompts and reads lines as they come", function()
    assert.equal("> 2\n> >> 1\n> \nstatus=0\n", run "1 + 1\nfor i = 1, 1 do\nprint(i) end\n")
  end)

  it("takes a last line without newline, and very long ones", function()
    assert.equal("> 1\n> \nstatus=0\n", run "1")
    assert.equal("> 100000\n> \nstatus=0\n", run("#'" .. ("x"):rep(100000) .. "'\n"))
  end)

  it("reports a statement that never ends", function()
    assert.equal("> >> stdin:1: unexpected symbol near <eof>\n> \nstatus=0\n", run "x =\n")
  end)

  it("lets statements read the same input", function()
    assert.equal("> next line\n> \nstatus=0\n", run "io.read()\nnext line\n")
  end)
end)
