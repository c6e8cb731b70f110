--- context.lua: the factory, the only module that knows everybody
-- MIT licence, see LICENSE
--
-- A context is this library's API bound to a start method; the module itself is the context of
-- the default method. Lower modules get the context as an argument and never require this one.

local connection = require "multiprocessing.connection"
local ending = require "multiprocessing.ending"
local errors = require "multiprocessing.errors"
local codec = require "multiprocessing.core.codec"
local managers = require "multiprocessing.manager.base"
local listener = require "multiprocessing.listener"
local futures = require "multiprocessing.futures"
local log = require "multiprocessing.log"
local parallel = require "multiprocessing.parallel"
local pool = require "multiprocessing.pool"
local manager = require "multiprocessing.manager"
local memory = require "multiprocessing.memory"
local process = require "multiprocessing.process"
local queue = require "multiprocessing.queue"
local shared = require "multiprocessing.shared"
local sync = require "multiprocessing.sync"
local system = require "multiprocessing.core.system"
local wait = require "multiprocessing.wait"

local M = {}

local methods <const> = { "fork", "spawn", "forkserver" }

-- what a child inherits, however it is started
local state = {
  method = nil,     -- by set_start_method
  executable = nil, -- by set_executable
  preload = {},     -- by set_forkserver_preload
}

--- The module, and each object that `get_context` returns.
---@class multiprocessing
local Context = {}
Context.__index = Context

-- processes -----------------------------------------------------------------------------------

--- Seconds of the monotonic clock, whose zero means nothing.
---
--- *Python*: `time.monotonic`.
---
---     local began = mp.now()
---     mp.sleep(0.01)
---     print(mp.now() - began >= 0.01)           --> true
---@return number seconds
Context.now = system.now

--- Sleeps; Ctrl-C ends it.
---
--- *Blocks* for that time.
--- *Python*: `time.sleep`.
---
---     mp.sleep(0.01)
---     print "awake"                             --> awake
---@param seconds number fractions allowed
Context.sleep = system.sleep

--- The number of this process.
---
--- *Python*: `os.getpid`.
---
---     print(mp.getpid() == mp.current_process().pid)   --> true
---@return integer
Context.getpid = system.getpid

--- The number of processors that this process may really use: its affinity and the quota of its
--- control group are counted.
---
--- *Python*: `os.process_cpu_count`, which does not know the quota; `multiprocessing.cpu_count`
--- counts all processors.
---
---     print(mp.cpu_count() >= 1)                --> true
---@return integer
Context.cpu_count = system.cpu_count

--- Sends a signal to a process.
---
--- *Raises* `ProcessError` when there is none, or it is not ours.
--- *Python*: `os.kill`.
---
---     local p = mp.Process{ target = mp.sleep, args = { 60 } }
---     p:start()
---     mp.kill(p.pid, "SIGKILL")
---     p:join()
---     print(p.exitcode)                         --> -9
---@param pid integer
---@param signal? integer|string its number or name, default 15, "SIGTERM"
Context.kill = system.kill

Context.current_process = process.current_process
Context.parent_process = process.parent_process
Context.active_children = process.active_children
Context.at_exit = ending.at_exit
Context.get_logger = log.get_logger
Context.log_to_stderr = log.log_to_stderr

-- pools ---------------------------------------------------------------------------------------

Context.futures = setmetatable({ wait = futures.wait, as_completed = futures.as_completed },
  { __index = futures.CONDITIONS })

-- queues and pipes ----------------------------------------------------------------------------

Context.Queue = queue.Queue
Context.SimpleQueue = queue.SimpleQueue
Context.JoinableQueue = queue.JoinableQueue
Context.Pipe = connection.Pipe
Context.Listener = listener.Listener
Context.Client = listener.Client
Context.wait = wait.wait

-- locks ---------------------------------------------------------------------------------------

Context.Lock = sync.Lock
Context.RLock = sync.RLock
Context.Semaphore = sync.Semaphore
Context.BoundedSemaphore = sync.BoundedSemaphore
Context.Event = sync.Event
Context.Condition = sync.Condition
Context.Barrier = sync.Barrier

-- shared memory -------------------------------------------------------------------------------

Context.Value = shared.Value
Context.Array = shared.Array
Context.RawValue = shared.RawValue
Context.RawArray = shared.RawArray
Context.SharedMemory = memory.SharedMemory
Context.ShareableList = memory.ShareableList

-- errors --------------------------------------------------------------------------------------

Context.iserror = errors.iserror

--- Serializes a value: data, functions with what they use, classes by name.
---
--- *Raises* `SerializationError`, which says what cannot be sent, and where in `v`; for a shared
--- object, too, since a string may outlive it.
--- *Python*: `pickle.dumps`; local functions are taken, too.
---
---     local s = mp.dumps({ name = "x", f = function(a) return a + 1 end })
---     print(mp.loads(s).f(1))                   --> 2
---@param v any
---@param options? { limit: integer } the longest string to make, in bytes (default: any)
---@return string
Context.dumps = codec.dumps

