--- wait.lua: waiting for any of several things
-- MIT licence, see LICENSE
--
-- Queues and pipes are known to the C half (src/bind/l_wait.c); all else is waited for by a
-- descriptor: an integer is one, a process has its sentinel, and what else there is says its own
-- by a method `fileno`. Asynchronous results share the descriptor of their pool, which tells that
-- something happened, not what: they have `_wait_handle` for it, and `_is_ready` to be asked.

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

local function is_asked(v)
  return type(v) == "table" and field(v, "_is_ready") ~= nil
end

-- what the C half can wait for, in place of `v`
local function handle_of(v, i)
  if math.type(v) == "integer" and v >= 0 or core.waitable(v) then return v end
  if type(v) == "table" or type(v) == "userdata" then
    if is_asked(v) then return v:_wait_handle() end
    if math.type(field(v, "sentinel")) == "integer" then return v.sentinel end
    if type(field(v, "fileno")) == "function" then return v:fileno() end
  end
  if type(v) == "table" and field(v, "_class_name") then
    error(("bad argument #1 to 'wait' (cannot wait for item %d, a process: %s has not been "
      .. "started by this process)"):format(i, v.name), 4)
  end
  local meta = getmetatable(v)
  local kind = type(meta) == "table" and meta.__name or type(v)
  if math.type(v) then kind = "number: " .. v end
  error(("bad argument #1 to 'wait' (cannot wait for item %d, a %s; there are connections, "
    .. "queues, processes, listeners, results and descriptors)"):format(i, kind), 4)
end

-- those that say so themselves, as a set of places; nil when there is none
local function ask(list)
  local ready
  for i, v in ipairs(list) do
    if is_asked(v) and v:_is_ready() then
      ready = ready or {}
      ready[i] = true
    end
  end
  return ready
end

-- One wait of the C half: the set of places that are ready. Results that are ready already have no
-- descriptor to wait for.
local function look(list, ready, timeout)
  local handles, places = {}, {}
  for i, v in ipairs(list) do
    if not (ready and is_asked(v)) then
      handles[#handles + 1], places[#places + 1] = handle_of(v, i), i
    end
  end
  ready = ready or {}
  for _, k in ipairs(core.any(handles, timeout)) do
    local v = list[places[k]]
    if not is_asked(v) or v:_is_ready() then ready[places[k]] = true end
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
---     local a, b = mp.Pipe()
---     local p = mp.Process{ target = function() b:send "hello" mp.sleep(60) end, daemon = true }
---     p:start()
---     for _, ready in ipairs(mp.wait({ a, p }, 60)) do
---       print(ready == a and a:recv())          --> hello
---     end
---@param list any[]
---@param timeout? number seconds; nil waits for ever
---@return any[] ready those of the list that are ready, in its order; empty on timeout
function M.wait(list, timeout)
  options.check(type(list) == "table", 1, "wait", "list", list)
  options.check(timeout == nil or type(timeout) == "number", 2, "wait", "number", timeout)
  if timeout ~= timeout then error("bad argument #2 to 'wait' (timeout is NaN)", 2) end
  local deadline = timeout and system.now() + timeout
  local ready
  repeat
    ready = ask(list)
    ready = look(list, ready, ready and 0 or timeout)
    timeout = deadline and deadline - system.now()
  until next(ready) or timeout and timeout <= 0
  local those = {}
  for i, v in ipairs(list) do
    if ready[i] then those[#those + 1] = v end
  end
  return those
end

return M
