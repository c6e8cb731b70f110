--- helper.lua: loaded before every spec: start methods, leaks, small tools
-- MIT licence, see LICENSE
--
--   local helper = require "spec.helper"
--   helper.each_method(function(ctx) it("...", function() ... end) end)
--
-- Every `it` inside each_method fails when it leaves children, descriptors or
-- arena memory behind.

package.path = "./?.lua;" .. package.path

local M = {}

local mp = require "multiprocessing"
local arena = require "multiprocessing.core.arena"
local system = require "multiprocessing.core.system"

-- busted gives all spec files one environment of its own, which reaches all of busted. Functions of
-- a spec are to be sent with the receiver's globals instead.
local function make_environment_travel()
  local level = 2
  while debug.getinfo(level, "f") do
    local f = debug.getinfo(level, "f").func
    local name, env = debug.getupvalue(f, 1)
    if name == "_ENV" and env ~= _G and getmetatable(env) then
      getmetatable(env).__reduce = function() return require, "_G" end
    end
    level = level + 1
  end
end

make_environment_travel()

--- The descriptors below 1024 that this process has open, as a set. (No `ls`: popen itself has one
-- more open for a moment.)
function M.descriptors()
  local open = {}
  for number = 0, 1023 do
    local info <close> = io.open("/proc/self/fdinfo/" .. number)
    if info then open[number] = true end
  end
  return open
end

--- Pids of this process's children, zombies too.
function M.children()
  local path = ("/proc/%d/task/%d/children"):format(system.getpid(), system.getpid())
  local file <close> = assert(io.open(path))
  local pids = {}
  for pid in file:read("a"):gmatch("%d+") do pids[#pids + 1] = tonumber(pid) end
  return pids
end

local function count(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end

--- What a spec may not leave behind.
function M.snapshot()
  collectgarbage()
  collectgarbage()
  return { fds = count(M.descriptors()), children = #M.children(), bytes = M.arena_bytes() }
end

--- Bytes in allocated blocks of the arena, when what dead processes left has been swept.
function M.arena_bytes()
  arena.sweep()
  assert(arena.check())
  return arena.stats().used
end

--- Waits until f() is true; fails after `seconds` (10).
function M.eventually(f, seconds)
  local deadline = system.now() + (seconds or 10)
  while not f() do
    if system.now() > deadline then error("did not happen within the deadline", 2) end
    system.sleep(0.002)
  end
end

-- The snapshot when nothing changes any more: daemons that were told to go may need a moment.
local function settled()
  local last = M.snapshot()
  for _ = 1, 50 do
    system.sleep(0.03)
    local now = M.snapshot()
    if now.fds == last.fds and now.children == last.children and now.bytes == last.bytes then
      return now
    end
    last = now
  end
  return last
end

--- Runs f and fails if it leaves anything behind. It runs twice: what the first run leaves may be
-- made once and kept (the arena, a descriptor for /dev/null, a forkserver).
function M.leaks_nothing(f)
  f()
  local before = settled()
  f()
  local after
  local deadline = system.now() + 5
  repeat -- daemons that were told to go may need a moment
    after = M.snapshot()
    local same = after.fds <= before.fds and after.children <= before.children
      and after.bytes <= before.bytes
    if same then return end
    system.sleep(0.01)
  until system.now() > deadline
  error(("left behind: %d descriptors, %d children, %d arena bytes"):format(
    after.fds - before.fds, after.children - before.children, after.bytes - before.bytes), 2)
end

--- Writes a script to a temporary file, runs it, returns output, exit code, seconds.
-- Options: `setup` is a line of shell before it, `command` another interpreter, `args`, `redirect`,
-- `deadline` in seconds. Standard error is in the output.
function M.run(script, options)
  options = options or {}
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local command = ("%s\ntimeout -k 1 %g %s %s %s %s\necho \"status=$?\""):format(
    options.setup or "", options.deadline or 20, options.command or M.interpreter, path,
    options.args or "", options.redirect or "2>&1 </dev/null")
  os.execute("chmod 644 " .. path)
  local start = system.now()
  local pipe <close> = assert(io.popen(command))
  local text = pipe:read("a")
  os.remove(path)
  local output, status = text:match("^(.*)status=(%d+)\n$")
  return (output:gsub(path:gsub("%p", "%%%0"), "SCRIPT")), tonumber(status),
    system.now() - start
end

--- Memory cannot be measured: a sanitizer or valgrind needs some of its own.
M.is_sanitized = os.getenv "SANITIZER" ~= nil

--- The interpreter that runs this spec.
M.interpreter = arg and arg[-1] or "./mplua"

-- MPLUA_METHODS="fork" looks at some only
if os.getenv "MPLUA_METHODS" then
  M.methods = {}
  for m in os.getenv("MPLUA_METHODS"):gmatch("%a+") do table.insert(M.methods, m) end
end

--- The contents of a file.
function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The lines of a text, as a list.
function M.lines_of(text)
  local lines = {}
  if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
  for line in text:gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

--- The list 1, 2, ... n.
function M.numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

--- The error that f(...) raises; fails when it raises none.
function M.error_of(f, ...)
  local ok, e = pcall(f, ...)
  if ok then error("an error was expected, none was raised", 2) end
  return e
end

--- The same, and that it is the condition of that name.
function M.raises(name, f, ...)
  local ok, e = pcall(f, ...)
  if ok then error(name .. " expected, nothing was raised", 2) end
  if not mp.iserror(e, name) then error(("%s expected, got %s"):format(name, tostring(e)), 2) end
  return e
end

--- The seconds that f(...) takes, and its results.
function M.timed(f, ...)
  local start = system.now()
  local results = table.pack(f(...))
  return system.now() - start, table.unpack(results, 1, results.n)
end

--- Fails unless low <= seconds <= high.
function M.between(low, seconds, high)
  if seconds >= low and seconds <= high then return end
  error(("took %.3f s, not %g to %g"):format(seconds, low, high), 2)
end

--- A function that starts a process of that context (`daemon`: as a daemon): start(target, ...)
-- -> process.
function M.starter(ctx, daemon)
  return function(target, ...)
    local p = ctx.Process{ target = target, args = table.pack(...), daemon = daemon }
    p:start()
    return p
  end
end

local function state_of(pid)
  local file <close> = io.open("/proc/" .. pid .. "/stat")
  return file and file:read("a"):match("%) (%a)")
end

--- Whether the interpreter starts with so many KiB of addresses: one with a sanitizer does not.
function M.runs_in(kilobytes)
  return os.execute(("ulimit -v %d; %s -e '' 2>/dev/null"):format(kilobytes, M.interpreter)) == true
end

--- Whether a process is there and no zombie.
function M.lives(pid)
  local state = state_of(pid)
  return state ~= nil and state ~= "Z"
end

--- Stops a process, as Ctrl-Z does, and waits until it is.
function M.stop(p)
  require "multiprocessing".kill(p.pid, "SIGSTOP")
  M.eventually(function() return state_of(p.pid) == "T" end)
end

--- Describes the same specs once for each start method that there is; f gets the context.
function M.each_method(f)
  local busted = require "busted"
  for _, method in ipairs(M.methods or mp.get_all_start_methods()) do
    busted.describe("(" .. method .. ")", function() f(mp.get_context(method), method) end)
  end
end

return M
