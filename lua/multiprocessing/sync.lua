--- sync.lua: Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition, Barrier
-- MIT licence, see LICENSE
--
-- The methods are C (src/bind/l_lock.c and its neighbours); this file makes the objects, adds what
-- is easier in Lua, and documents them. Each object is a few words of memory that all processes of
-- the family share; a process that dies never hangs the others.

local core = require "multiprocessing.core.sync"
local hold = require "multiprocessing.hold"
local options = require "multiprocessing.options"

local M = { classes = core }

local taker = options.taker

-- Lock, RLock ---------------------------------------------------------------------------------

--- One process at a time. Whoever holds it, any process may release it.
---
---     local lock = mp.Lock()
---@class multiprocessing.Lock
local Lock = core.Lock
hold.give(Lock)

--- Takes the lock.
---
--- *Blocks* while another process holds it. When the holder has died (or ended) with the lock,
--- returns `true, "abandoned"`: at once if it is dead already, else within a second of its death.
--- *Python*: `Lock.acquire`; there a dead holder keeps the lock for ever.
---
---     print(lock:acquire())                     --> true
---     print(lock:acquire(true, 0.01))           --> false
---@function Lock:acquire
---@param block? boolean   default true; false does not wait
---@param timeout? number  seconds; nil waits for ever
---@return boolean taken   false on timeout
---@return "abandoned"? how
Lock.acquire = Lock.acquire

--- Lets the lock go; any process may.
---
--- *Raises* when nobody holds it.
--- *Python*: `Lock.release`.
---
---     lock:acquire()
---     lock:release()
---     print(lock:locked())                      --> false
---@function Lock:release
Lock.release = Lock.release

--- Takes the lock until the end of the block.
---
--- *Blocks* as `acquire`.
--- *Python*: `with lock:`.
---
---     do
---       local held <close> = lock:hold()
---       print(lock:locked(), held.abandoned)    --> true false
---     end
---     print(lock:locked())                      --> false
---@function Lock:hold
---@return multiprocessing.Held
Lock.hold = hold.hold

--- Calls `f(...)` with the lock held and returns its results; an error releases the lock, too.
---
--- *Raises* what `f` raises.
--- *Blocks* as `acquire`.
--- *Python*: `with lock:`.
---
---     print(lock:with(function(a, b) return a + b end, 1, 2))   --> 3
---@function Lock:with
---@param f function
---@param ... any its arguments
---@return any ...
Lock.with = hold.with

--- Does any process hold it? (A dead holder does until somebody acquires it.)
---
---     print(lock:locked())                      --> false
---@function Lock:locked
---@return boolean
Lock.locked = Lock.locked

local take_lock = taker "Lock"

--- Makes a Lock.
---
--- *Python*: `multiprocessing.Lock`.
---
---     local lock = mp.Lock()
---     local function work()
---       local held <close> = lock:hold()
---       print "one at a time"
---     end
---     local p = mp.Process{ target = work }
---     p:start()
---     p:join()                                  --> one at a time
---@return multiprocessing.Lock
function M.Lock(...)
  take_lock(...)
  return core.lock()
end

--- A lock that the process which holds it can take again; it must release it as often. A forked
--- child does not hold what its parent holds.
---
---     local lock = mp.RLock()
---@class multiprocessing.RLock: multiprocessing.Lock
local RLock = core.RLock
hold.give(RLock)

--- Lets one level go.
---
--- *Raises* when this process does not hold it.
--- *Python*: `RLock.release`.
---
---     lock:acquire()
---     lock:acquire()
---     lock:release()
---     print(lock:locked())                      --> true
---@function RLock:release
RLock.release = RLock.release

local take_rlock = taker "RLock"

--- Makes an RLock; its methods are Lock's.
---
--- *Python*: `multiprocessing.RLock`, whose owner is the thread.
---
---     local lock = mp.RLock()
---     print(lock:acquire(), lock:acquire())     --> true true
---@return multiprocessing.RLock
function M.RLock(...)
  take_rlock(...)
  return core.rlock()
end

-- Semaphore, BoundedSemaphore -----------------------------------------------------------------

local function unit_count(name, value)
  if value == nil then return 1 end
  local n = type(value) == "number" and math.tointeger(value)
  options.check(n and n >= 0 and n < 1 << 31, 1, name, "integer from 0 to 2147483647", value, 1)
  return n
end

--- A number of units; `acquire` takes one and waits while there is none, `release` gives one, in
--- any process. The units have no owners: those that a dead process took are gone.
---
---     local slots = mp.Semaphore(3)
---@class multiprocessing.Semaphore: multiprocessing.Lock
local Semaphore = core.Semaphore
hold.give(Semaphore)

--- Takes one unit.
---
--- *Blocks* while there is none.
---
---     print(slots:acquire(), slots:get_value())  --> true 2
---@function Semaphore:acquire
---@param block? boolean   default true
---@param timeout? number  seconds; nil waits for ever
---@return boolean taken
Semaphore.acquire = Semaphore.acquire

