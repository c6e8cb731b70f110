--- queue.lua: Queue, SimpleQueue and JoinableQueue
-- MIT licence, see LICENSE
--
-- The methods are C (src/bind/l_queue.c); this file makes the objects and documents them. A queue
-- lies in memory that all processes of the family share: no thread feeds it, no pipe limits it.

local core = require "multiprocessing.core.queue"
local options = require "multiprocessing.options"

local M = {}

--- First in, first out, between any number of producers and consumers; each message is got exactly
--- once. Can be sent in messages, to processes that run already, too.
---
---     local q = mp.Queue()
---@class multiprocessing.Queue
local Queue = core.methods

--- Puts a value. It is copied now: later changes of `v` do not change the message, and the message
--- stays whatever becomes of this process. In a queue without `maxsize`, `put` never waits.
---
--- *Raises* `Full`, `ShutDown`; `SerializationError`, then the queue is as it was.
--- *Blocks* while the queue is full.
--- *Python*: `Queue.put`; there a thread serializes later, and errors are lost.
---
---     q:put{ name = "a", data = { 1, 2, 3 } }
---     print(q:get().data[3])                    --> 3
---@function Queue:put
---@param v any
---@param block? boolean default true
---@param timeout? number seconds; nil waits for ever
Queue.put = Queue.put

--- `put(v, false)`.
---
---     local small = mp.Queue(1)
---     small:put_nowait "first"
---     local _, e = pcall(small.put_nowait, small, "second")
---     print(e.name)                             --> Full
---@function Queue:put_nowait
---@param v any
Queue.put_nowait = Queue.put_nowait

--- Puts the values of a list in order; all of them are serialized before the first is put.
---
--- *Raises* as `put`; the error's `value` is the number of messages that were put before it.
--- *Blocks* while the queue is full.
--- *Python*: has none.
---
---     q:put_many{ 1, 2, 3 }
---     print(q:qsize())                          --> 3
---@function Queue:put_many
---@param list any[] a field `n` gives its length where there are nils
---@param block? boolean default true
---@param timeout? number seconds for all of it
Queue.put_many = Queue.put_many

--- Takes the oldest message and returns its value.
---
--- *Raises* `Empty`, `ShutDown` (when the queue was shut down and is drained).
--- *Blocks* while the queue is empty.
--- *Python*: `Queue.get`.
---
---     q:put "news"
---     print(q:get(true, 0.5))                   --> news
---@function Queue:get
---@param block? boolean default true
---@param timeout? number seconds; nil waits for ever
---@return any
Queue.get = Queue.get

--- `get(false)`.
---
---     local _, e = pcall(q.get_nowait, q)
---     print(e.name)                             --> Empty
---@function Queue:get_nowait
---@return any
Queue.get_nowait = Queue.get_nowait

--- Takes a message if there is one, without an error if there is none.
---
--- *Blocks* up to the timeout.
--- *Python*: has none.
---
---     print(q:try_get())                        --> false Empty
---     q:put "news"
---     print(q:try_get())                        --> true news
---@function Queue:try_get
---@param timeout? number seconds, default 0
---@return boolean ok
---@return any value or "Empty" or "ShutDown"
Queue.try_get = Queue.try_get

--- Takes up to `max` messages: waits for the first one only, takes what is there then.
---
--- *Raises* `Empty`, `ShutDown`. If a message among them cannot be decoded, the error's `value` is
--- the list of the others.
--- *Blocks* while the queue is empty.
--- *Python*: has none.
---
---     q:put_many{ "a", "b", "c" }
---     print(table.concat(q:get_many(100), " ")) --> a b c
---@function Queue:get_many
---@param max integer at least 1
---@param timeout? number seconds; nil waits for ever
---@return any[] list with `n`
Queue.get_many = Queue.get_many

--- The number of messages in the queue, exact at the moment of the call.
---
---     q:put(1)
---     print(q:qsize())                          --> 1
---@function Queue:qsize
---@return integer
Queue.qsize = Queue.qsize

--- Is there no message now?
---
---     print(q:empty())                          --> true
---@function Queue:empty
---@return boolean
Queue.empty = Queue.empty

--- Would `put` have to wait now?
---
---     local small = mp.Queue(1)
---     small:put(1)
---     print(small:full(), q:full())             --> true false
---@function Queue:full
---@return boolean
Queue.full = Queue.full

