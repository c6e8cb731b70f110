--- waiting.lua: the library's blocking calls let others run in a manager's server
-- MIT licence, see LICENSE
--
-- While a server runs, the methods below are replaced. In a task they ask without waiting, and give
-- way until what they wait for may be there; everywhere else they are what they were. `mp.sleep`
-- does so by itself (src/bind/l_system.c). What blocks in C code of others blocks the server.
--
-- Coroutines inside of a task are covered, too: `coroutine.resume` passes their giving way on.

local pool = require "multiprocessing.core.pool"
local process = require "multiprocessing.process"
local queue = require "multiprocessing.core.queue"
local connection = require "multiprocessing.core.connection"
local sync = require "multiprocessing.core.sync"
local system = require "multiprocessing.core.system"
local task = require "multiprocessing.core.task"
local wait = require "multiprocessing.core.wait"

local M = {}

local FIRST <const>, LONGEST <const> = 0.5e-3, 10e-3 -- seconds between two tries

local can_wait <const>, now <const> = task.can_wait, system.now
local yield <const> = coroutine.yield

-- giving way ----------------------------------------------------------------------------------

local function deadline_of(timeout)
  if type(timeout) == "number" and timeout == timeout then return now() + timeout end
  return nil
end

-- until `thing` is ready, or the deadline
local function await(thing, deadline)
  yield(task.waits, deadline, thing)
end

-- Tries until f's first result is true or the deadline has come.
local function try_until(deadline, f, ...)
  local pause = FIRST
  while true do
    local results = table.pack(f(...))
    if results[1] or deadline and now() >= deadline then
      return table.unpack(results, 1, results.n)
    end
    local at = now() + pause
    yield(task.waits, deadline and math.min(at, deadline) or at)
    pause = math.min(2 * pause, LONGEST)
  end
end

-- what is replaced ----------------------------------------------------------------------------

local replaced = {} -- list of {table, name, original}

local function replace(class, name, make)
  local original = class[name]
  replaced[#replaced + 1] = { class, name, original }
  class[name] = make(original)
end

-- get(block, timeout) and others that can say by `is_ready` whether they would wait
local function when_ready(is_ready, timeout_of)
  return function(original)
    return function(self, ...)
      local timeout, waits = timeout_of(...)
      if waits and can_wait() then
        local deadline = deadline_of(timeout)
        while not is_ready(self) and not (deadline and now() >= deadline) do
          await(self, deadline)
        end
      end
      return original(self, ...)
    end
  end
end

local function block_and_timeout(block, timeout) return timeout, block ~= false end
local function no_timeout() return nil, true end

local function queue_is_ready(q) return wait.any({ q }, 0)[1] ~= nil end
local function connection_is_ready(conn) return wait.any({ conn }, 0)[1] ~= nil end

local function replace_queue(methods)
  replace(methods, "get", when_ready(queue_is_ready, block_and_timeout))
  replace(methods, "get_many", when_ready(queue_is_ready, function(_, timeout)
    return timeout, true
  end))
  replace(methods, "try_get", when_ready(queue_is_ready, function(timeout)
    return timeout or 0, timeout ~= nil
  end))
  replace(methods, "put", function(original)
    return function(self, v, block, timeout)
      if block == false or not can_wait() then return original(self, v, block, timeout) end
      local deadline = deadline_of(timeout)
      try_until(deadline, function() return not self:full() end)
      return original(self, v, true, deadline and math.max(0, deadline - now()))
    end
  end)
  replace(methods, "join", function(original)
    return function(self, timeout)
      if not can_wait() then return original(self, timeout) end
      return try_until(deadline_of(timeout), original, self, 0)
    end
  end)
  replace(methods, "iter", function(original)
    return function(self)
      if not can_wait() then return original(self) end
      local n = 0
      return function()
        local ok, v = self:try_get(math.huge)
        n = n + 1
        if ok then return n, v end
        return nil
      end
    end
  end)
end

local function replace_connection(methods)
  replace(methods, "recv", when_ready(connection_is_ready, no_timeout))
  replace(methods, "recv_bytes", when_ready(connection_is_ready, no_timeout))
  replace(methods, "poll", when_ready(connection_is_ready, function(timeout)
    return timeout or 0, timeout ~= nil and timeout > 0
  end))
end

local function replace_acquire(original)
  return function(self, block, timeout)
    if block == false or not can_wait() then return original(self, block, timeout) end
    return try_until(deadline_of(timeout), original, self, false)
  end
end

local function replace_wait(original)
  return function(self, timeout)
    if not can_wait() then return original(self, timeout) end
    return try_until(deadline_of(timeout), original, self, 0)
  end
end

local function replace_any(original)
  return function(list, timeout)
    if not can_wait() or timeout and timeout <= 0 then return original(list, timeout) end
    local ready
    if #list == 1 then
      await(list[1], deadline_of(timeout))
      return original(list, 0)
    end
    try_until(deadline_of(timeout), function()
      ready = original(list, 0)
      return ready[1] ~= nil
    end)
    return ready
  end
end

-- A pool's owner comes here for all that it waits for, and looks itself what has come.
local function replace_work(original)
  return function(self, deadline, ...)
    if not can_wait() then return original(self, deadline, ...) end
    local seat = original(self, 0, ...)
    if not seat then yield(task.waits, math.min(now() + 1e-3, deadline or math.huge)) end
    return seat
  end
end

-- coroutines inside of tasks --------------------------------------------------------------------

local function is_giving_way(outcome, first)
  return outcome == "tick" or outcome == "yield" and first == task.waits
end

-- What a coroutine gives way for, the task does that runs it.
local function run(co, outcome, ...)
  if is_giving_way(outcome, (...)) then
    if can_wait() then yield(...) end -- else there is a C function between: it goes on at once
    return run(co, task.resume(co))
  end
  if outcome == "error" then return false, ... end
  return true, ...
end

local function replace_resume(original)
  return function(co, ...)
    if not can_wait() or type(co) ~= "thread" then return original(co, ...) end
    return run(co, task.resume(co, ...))
  end
end

local function finish(co, ok, ...)
  if ok then return ... end
  local e = ...
  pcall(coroutine.close, co)
  error(e, 0)
end

local function replace_wrap(original)
  return function(f)
    if type(f) ~= "function" then return original(f) end
    local co = coroutine.create(f)
    return function(...) return finish(co, coroutine.resume(co, ...)) end
  end
end

-- on and off ------------------------------------------------------------------------------------

--- In this process, until `remove`.
function M.install()
  if replaced[1] then return end
  replace_queue(queue.methods)
  replace_connection(connection.methods)
  for _, name in ipairs { "Lock", "RLock", "Semaphore", "BoundedSemaphore" } do
    replace(sync[name], "acquire", replace_acquire)
  end
  replace(sync.Event, "wait", replace_wait)
  replace(process.Process, "join", replace_wait)
  replace(wait, "any", replace_any)
  replace(pool.methods, "work", replace_work)
  replace(coroutine, "resume", replace_resume)
  replace(coroutine, "wrap", replace_wrap)
end

function M.remove()
  for i = #replaced, 1, -1 do
    local class, name, original = table.unpack(replaced[i])
    class[name], replaced[i] = original, nil
  end
end

return M