--- Gives one unit. Never blocks.
---
---     slots:release()
---     print(slots:get_value())                   --> 4
---@function Semaphore:release
Semaphore.release = Semaphore.release

--- How many units are there at this moment.
---
---     print(slots:get_value())                   --> 3
---@function Semaphore:get_value
---@return integer
Semaphore.get_value = Semaphore.get_value

--- Would `acquire` have to wait?
---
---     print(slots:locked())                      --> false
---@function Semaphore:locked
---@return boolean
Semaphore.locked = Semaphore.locked

local take_semaphore = taker("Semaphore", "value")

--- Makes a Semaphore.
---
--- *Python*: `multiprocessing.Semaphore`.
---
---     local slots = mp.Semaphore(1)
---     print(slots:acquire(), slots:acquire(false))   --> true false
---@param value? integer units at the beginning, default 1
---@return multiprocessing.Semaphore
function M.Semaphore(...)
  local value = take_semaphore(...)
  return core.semaphore((unit_count("Semaphore", value)))
end

--- A Semaphore whose units belong to the processes that took them: what a process holds when it
--- dies or ends comes back. It never has more units than at the beginning.
---
---     local slots = mp.BoundedSemaphore(3)
---@class multiprocessing.BoundedSemaphore: multiprocessing.Semaphore
local BoundedSemaphore = core.BoundedSemaphore
hold.give(BoundedSemaphore)

--- Gives one unit back: this process's own, or, if it has none, another's.
---
--- *Raises* when all units are free.
---
---     slots:acquire()
---     slots:release()
---     print(slots:get_value(), (pcall(slots.release, slots)))   --> 3 false
---@function BoundedSemaphore:release
BoundedSemaphore.release = BoundedSemaphore.release

local take_bounded = taker("BoundedSemaphore", "value")

--- Makes a BoundedSemaphore.
---
--- *Python*: `multiprocessing.BoundedSemaphore`; there a dead process's units are lost.
---
---     local slots = mp.BoundedSemaphore(1)
---     local p = mp.Process{ target = function() slots:acquire() end } -- and ends with it
---     p:start()
---     p:join()
---     print(slots:acquire(true, 60))            --> true
---@param value? integer units at the beginning, default 1
---@return multiprocessing.BoundedSemaphore
function M.BoundedSemaphore(...)
  local value = take_bounded(...)
  return core.bounded((unit_count("BoundedSemaphore", value)))
end

-- Event ---------------------------------------------------------------------------------------

--- A flag that processes wait for.
---
---     local event = mp.Event()
---@class multiprocessing.Event
local Event = core.Event

--- Raises the flag; all who wait go on, however soon it is cleared again.
---
---     event:set()
---     print(event:is_set())                      --> true
---@function Event:set
Event.set = Event.set

--- Takes the flag down.
---
---     event:set()
---     event:clear()
---     print(event:is_set())                      --> false
---@function Event:clear
Event.clear = Event.clear

--- Is the flag up?
---
---     print(event:is_set())                     --> false
---@function Event:is_set
---@return boolean
Event.is_set = Event.is_set

--- Waits for the flag.
---
--- *Blocks* until it is set.
--- *Python*: `Event.wait`.
---
---     print(event:wait(0.01))                   --> false
---@function Event:wait
---@param timeout? number seconds; nil waits for ever
---@return boolean set false on timeout
Event.wait = Event.wait

local take_event = taker "Event"

--- Makes an Event; it is not set.
---
--- *Python*: `multiprocessing.Event`.
---
---     local ready = mp.Event()
---     mp.Process{ target = function() ready:set() end }:start()
---     print(ready:wait(60))                     --> true
---@return multiprocessing.Event
function M.Event(...)
  take_event(...)
  return core.event()
end

-- Condition -----------------------------------------------------------------------------------

--- Waiting, with a lock held, for a change of what the lock protects. Has its lock's methods.
---
---     local cond = mp.Condition()
---@class multiprocessing.Condition: multiprocessing.RLock
local Condition = core.Condition
hold.give(Condition)

--- Lets the lock go, every level of it, waits to be notified, and takes it again.
---
--- *Raises* when this process does not hold the lock.
--- *Blocks* until notified; then until the lock is free, however long that takes.
--- *Python*: `Condition.wait`; there `notify` hangs once a waiter was killed.
---
---     local held <close> = cond:hold()
---     print(cond:wait(0.01))                    --> false
---@function Condition:wait
---@param timeout? number seconds; nil waits for ever
---@return boolean notified  false on timeout
---@return "abandoned"? how  the lock was taken from a dead holder
Condition.wait = Condition.wait

--- Wakes up to `n` live waiters, the oldest first; who waits later is not woken.
---
--- *Raises* when this process does not hold the lock. Never blocks.
---
---     local held <close> = cond:hold()
---     cond:notify(2)
---     print "two may go on"                     --> two may go on
---@function Condition:notify
---@param n? integer default 1
Condition.notify = Condition.notify

--- Wakes all waiters. *Raises* when this process does not hold the lock.
---
---     local held <close> = cond:hold()
---     cond:notify_all()
---     print "all may go on"                     --> all may go on
---@function Condition:notify_all
Condition.notify_all = Condition.notify_all