--- Ends the queue: `put` raises `ShutDown` from now on, `get` when the queue is drained.
---
--- *Python*: `queue.Queue.shutdown` of 3.13, which multiprocessing lacks.
---
---     q:put "last"
---     q:shutdown()
---     print(q:get())                            --> last
---     print(q:try_get())                        --> false ShutDown
---@function Queue:shutdown
---@param immediate? boolean drops what is in the queue, and `get` raises at once
Queue.shutdown = Queue.shutdown

--- Iterates over messages until the queue is shut down and drained: `for n, v in q:iter() do`.
---
--- *Blocks* while the queue is empty.
--- *Python*: `iter(q.get, sentinel)`.
---
---     q:put_many{ "a", "b" }
---     q:shutdown()
---     for n, v in q:iter() do print(n, v) end
---     --> 1 a
---     --> 2 b
---@function Queue:iter
---@return fun(): integer, any
Queue.iter = Queue.iter

--- Ends this process's use of the queue: every other method raises `ClosedError` afterwards.
---
---     q:close()
---     local _, e = pcall(q.put, q, 1)
---     print(e.name)                             --> ClosedError
---@function Queue:close
Queue.close = Queue.close

--- Nothing: there is no thread to join. For scripts that come from Python.
---
---     q:join_thread()
---     print "at once"                           --> at once
---@function Queue:join_thread
Queue.join_thread = Queue.join_thread

--- Nothing: see `join_thread`.
---
---     q:cancel_join_thread()
---     print "nothing to cancel"                 --> nothing to cancel
---@function Queue:cancel_join_thread
Queue.cancel_join_thread = Queue.cancel_join_thread

--- A Queue that knows which messages were worked off.
---
---     local q = mp.JoinableQueue()
---@class multiprocessing.JoinableQueue: multiprocessing.Queue

--- Says that a message that was taken is worked off.
---
--- *Raises* an error when called more often than messages were put.
--- *Python*: `JoinableQueue.task_done`.
---
---     q:put "work"
---     q:get()
---     q:task_done()
---     print(q:join(1))                           --> true
---@function JoinableQueue:task_done
Queue.task_done = Queue.task_done

--- Waits until `task_done` was called for every message that was put.
---
--- *Raises* `WorkerLostError` when all that is undone was taken by processes that are dead.
--- *Blocks*.
--- *Python*: `JoinableQueue.join`, which has no timeout and waits for the dead for ever.
---
---     q:put "work"
---     print(q:join(0.01))                       --> false
---@function JoinableQueue:join
---@param timeout? number seconds; nil waits for ever
---@return boolean done false on timeout
Queue.join = Queue.join

local function check_maxsize(maxsize, name)
  options.check(maxsize == nil or math.tointeger(maxsize), 1, name, "integer", maxsize, 1)
  return maxsize and math.tointeger(maxsize)
end

local take_queue <const> = options.taker("Queue", "maxsize")
local take_joinable <const> = options.taker("JoinableQueue", "maxsize")
local take_simple <const> = options.taker("SimpleQueue")

--- Makes a queue.
---
--- *Python*: `multiprocessing.Queue`; joining a producer before its queue is drained is safe here.
---
---     local q = mp.Queue()
---     mp.Process{ target = function() q:put("hello") end }:start()
---     print(q:get())                            --> hello
---@param maxsize? integer messages; 0, the default: no limit
---@return multiprocessing.Queue
function M.Queue(...)
  return core.new(check_maxsize(take_queue(...), "Queue"), false)
end

--- Makes a queue with `task_done` and `join`.
---
--- *Python*: `multiprocessing.JoinableQueue`.
---
---     local q = mp.JoinableQueue()
---     local function work() for _ = 1, 3 do q:get() q:task_done() end end
---     mp.Process{ target = work }:start()
---     q:put_many{ 1, 2, 3 }
---     print(q:join(60))                         --> true
---@param maxsize? integer messages; 0, the default: no limit
---@return multiprocessing.JoinableQueue
function M.JoinableQueue(...)
  return core.new(check_maxsize(take_joinable(...), "JoinableQueue"), true)
end

--- Makes a queue of which Python knows `put`, `get`, `empty` and `close`.
---
--- *Python*: `multiprocessing.SimpleQueue`.
---
---     local q = mp.SimpleQueue()
---     q:put(1)
---     print(q:get(), q:empty())                 --> 1 true
---@return multiprocessing.Queue
function M.SimpleQueue(...)
  take_simple(...)
  return core.new(0, false)
end

return M
