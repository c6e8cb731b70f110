--- process.lua: the class Process, and the life of this process
-- MIT licence, see LICENSE
--
-- A Process is made by its parent, started once by one of start/*.lua, and lives on in the child
-- as `current`. The child's whole life is M.live: it ends in core.exit and never returns.

local core = require "multiprocessing.core.process"
local ending = require "multiprocessing.ending"
local errors = require "multiprocessing.errors"
local parent = require "multiprocessing.parent"
local process_options = require "multiprocessing.process_options"
local system = require "multiprocessing.core.system"
local traceback = require "multiprocessing.traceback"

local M = {}

process_options.is_ours[debug.getinfo(1, "S").source] = true

local os_exit <const> = os.exit
local randomseed <const> = math.randomseed

-- state of this process ---------------------------------------------------------------------

local current          -- the Process that this process is
local is_child = false
local made = 0         -- children made: numbers their names
local handles = setmetatable({}, { __mode = "k" }) -- apart, so that processes can be sent
local running = {}     -- set of started children whose end was not seen
local started = 0      -- since the last look at all of them

-- the class ---------------------------------------------------------------------------------

--- A child: what it will do, and how it ended. Fields set before `start` are there in the child.
---
---     local p = mp.Process{ target = print, args = { "hello" } }
---@class multiprocessing.Process
---@field name string       settable; "Process-1" by default
---@field daemon boolean    ends with its parent; inherited; settable before start
---@field pid? integer      nil before start
---@field ident? integer    the same as pid
---@field exitcode? integer nil while it runs; n from exit, -n from signal n
---@field sentinel? integer descriptor that is readable after the end, for mp.wait
---@field authkey string    key for connections, inherited
---@field super table       the class that this one extends
local Process = { _class_name = "Process" }
Process.__index = Process
M.Process = Process

local function check(ok, level, format, ...)
  if not ok then error(format:format(...), level + 1) end
end

-- "3", or "1:3" in the child Process-1. Made when it is asked for: most names never are.
local function identity_of(self)
  return self._prefix and self._prefix .. ":" .. self._number or tostring(self._number)
end

--- Prepares a process; `mp.Process(options)` calls it. A subclass's own `init` calls that of its
--- `super`.
---
---     local Greeter = mp.Process:extend "Greeter"
---     function Greeter:init(options)
---       Greeter.super.init(self, {})
---       self.greeting = options.greeting
---     end
---     function Greeter:run() print(self.greeting) end
---     local g = Greeter{ greeting = "good morning" }
---     g:start()
---     g:join()                                  --> good morning
---@param options? table as `mp.Process` takes them
function Process:init(options)
  options = process_options.check(options)
  self._target, self._args = options.target, options.args or {}
  self._memory_limit = options.memory_limit and math.tointeger(options.memory_limit)
  self._daemon = options.daemon
  if self._daemon == nil then self._daemon = current._daemon end
  made = made + 1
  self._name, self._number = options.name, made
  self._prefix = current._number and identity_of(current)
  self._parent_pid = system.getpid()
end

--- What the child does: calls `target` with `args`. Subclasses replace it.
---
---     p:run()                                   --> hello
function Process:run()
  local target = self._target
  if target then target(table.unpack(self._args, 1, self._args.n or #self._args)) end
end

-- properties: read and written like fields

local getters, setters = {}, {}

local function ended(self, timeout)
  local handle = handles[self]
  if self._ended or not handle or not handle:wait(timeout) then return self._ended or false end
  self._ended, running[self] = true, nil
  self._exitcode = handle:status()
  return true
end

function getters:name() return self._name or self._class_name .. "-" .. identity_of(self) end
function getters:daemon() return self._daemon end

-- Made when it is first asked for, or needed by a child.
function getters:authkey()
  if self._authkey then return self._authkey end
  if not current._authkey then
    current._authkey = string.pack("jjj", core.seed(), core.seed(), (core.seed()))
  end
  return current._authkey
end


function getters:pid()
  if self == current then return system.getpid() end
  return handles[self] and not self._closed and handles[self]:pid() or nil
end

getters.ident = getters.pid

function getters:exitcode()
  if handles[self] and self._parent_pid == system.getpid() then ended(self, 0) end
  return self._exitcode
end

function getters:sentinel()
  return handles[self] and handles[self]:sentinel()
end

function setters:name(v)
  check(type(v) == "string", 2, "process name must be a string, got %s", type(v))
  self._name = v
end

function setters:daemon(v)
  check(not handles[self], 2, "cannot change 'daemon' of %s: it has been started", self.name)
  check(type(v) == "boolean", 2, "process daemon must be a boolean, got %s", type(v))
  self._daemon = v
end

function setters:authkey(v)
  check(type(v) == "string", 2, "process authkey must be a string, got %s", type(v))
  self._authkey = v
end

for _, name in ipairs { "pid", "ident", "exitcode", "sentinel" } do
  setters[name] = function() error(("'%s' of a process cannot be set"):format(name), 2) end
end

-- These are reachable by name, so that classes can travel by value.

function M.construct(class, options)
  local self = setmetatable({ -- with room for what `init` and `start` will add
    _target = nil, _args = nil, _name = nil, _number = nil, _prefix = nil, _daemon = nil,
    _memory_limit = nil, _authkey = nil, _parent_pid = nil, _parent_name = nil,
    _parent_slot = nil, _exitcode = nil, _ended = nil,
  }, class)
  self:init(options)
  return self
end

function M.get_field(self, key)
  local getter = getters[key]
  if getter then return getter(self) end
  return getmetatable(self)[key]
end

function M.set_field(self, key, value)
  local setter = setters[key]
  if setter then return setter(self, value) end
  rawset(self, key, value)
end

local function make_class(class, base)
  class.__index, class.__newindex = M.get_field, M.set_field
  class.__tostring = Process.__tostring
  return setmetatable(class, { __index = base, __call = M.construct })
end

--- Makes a subclass, whose `run` may be replaced.
---
--- *Python*: `class My(Process)`.
---
---     local My = mp.Process:extend "My"
---     function My:run() print(self.word) end
---     local my = My{}
---     my.word = "hello"
---     my:start()
---     my:join()                                 --> hello
---@function Process:extend
---@param name string the class's name; its processes are called "My-3"
---@return multiprocessing.Process class call it with a table of options
function Process:extend(name)
  check(type(name) == "string", 2,
    "bad argument #1 to 'extend' (string expected, got %s)", type(name))
  return make_class({ _class_name = name, super = self }, self)
end

-- methods -----------------------------------------------------------------------------------

local function check_self(self, method, level)
  level = level or 3
  check(type(self) == "table" and getmetatable(self) and self._class_name, level,
    "bad argument #1 to '%s' (process expected; call it with a colon)", method)
  check(self._parent_pid, level, "bad argument #1 to '%s' (process expected, got the class, or "
    .. "one whose init did not call that of its super)", method)
end

local function check_started(self, verb)
  check_self(self, verb == "look at" and "is_alive" or verb, 4)
  if self._closed then
    errors.raise("ClosedError", ("cannot %s %s: it was closed"):format(verb, self.name))
  end
  check(self ~= current, 3, "cannot %s %s: it is this process itself", verb, self.name)
  check(self._parent_pid == system.getpid(), 3,
    "cannot %s %s: only the process that started it can", verb, self.name)
  check(handles[self], 3, "cannot %s %s: it has not been started; call start first", verb,
    self.name)
end

-- Looks at all children when as many again were started: none stays a zombie for long.
local function sweep_sometimes()
  started = started + 1
  if started < 16 then return end
  local left = 0
  for p in pairs(running) do
    if not ended(p, 0) then left = left + 1 end
  end
  started = 16 - left
end

--- Starts the child, once.
---
--- *Raises* on a second call; `ProcessError` when the system has no room for another process;
--- `SerializationError` under spawn and forkserver when something cannot be sent.
---
---     p:start()
---     p:join()                                  --> hello
function Process:start()
  check_self(self, "start")
  check(self ~= current, 2, "cannot start %s: it is this process itself", self.name)
  check(not handles[self], 2, "cannot start %s: it has been started before; make another one",
    self.name)
  check(self._parent_pid == system.getpid(), 2,
    "cannot start %s: another process made it", self.name)
  sweep_sometimes()
  -- All is written down before the fork: after it each page written to is copied first.
  self._parent_name, self._parent_slot = current.name, core.self()
  self._authkey = self.authkey
  handles[self] = core.new()
  running[self] = true
  local target, args = self._target, self._args
  local ok, failure = pcall(self._context._launch, self._context, self, handles[self])
  if not ok then
    handles[self], running[self] = nil, nil
    self._target, self._args = target, args -- for another attempt
    error(failure, 0)
  end
  self._target, self._args = nil, nil -- the parent needs them no more
end

--- Waits for the end.
---
--- *Blocks* until then or until the timeout. *Raises* before `start`.
--- *Python*: returns nothing there.
---
---     local sleeper = mp.Process{ target = mp.sleep, args = { 60 }, daemon = true }
---     sleeper:start()
---     print(sleeper:join(0.01))                 --> false
---@param timeout? number seconds; nil waits for ever
---@return boolean ended false on timeout
function Process:join(timeout)
  check_started(self, "join")
  check(timeout == nil or tonumber(timeout), 2,
    "bad argument #1 to 'join' (number expected, got %s)", type(timeout))
  check(timeout == timeout, 2, "bad argument #1 to 'join' (timeout is NaN)")
  return ended(self, timeout)
end

--- Does the child still run? *Raises* before `start`.
---
---     local sleeper = mp.Process{ target = mp.sleep, args = { 60 }, daemon = true }
---     sleeper:start()
---     print(sleeper:is_alive())                 --> true
---@return boolean
function Process:is_alive()
  check_self(self, "is_alive")
  if self == current then return true end
  check_started(self, "look at")
  return not ended(self, 0)
end

local function signaller(method, signal)
  return function(self)
    check_started(self, method)
    if not ended(self, 0) then handles[self]:signal(signal) end
  end
end

--- Sends SIGTERM; nothing happens after the end. *Raises* before `start`.
---
---     local sleeper = mp.Process{ target = mp.sleep, args = { 60 } }
---     sleeper:start()
---     sleeper:terminate()
---     sleeper:join()
---     print(sleeper.exitcode)                   --> -15
---@function Process:terminate
Process.terminate = signaller("terminate", 15)
--- Sends SIGKILL; nothing happens after the end. *Raises* before `start`.
---
---     local sleeper = mp.Process{ target = mp.sleep, args = { 60 } }
---     sleeper:start()
---     sleeper:kill()
---     sleeper:join()
---     print(sleeper.exitcode)                   --> -9
---@function Process:kill
Process.kill = signaller("kill", 9)
--- Sends SIGINT: raises `interrupted!` in the child, which ends silently with -2 when it does not
--- catch it. *Raises* before `start`.
---
---     local sleeper = mp.Process{ target = mp.sleep, args = { 60 } }
---     sleeper:start()
---     sleeper:interrupt()
---     sleeper:join()
---     print(sleeper.exitcode)                   --> -2
---@function Process:interrupt
Process.interrupt = signaller("interrupt", 2)

--- Gives back what the handle holds. *Raises* while the child runs.
---
---     p:start()
---     p:join()                                  --> hello
---     p:close()
---     print(pcall(p.join, p))       --> false ClosedError: cannot join Process-1: it was closed
function Process:close()
  check_self(self, "close")
  if self._closed then return end
  if handles[self] then
    check_started(self, "close")
    check(ended(self, 0), 2, "cannot close %s: it still runs; join it first", self.name)
    handles[self]:close()
  end
  self._closed = true
end

local function state_text(self)
  if self._closed then return "closed" end
  if self == current or self._parent_pid ~= system.getpid() then return "started" end
  if not handles[self] then return "initial" end
  if not ended(self, 0) then return "started" end
  local code = self._exitcode
  if code == 0 then return "stopped" end
  local name = code < 0 and system.signal_name(-code)
  return "stopped exitcode=" .. (name and "-" .. name or code)
end

function Process:__tostring()
  return ("<%s name='%s'%s parent=%d %s%s>"):format(self._class_name, self.name,
    self.pid and " pid=" .. self.pid or "", self._parent_pid, state_text(self),
    self._daemon and " daemon" or "")
end

-- the life of a child -----------------------------------------------------------------------

--- Is that the error of a SIGINT?
function M.was_interrupted(e)
  return core.interrupt_seen() and type(e) == "string" and e:find("interrupted!", 1, true)
end

local SIGINT <const> = 2

local at_end_once <const> = core.on_end(ending.at_end)

local function leave(status)
  local ok = pcall(ending.at_end)
  core.exit(ok and status or -SIGINT)
end

local function status_of(code)
  if code == nil or code == true then return 0 end
  if code == false then return 1 end
  return math.tointeger(code) & 0xff
end

-- os.exit's own check comes too late: when all that belongs to the end is done.
local function check_code(code)
  if code == nil or type(code) == "boolean" or math.tointeger(code) then return end
  check(math.type(code) == "float", 3, "bad argument #1 to 'exit' (number expected, got %s)",
    type(code))
  check(false, 3, "bad argument #1 to 'exit' (number has no integer representation)")
end

--- Stands in for os.exit, so that it is a normal end.
function M.exit(code, close)
  check_code(code)
  if is_child then leave(status_of(code)) end
  if ending.has_begun() then ending.at_end() else at_end_once() end
  os_exit(code, close)
end

local function report(self, failure)
  io.stdout:flush()
  io.stderr:write(("Process %s:\n%s\n"):format(self.name, traceback.users_part(failure.text)))
end

local births = {}

--- Has f called first thing in each child that is a copy of this process, and in its copies.
function M.at_birth(f) births[#births + 1] = f end

-- State of the parent that is not the child's.
local function become(self)
  is_child = true
  current, made, started = self, 0, 0
  if next(running) then running = {} end -- in a small child each new table costs a page
  ending.forget()
  for _, f in ipairs(births) do f() end
  randomseed(core.seed())
end

--- The child's whole life; answers with its exit status.
---@param self multiprocessing.Process
---@return integer
function M.live(self)
  become(self)
  if self._memory_limit then core.limit_memory(self._memory_limit) end
  local ok, failure = ending.try(self.run, self)
  if ok then return leave(0) end
  if M.was_interrupted(failure.value) then return leave(-SIGINT) end
  report(self, failure)
  return leave(1)
end

-- the module's functions --------------------------------------------------------------------

--- The Process object of this process.
---
--- *Python*: `multiprocessing.current_process`.
---
---     print(mp.current_process().name)          --> MainProcess
---@return multiprocessing.Process
function M.current_process()
  return current
end

--- The process that started this one; nil in the first process.
---
--- *Python*: `multiprocessing.parent_process`.
---
---     local p = mp.Process{ target = function() print(mp.parent_process().name) end }
---     p:start()
---     p:join()                                  --> MainProcess
---@return multiprocessing.ParentProcess?
function M.parent_process()
  if not is_child then return nil end
  return parent.new(current._parent_name, current._parent_pid, current._parent_slot)
end

--- The children of this process that still run; collects those that have ended.
---
---     local p = mp.Process{ target = mp.sleep, args = { 60 }, daemon = true }
---     p:start()
---     print(#mp.active_children())              --> 1
---@return multiprocessing.Process[]
function M.active_children()
  local alive = {}
  for p in pairs(running) do
    if not ended(p, 0) then alive[#alive + 1] = p end
  end
  table.sort(alive, function(a, b) return a.pid < b.pid end)
  return alive
end

--- Makes a process that is not started yet.
---
--- *Raises* on unknown options and wrong types.
--- *Python*: `Process(target=, name=, args=, daemon=)`; no `group`, no `kwargs`.
---
---     local p = mp.Process{ target = print, args = { "hello" } }
---     p:start()
---     p:join()                                  --> hello
---@function mp.Process
---@param options? table `target` function; `args` list (with `n` it may hold nils); `name` string;
--- `daemon` boolean, default that of this process; `memory_limit` bytes of Lua memory
---@return multiprocessing.Process

--- The class Process whose instances start by the method of the given context.
function M.bind(context)
  return make_class({ _class_name = "Process", _context = context }, Process)
end

current = setmetatable({
  _name = "MainProcess", _daemon = false, _parent_pid = system.getpid(),
}, make_class({ _class_name = "_MainProcess" }, Process))

return M
