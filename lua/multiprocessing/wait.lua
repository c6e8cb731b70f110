--- wait.lua: waiting for any of several things
-- MIT licence, see LICENSE
--
-- Queues and pipes are known to the C half (src/bind/l_wait.c); all else is waited for by a
-- descriptor that is readable when the thing is ready: an integer is one, a process has its
-- sentinel, and what else there is says its own by a method `fileno`.

local core = require "multiprocessing.core.wait"
local options = require "multiprocessing.options"
local system = require "multiprocessing.core.system"

local M = {}

local function get(v, name) return v[name] end

-- a field of anything that may have fields
local function field(v, name)
  local ok, value = pcall(get, v, name)
  return ok and value or nil
end

-- what the C half can wait for, in place of `v`
local function handle_of(v, i)
  if math.type(v) == "integer" or core.waitable(v) then return v end
  if type(v) == "table" or type(v) == "userdata" then
    if field(v, "_wait_handle") then return v:_wait_handle() end
    if math.type(field(v, "sentinel")) == "integer" then return v.sentinel end
    if type(field(v, "fileno")) == "function" then return v:fileno() end
  end
  error(("bad argument #1 to 'wait' (cannot wait for item %d, a %s)"):format(i, type(v)), 3)
end

local function is_result(v)
  return type(v) == "table" and type(v._is_ready) == "function"
end

-- Places of the results that are ready; to ask lets their pools work.
local function ready_results(list)
  local ready = {}
  for i, v in ipairs(list) do
    if is_result(v) and v:_is_ready() then ready[i] = true end
  end
  return ready
end

-- One round: the places that are ready. A pool's descriptor says only that it has something to
-- do, not that the result in question is there.
local function round(list, timeout)
  local ready = ready_results(list)
  local handles, places = {}, {}
  for i, v in ipairs(list) do
    if not ready[i] then
      handles[#handles + 1] = handle_of(v, i)
      places[#places + 1] = i
    end
  end
  for _, k in ipairs(core.any(handles, next(ready) and 0 or timeout)) do
    local v = list[places[k]]
    if not is_result(v) or v:_is_ready() then ready[places[k]] = true end
  end
  return ready
end

--- Waits until at least one of the things in the list is ready: a connection or a queue that has a
--- message (or is at its end), a process that has ended, an asynchronous result, a descriptor that
--- is readable.
---
--- *Blocks* up to the timeout, without polling.
--- *Python*: `multiprocessing.connection.wait`; queues and processes themselves may stand in it.
---
---     for _, ready in ipairs(mp.wait({ conn, process.sentinel }, 1)) do
---       if ready == conn then print(conn:recv()) end
---     end
---@param list any[]
---@param timeout? number seconds; nil waits for ever
---@return any[] ready those of the list that are ready, in its order; empty on timeout
function M.wait(list, timeout)
  options.check(type(list) == "table", 1, "wait", "table", list)
  local deadline = type(timeout) == "number" and system.now() + timeout
  local ready
  repeat
    ready = round(list, deadline and deadline - system.now() or timeout)
  until next(ready) or deadline and system.now() >= deadline
  local values = {}
  for i, v in ipairs(list) do
    if ready[i] then values[#values + 1] = v end
  end
  return values
end

return M
