--- interrupt_spec.lua: Ctrl-C and the end of the program
-- MIT licence, see LICENSE
--
-- Each script says "ready PID" when it may be interrupted; `kill -INT` then stands for Ctrl-C.

local helper = require "spec.helper"

local pid_of_self = [[
local pid = io.open "/proc/self/stat":read "n"
io.stdout:setvbuf "no"
]]

-- Runs a script, sends it `signals` SIGINTs as it gets ready; all it said, and its exit code.
local function interrupted(script, signals)
  local path = os.tmpname()
  do
    local file <close> = assert(io.open(path, "w"))
    file:write(pid_of_self, script)
  end
  local pipe <close> = assert(io.popen(("timeout 10 '%s' '%s' 2>&1; echo \"status=$?\"")
    :format(helper.interpreter, path)))
  local said = {}
  for line in pipe:lines() do
    local pid = line:match "^ready (%d+)"
    if not pid then
      said[#said + 1] = line:gsub("%f[^%s]" .. path:gsub("%p", "%%%0"), "SCRIPT")
    elseif signals > 0 then
      signals = signals - 1
      os.execute("kill -INT " .. pid)
    end
  end
  os.remove(path)
  return table.concat(said, "\n", 1, #said - 1), tonumber(said[#said]:match "status=(%d+)")
end

describe("Ctrl-C", function()
  it("ends a script with exit code 130 and one message", function()
    local out, code = interrupted([[print("ready " .. pid) while true do end]], 1)
    assert.truthy(out:find("^mplua: .-interrupted!\nstack traceback:\n" ..
      ".*\tSCRIPT:3: in main chunk\n\t%[C%]: in %?$"), out)
    assert.equal(130, code)
  end)

  it("names the line of the call that it met", function()
    local out, code = interrupted([[
local function work()
  print("ready " .. pid)
  while true do end
end
work()]], 1)
    assert.truthy(out:find("^mplua: SCRIPT:%d: interrupted!\nstack traceback:\n"), out)
    assert.equal(130, code)
  end)

  it("ends a read", function()
    local out, code = interrupted([[
local fifo = os.tmpname()
os.execute("rm " .. fifo .. " && mkfifo " .. fifo)
local file = io.open(fifo, "r+")
os.remove(fifo)
print("ready " .. pid)
file:read()]], 1)
    assert.truthy(out:find "interrupted!\nstack traceback:")
    assert.equal(130, code)
  end)

  it("closes variables and collects on its way", function()
    local out, code = interrupted([[
local c <close> = setmetatable({}, {__close = function() print "closed" end})
g = setmetatable({}, {__gc = function() print "collected" end})
print("ready " .. pid)
while true do end]], 1)
    assert.truthy(out:find "closed\n")
    assert.truthy(out:find "collected$")
    assert.equal(130, code)
  end)

  it("can be caught", function()
    local out, code = interrupted([[
print(pcall(function() print("ready " .. pid) while true do end end))
print "goes on"]], 1)
    assert.truthy(out:find "^false\t.*interrupted!\ngoes on$")
    assert.equal(0, code)
  end)

  it("is not what ends a script that fails after it", function()
    local out, code = interrupted([[
pcall(function() print("ready " .. pid) while true do end end)
error "another reason"]], 1)
    assert.truthy(out:find "^mplua: SCRIPT:4: another reason\n", out)
    assert.equal(1, code)
  end)

  it("is not what ends a script that only says so", function()
    local out, code = interrupted([[error("interrupted!", 0)]], 0)
    assert.truthy(out:find "^mplua: interrupted!\n")
    assert.equal(1, code)
  end)

  it("kills when it comes twice and the script does not listen", function()
    local out, code = interrupted([[
coroutine.wrap(function()
  print("ready " .. pid)
  local t = os.clock()
  while os.clock() - t < 0.2 do end
  print("ready " .. pid)
  while true do end
end)()]], 2)
    assert.equal("", out)
    assert.equal(130, code)
  end)

  it("works again after it was caught and disarmed itself, by killing", function()
    local out, code = interrupted([[
pcall(function() print("ready " .. pid) while true do end end)
print("ready " .. pid)
while true do end]], 2)
    assert.equal("", out)
    assert.equal(130, code)
  end)

  it("ends a script from standard input, too", function()
    local pipe <close> = assert(io.popen(([[
      printf '%%s\n' 'io.stdout:setvbuf "no"' 'print(io.open "/proc/self/stat":read "n")' \
        'while true do end' | timeout 10 '%s' - 2>&1
      echo "status=$?"]]):format(helper.interpreter)))
    os.execute("kill -INT " .. pipe:read "l")
    local rest = pipe:read "a"
    assert.truthy(rest:find "^mplua: .-interrupted!\n", rest)
    assert.truthy(rest:find "status=130\n$")
  end)

  it("leaves SIGTERM alone", function()
    local out, code = interrupted([[
os.execute("kill -TERM " .. pid)
while true do end]], 0)
    assert.truthy(out == "" or out == "Terminated") -- that is the shell's
    assert.equal(128 + 15, code)
  end)
end)

describe("the end of the program", function()
  local function run(script)
    return helper.run("local registry = debug.getregistry()\n" .. script)
  end

  it("calls what the library left in the registry, before the state is closed", function()
    local out, code = run [[
g = setmetatable({}, {__gc = function() print "collected" end})
registry["multiprocessing.at_end"] = function(...) print("at end", ...) end
print "script"]]
    assert.equal("script\nat end\ncollected\n", out)
    assert.equal(0, code)
  end)

  it("calls it after an error, which stands first and decides the exit code", function()
    local out, code = run [[
registry["multiprocessing.at_end"] = function() io.stderr:write "at end\n" end
error("script", 0)]]
    assert.truthy(out:find "^mplua: script\nstack traceback:\n.*\nat end\n$", out)
    assert.equal(1, code)
  end)

  it("reports an error in it", function()
    local out, code = run [[
registry["multiprocessing.at_end"] = function() error("in the end", 0) end]]
    assert.truthy(out:find "^mplua: in the end\nstack traceback:\n")
    assert.equal(1, code)
  end)

  it("lets Ctrl-C end it", function()
    local out, code = interrupted([[
debug.getregistry()["multiprocessing.at_end"] = function()
  print("ready " .. pid)
  while true do end
end]], 1)
    assert.truthy(out:find "^mplua: .-interrupted!\n", out)
    assert.equal(130, code)
  end)

  it("says it once when Ctrl-C ends both the script and its end", function()
    local out, code = interrupted([[
debug.getregistry()["multiprocessing.at_end"] = function()
  print("ready " .. pid)
  while true do end
end
print("ready " .. pid)
while true do end]], 2)
    local _, times = out:gsub("interrupted!", "")
    assert.equal(1, times)
    assert.equal(130, code)
  end)
end)
