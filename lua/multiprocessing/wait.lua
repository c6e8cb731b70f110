--- wait.lua: waiting for any of several things
-- MIT licence, see LICENSE
--
-- Queues and pipes are known to the C half (src/bind/l_wait.c); all else is waited for by a
-- descriptor that is readable when the thing is ready: an integer is one, a process has its
-- sentinel, and what else there is says its own by a method `fileno`.

local core = require "multiprocessing.core.wait"
local options = require "multiprocessing.options"

local M = {}

local function has_method(v, name)
  local ok, method = pcall(function() return v[name] end)
  return ok and type(method) == "function"
end

-- what the C half can wait for, in place of `v`
local function handle_of(v, i)
  if math.type(v) == "integer" or core.waitable(v) then return v end
  if type(v) == "table" or type(v) == "userdata" then
    if v._wait_handle then return v:_wait_handle() end
    if type(v.sentinel) == "number" then return v.sentinel end
    if has_method(v, "fileno") then return v:fileno() end
  end
  error(("bad argument #1 to 'wait' (cannot wait for item %d, a %s)"):format(i, type(v)), 3)
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
  local handles = {}
  for i, v in ipairs(list) do handles[i] = handle_of(v, i) end
  local ready = core.any(handles, timeout)
  for i, place in ipairs(ready) do ready[i] = list[place] end
  return ready
end

return M