--- Makes the value anew that `dumps` was given.
---
--- *Raises* `SerializationError` when the string is damaged, or has what is not accepted.
--- *Python*: `pickle.loads`, which has no mode for data only.
---
---     local v = mp.loads(mp.dumps({ 1, 2, 3 }), { functions = false })
---     print(#v)                                 --> 3
---@param s string
---@param options? { functions: boolean } false: data only, for strings that anybody may have made
---@return any
Context.loads = codec.loads


-- start methods -------------------------------------------------------------------------------

local function is_method(name)
  for _, m in ipairs(methods) do
    if m == name then return true end
  end
  return false
end

local function check_method(name, caller)
  if not is_method(name) then
    error(("bad argument #1 to '%s' (unknown start method '%s'; there are: %s)"):format(
      caller, tostring(name), table.concat(methods, ", ")), 3)
  end
end

--- The start methods of this system, the default first.
---
---     print(table.concat(mp.get_all_start_methods(), " "))   --> fork spawn forkserver
---@return string[]
function Context.get_all_start_methods()
  return table.move(methods, 1, #methods, 1, {})
end

--- Sets the start method of the module, once.
---
--- *Raises* when it was set before, unless `force`.
--- *Python*: `multiprocessing.set_start_method`; no `if __name__ == "__main__"` is needed.
---
---     mp.set_start_method "spawn"
---     print(mp.get_start_method())              --> spawn
---@param name "fork"|"spawn"|"forkserver"
---@param force? boolean also when it was set before
function Context.set_start_method(name, force)
  check_method(name, "set_start_method")
  if state.method and not force then
    error(("cannot set the start method again: it is '%s' (a second argument of true forces it)")
      :format(state.method), 2)
  end
  state.method = name
end

--- The start method in use: what was set, else "fork", or "forkserver" in a process with more
--- than one thread, where fork is not safe.
---
---     print(mp.get_start_method())              --> fork
---@return string
function Context.get_start_method()
  return state.method or (system.thread_count() > 1 and "forkserver" or "fork")
end

--- The program that spawn and forkserver run: `mplua`, a `lua5.4` that can load this module, or a
--- program whose `main` begins with `mplua_child_entry`. The default is this process's own.
---
---     mp.set_executable(arg[-1]) -- what runs this script
---     local p = mp.get_context "spawn".Process{ target = print, args = { "hello" } }
---     p:start()
---     p:join()                                  --> hello
---@param path string an absolute path, or one from the folder where the child is started
function Context.set_executable(path)
  if type(path) ~= "string" then
    error(("bad argument #1 to 'set_executable' (string expected, got %s)"):format(type(path)), 2)
  end
  state.executable = path
end

--- Modules that a forkserver loads when it starts, so that its children have them at once.
---
---     mp.set_forkserver_preload{ "lpeg" }
---     local ctx = mp.get_context "forkserver"
---     local p = ctx.Process{ target = function() print(package.loaded.lpeg ~= nil) end }
---     p:start()
---     p:join()                                  --> true
---@param modules string[] their names
function Context.set_forkserver_preload(modules)
  if type(modules) ~= "table" then
    error(("bad argument #1 to 'set_forkserver_preload' (list of module names expected, got %s)")
      :format(type(modules)), 2)
  end
  for i, name in ipairs(modules) do
    if type(name) ~= "string" then
      error(("bad argument #1 to 'set_forkserver_preload' (name expected at item %d, got %s)")
        :format(i, type(name)), 2)
    end
  end
  state.preload = table.move(modules, 1, #modules, 1, {})
end

local function check_fork()
  local threads = system.thread_count()
  if threads == 1 then return end
  errors.raise("ProcessError", ("cannot fork: this process has %d threads, and a lock that one of "
    .. "them holds would stay locked in the child; use 'forkserver' or 'spawn'"):format(threads))
end

--- Starts a process by this context's method; called by Process:start.
function Context:_launch(child, handle)
  local method = self._method or Context.get_start_method()
  if method == "fork" then check_fork() end
  require("multiprocessing.start." .. method).launch(child, handle, M)
end

function M.executable() return state.executable end
function M.preload() return state.preload end

--- State that a newborn takes over from its parent.
function M.export()
  return { state = state, log = log.export() }
end

function M.import(inherited)
  state = inherited.state
  log.import(inherited.log)
end

local function new(method)
  local self = setmetatable({ _method = method }, Context)
  self.Process = process.bind(self)
  self.Pool = pool.bind(self)
  self.ProcessPoolExecutor = futures.bind(self)
  self.parallel = parallel.bind(self)
  self.BaseManager = managers.bind(self)
  self.Manager = manager.bind(self)
  if method then
    function self.get_start_method() return method end
    function self.set_start_method()
      error(("this context's start method is always '%s': mp.get_context gives one of another")
        :format(method), 2)
    end
  end
  return self
end

local contexts = {} -- reachable from this module, so that they travel by name
M.contexts = contexts
M.Context = Context -- reachable, so that its functions can be sent by name
for _, method in ipairs(methods) do contexts[method] = new(method) end

--- An object with this same API, bound to a start method.
---
--- *Python*: `multiprocessing.get_context`.
---
---     local ctx = mp.get_context "spawn"
---     local pool <close> = ctx.Pool(2)
---     print(pool:apply(math.max, { 1, 2 }))     --> 2
---@param method? "fork"|"spawn"|"forkserver" nil: the module itself
---@return multiprocessing
function Context.get_context(method)
  if method == nil then return M.default end
  check_method(method, "get_context")
  return contexts[method]
end

M.default = new(nil)

-- the end of this process ---------------------------------------------------------------------

os.exit = process.exit -- luacheck: ignore 122
require "multiprocessing.core.output" -- what it has replaced can be sent from now on

return M