local now <const> = require("multiprocessing.core.system").now

--- Waits until `f()` is true: asks now, and after each notification.
---
--- *Raises* as `wait`, and what `f` raises.
--- *Blocks* as `wait`.
--- *Python*: `Condition.wait_for`.
---
---     local v = mp.Value("i", 0)
---     local function count()
---       for i = 1, 5 do cond:with(function() v.value = i cond:notify_all() end) end
---     end
---     mp.Process{ target = count }:start()
---     local held <close> = cond:hold()
---     print(cond:wait_for(function() return v.value > 3 end, 60))   --> true
---@param f fun(): any  called with the lock held
---@param timeout? number seconds for all of it; nil waits for ever
---@return any value the last of `f`; false or nil on timeout
function Condition:wait_for(f, timeout)
  hold.check_callable(f, "wait_for")
  options.check(timeout == nil or type(timeout) == "number", 2, "wait_for", "number", timeout)
  if timeout ~= timeout then
    error("bad argument #2 to 'wait_for' (timeout is not a number (NaN))", 2)
  end
  if not core.condition_is_mine(self) then
    error("cannot wait: this process does not hold the Condition's lock; acquire it first", 2)
  end
  local deadline = timeout and now() + timeout
  local value = f()
  while not value do
    local left = deadline and deadline - now()
    if left and left <= 0 then break end
    self:wait(left)
    value = f()
  end
  return value
end

local take_condition = taker("Condition", "lock")

--- Makes a Condition.
---
--- *Python*: `multiprocessing.Condition`.
---
---     local cond = mp.Condition()
---     local ready = mp.Value("i", 0)
---     mp.Process{ target = function()
---       cond:with(function() ready.value = 1 cond:notify() end)
---     end }:start()
---     local held <close> = cond:hold()
---     while ready.value == 0 do cond:wait() end
---     print "ready"                             --> ready
---@param lock? multiprocessing.Lock|multiprocessing.RLock default: an RLock of its own
---@return multiprocessing.Condition
function M.Condition(...)
  local lock = take_condition(...)
  local meta = lock ~= nil and getmetatable(lock)
  options.check(lock == nil or type(meta) == "table"
    and (meta.__index == Lock or meta.__index == RLock), 1, "Condition", "Lock or RLock", lock)
  return core.condition(lock)
end

-- Barrier -------------------------------------------------------------------------------------

--- Processes that wait for each other. A party that dies while it waits does not count; the others
--- wait until enough live ones are there.
---
---     local barrier = mp.Barrier(1)
---@class multiprocessing.Barrier
---@field parties integer   how many go on together
---@field n_waiting integer how many live ones wait now
---@field broken boolean    a party gave up; `reset` mends it
local Barrier = core.Barrier

--- Waits until `parties` processes are there. One of them runs the action first.
---
--- *Raises* `BrokenBarrierError` when the barrier is broken, is broken or reset meanwhile, or when
--- the timeout passes (which breaks it for all); what the action raises, in the one that ran it.
--- *Blocks* until all are there.
--- *Python*: `Barrier.wait`, which returns 0 to parties - 1.
---
---     print(barrier:wait())                     --> 1
---@function Barrier:wait
---@param timeout? number seconds; nil: the barrier's default
---@return integer place 1..parties, each once
Barrier.wait = Barrier.wait

--- Makes the barrier whole and empty; who waits gets `BrokenBarrierError`.
---
---     barrier:abort()
---     barrier:reset()
---     print(barrier.broken)                      --> false
---@function Barrier:reset
Barrier.reset = Barrier.reset

--- Breaks the barrier, until `reset`.
---
---     barrier:abort()
---     local _, e = pcall(barrier.wait, barrier)
---     print(e.name)                             --> BrokenBarrierError
---@function Barrier:abort
Barrier.abort = Barrier.abort

local take_barrier = taker("Barrier", "parties", "action", "timeout")

--- Makes a Barrier.
---
--- *Python*: `multiprocessing.Barrier`; there a killed party hangs the others.
---
---     local barrier = mp.Barrier(3, function() print "all here" end)
---     for _ = 1, 2 do mp.Process{ target = barrier.wait, args = { barrier } }:start() end
---     barrier:wait()                            --> all here
---@param parties integer   1 or more
---@param action? function  run by one of the parties, each time, before all go on
---@param timeout? number   seconds: the default of `wait`; nil waits for ever
---@return multiprocessing.Barrier
function M.Barrier(...)
  local parties, action, timeout = take_barrier(...)
  local n = type(parties) == "number" and math.tointeger(parties)
  options.check(n and n >= 1 and n < 1 << 31, 1, "Barrier", "integer of 1 or more", parties)
  options.check(action == nil or type(action) == "function", 2, "Barrier", "function", action)
  options.check(timeout == nil or type(timeout) == "number" and timeout == timeout, 3, "Barrier",
    "number", timeout)
  return core.barrier(n, action, timeout)
end

return M
