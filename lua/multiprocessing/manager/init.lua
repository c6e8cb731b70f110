--- manager: makes shared dicts, lists and Namespaces, and the library's other objects
-- MIT licence, see LICENSE
--
-- There is no server: what a manager makes lies in the family's shared memory, lives as long as
-- somebody refers to it, and needs the manager no more. So a manager is little more than a name.

local dict = require "multiprocessing.manager.dict"
local errors = require "multiprocessing.errors"
local list = require "multiprocessing.manager.list"
local namespace = require "multiprocessing.manager.namespace"
local options = require "multiprocessing.options"
local shared = require "multiprocessing.shared"

local M = {}

--- Makes objects that all processes of the family share. All are called with a colon, can be nested
--- in one another and sent anywhere; each call on them is atomic, whoever is killed.
---
--- `Queue`, `JoinableQueue`, `Lock`, `RLock`, `Semaphore`, `BoundedSemaphore`, `Event`,
--- `Condition`, `Barrier`, `Value`, `Array` and `Pool` are the library's own: `m:Queue(10)` is
--- `mp.Queue(10)`. With `<close>` it is shut down.
---
--- *Python*: `SyncManager`, a server process; here an access is one of memory.
---
---     local m <close> = mp.Manager()
---@class multiprocessing.Manager
local Manager = { __name = "multiprocessing.Manager" }
Manager.__index = Manager
M.Manager = Manager -- reachable, so that it travels by name

local function check(self, method)
  options.check_self(self, Manager.__name, method, 1)
  if self._shut.value ~= 0 then
    errors.raise("ClosedError", ("this manager was shut down: '%s' makes no more"):format(method))
  end
end

--- Makes a dict.
---
--- *Raises* `SerializationError`; `ClosedError` after `shutdown`.
--- *Python*: `m.dict(t)`.
---
---     local d = m:dict{ a = 1, [10] = "ten" }
---     print(d)                                  --> {[10] = "ten", a = 1}
---@param t? table|multiprocessing.dict the first contents
---@return multiprocessing.dict
function Manager:dict(t)
  check(self, "dict")
  return dict.new(t)
end

--- Makes a list.
---
--- *Raises* `SerializationError`; `ClosedError` after `shutdown`.
--- *Python*: `m.list(t)`.
---
---     local l = m:list{ 1, 2, 3 }
---     print(#l)                                 --> 3
---@param t? any[]|multiprocessing.list the first contents
---@return multiprocessing.list
function Manager:list(t)
  check(self, "list")
  return list.new(t)
end

--- Makes a Namespace.
---
--- *Raises* `SerializationError`; `ClosedError` after `shutdown`.
--- *Python*: `m.Namespace()`.
---
---     local ns = m:Namespace{ x = 1 }
---     print(ns.x)                               --> 1
---@param t? { [string]: any } the first contents
---@return multiprocessing.Namespace
function Manager:Namespace(t)
  check(self, "Namespace")
  return namespace.new(t)
end

--- A queue, as `mp.Queue` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     local q = m:Queue()
---     q:put "news"
---     print(q:get())                            --> news
---@function Manager:Queue
---@param maxsize? integer messages; 0, the default: no limit
---@return multiprocessing.Queue

--- A queue with `task_done` and `join`, as `mp.JoinableQueue` makes one.
--- *Raises* `ClosedError` after `shutdown`.
---
---     local q = m:JoinableQueue()
---     print(q:join(1))                          --> true
---@function Manager:JoinableQueue
---@param maxsize? integer messages; 0, the default: no limit
---@return multiprocessing.JoinableQueue

--- A lock, as `mp.Lock` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     local lock = m:Lock()
---     print(lock:acquire())                     --> true
---@function Manager:Lock
---@return multiprocessing.Lock

--- A lock that its holder can take again, as `mp.RLock` makes one.
--- *Raises* `ClosedError` after `shutdown`.
---
---     local lock = m:RLock()
---     print(lock:acquire(), lock:acquire())     --> true true
---@function Manager:RLock
---@return multiprocessing.RLock

--- A semaphore, as `mp.Semaphore` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     print(m:Semaphore(3):get_value())         --> 3
---@function Manager:Semaphore
---@param value? integer units at the beginning, default 1
---@return multiprocessing.Semaphore

--- A bounded semaphore, as `mp.BoundedSemaphore` makes one.
--- *Raises* `ClosedError` after `shutdown`.
---
---     print(m:BoundedSemaphore(3):get_value())  --> 3
---@function Manager:BoundedSemaphore
---@param value? integer units at the beginning, default 1
---@return multiprocessing.BoundedSemaphore

--- A flag, as `mp.Event` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     print(m:Event():is_set())                 --> false
---@function Manager:Event
---@return multiprocessing.Event

--- A condition, as `mp.Condition` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     local cond = m:Condition()
---     local held <close> = cond:hold()
---     print(cond:wait(0.01))                    --> false
---@function Manager:Condition
---@param lock? multiprocessing.Lock|multiprocessing.RLock default: an RLock of its own
---@return multiprocessing.Condition

--- A barrier, as `mp.Barrier` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     print(m:Barrier(1):wait())                --> 1
---@function Manager:Barrier
---@param parties integer   1 or more
---@param action? function  run by one of the parties, each time, before all go on
---@param timeout? number   seconds: the default of `wait`; nil waits for ever
---@return multiprocessing.Barrier

--- A shared value, as `mp.Value` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     print(m:Value("i", 5):add(1))             --> 6
---@function Manager:Value
---@param typecode string c b B h H i I l L q Q f d
---@param value? any        default 0
---@param lock? boolean|multiprocessing.Lock|multiprocessing.RLock default true
---@return multiprocessing.Value

--- A shared array, as `mp.Array` makes one. *Raises* `ClosedError` after `shutdown`.
---
---     print(#m:Array("d", 10))                  --> 10
---@function Manager:Array
---@param typecode string c b B h H i I l L q Q f d
---@param values integer|any[]|string size (new memory is zero), or what it begins with
---@param lock? boolean|multiprocessing.Lock|multiprocessing.RLock default true
---@return multiprocessing.Array

--- A pool, as `mp.Pool` makes one; its owner is this process, not the manager.
--- *Raises* `ClosedError` after `shutdown`.
---
---     local pool <close> = m:Pool(2)
---     print(#pool:map(math.sqrt, { 1, 4, 9 }))  --> 3
---@function Manager:Pool
---@param processes? integer|table number of workers (cpu_count), or the options of `mp.Pool`
---@param initializer? function each worker calls it first
---@param initargs? any[]
---@param maxtasksperchild? integer items after which a worker is replaced
---@return multiprocessing.Pool

-- The library's own objects: made by the context, so that a Pool starts its workers by its method.
for _, name in ipairs{ "Queue", "JoinableQueue", "Lock", "RLock", "Semaphore", "BoundedSemaphore",
  "Event", "Condition", "Barrier", "Value", "Array", "Pool" } do
  Manager[name] = function(self, ...)
    check(self, name)
    return self._context[name](...)
  end
end

--- Ends the manager, in all processes: it makes no more objects. Those that it made go on as long
--- as somebody refers to them. Idempotent.
---
--- *Python*: `m.shutdown()`, after which every object of the manager is dead.
---
---     local d = m:dict{ a = 1 }
---     m:shutdown()
---     print(d.a, pcall(m.dict, m) == false)     --> 1 true
function Manager:shutdown()
  options.check_self(self, Manager.__name, "shutdown")
  self._shut.value = 1
end

function Manager:__close() self:shutdown() end

function Manager:__tostring()
  return self._shut.value == 0 and "Manager" or "Manager (shut down)"
end

--- Makes a manager.
---
--- *Python*: `multiprocessing.Manager()`, which starts a server process.
---
---     local m <close> = mp.Manager()
---     local done = m:dict()
---     local p = mp.Process{ target = function() done.child = true end }
---     p:start()
---     p:join()
---     print(done)                               --> {child = true}
---@function mp.Manager
---@return multiprocessing.Manager
function M.bind(context)
  local take <const> = options.taker "Manager"
  return function(...)
    take(...)
    return setmetatable({ _context = context, _shut = shared.RawValue("b", 0) }, Manager)
  end
end

return M
