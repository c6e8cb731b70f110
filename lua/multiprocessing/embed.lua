--- embed.lua: a pool as a C host sees it
-- MIT licence, see LICENSE
--
-- src/embed/pool.c has one of these in a lua_State of its own. Calls are named by numbers; what
-- has finished is put aside until the host polls, so that nothing of the host's runs inside Lua.

local mp = require "multiprocessing"

local M = {}

-- in the workers --------------------------------------------------------------------------------

local functions = {} -- by name, and by source, with a prefix that tells them apart

-- "a.b.c": field c of module a.b, if there is such a module; else of the global a's field b
local function find(name)
  local module, field = name:match "^(.*)%.([^.]+)$"
  if not module then return _G[name] end
  local loaded = package.loaded[module]
  if loaded == nil then
    local value = _G
    for key in module:gmatch "[^.]+" do value = type(value) == "table" and value[key] end
    loaded = value or require(module)
  end
  return type(loaded) == "table" and loaded[field] or nil
end

--- Calls a function by its name: a global, or MODULE.FUNCTION, where the module is required.
function M.call_name(name, ...)
  local f = functions["n" .. name]
  if not f then
    f = find(name)
    if f == nil then error(("there is no function '%s' in this worker"):format(name), 0) end
    functions["n" .. name] = f
  end
  return f(...)
end

--- Calls source text as a function of its arguments (`...`).
function M.call_source(source, ...)
  local f = functions["s" .. source]
  if not f then
    f = assert(load(source, source, "t"))
    functions["s" .. source] = f
  end
  return f(...)
end

-- in the host -----------------------------------------------------------------------------------

local Face = {}
Face.__index = Face

--- Makes the pool.
---@param o table processes, start_method, executable, initializer (source), path, cpath, name,
--- memory_limit, maxtasksperchild
function M.new(o)
  if o.executable then mp.set_executable(o.executable) end
  package.path, package.cpath = o.path or package.path, o.cpath or package.cpath
  local pool = mp.get_context(o.start_method or "forkserver").Pool{
    processes = o.processes, name = o.name, memory_limit = o.memory_limit,
    maxtasksperchild = o.maxtasksperchild,
    initializer = o.initializer and M.call_source, initargs = { o.initializer },
  }
  return setmetatable({ pool = pool, calls = {}, last = 0, first_done = 1, last_done = 0,
    done = {} }, Face)
end

-- Puts a finished call aside. A call that is not known any more was never submitted.
local function finish(self, id, outcome)
  local call = self.calls[id]
  if not call then return end
  self.calls[id] = nil
  outcome.id, outcome.task = id, call.task
  self.last_done = self.last_done + 1
  self.done[self.last_done] = outcome
end

local callers <const> = { name = M.call_name, source = M.call_source }

--- Submits a call.
---@param how string "name", "source", "function"
---@param task userdata what the host wants back with the outcome
---@param timeout? number
---@param retries? integer
---@param what string|function
---@return integer id
function Face:submit(how, task, timeout, retries, what, ...)
  local id = self.last + 1
  local options = {
    timeout = timeout, retries = retries,
    callback = function(...) finish(self, id, table.pack(...)) end,
    error_callback = function(e) finish(self, id, { failure = e, n = 0 }) end,
  }
  self.last = id
  self.calls[id] = { task = task }
  local f, args = callers[how], table.pack(what, ...)
  if not f then f, args = what, table.pack(...) end
  local ok, result = pcall(self.pool.apply_async, self.pool, f, args, options)
  if not ok then
    self.calls[id] = nil
    error(result, 0)
  end
  if self.calls[id] then self.calls[id].result = result end
  return id
end

--- Works until something has finished, or nothing is left, or the timeout.
---@return integer count of those that can be taken
function Face:poll(timeout)
  if self:waiting() == 0 then self.pool:poll(timeout) else self.pool:poll(0) end
  return self:waiting()
end

--- How many can be taken?
function Face:waiting()
  return self.last_done - self.first_done + 1
end

--- Is there something to do that the pool's descriptor does not tell of?
function Face:is_ready()
  return self:waiting() > 0 or self.pool._tasks.deliveries[1] ~= nil
end

--- Takes the outcome of one call.
---@return integer id
---@return userdata task
---@return any failure a condition; nil: none
---@return string traceback
---@return ... results
function Face:take()
  local outcome = self.done[self.first_done]
  self.done[self.first_done] = nil
  self.first_done = self.first_done + 1
  local failure = outcome.failure
  return outcome.id, outcome.task, failure, failure and failure.traceback or "",
    table.unpack(outcome, 1, outcome.n)
end

--- The pool's descriptor, told of what was submitted since; nil after the end.
function Face:fileno()
  return self.pool._core and self.pool:fileno() or nil
end

--- Calls that have not been taken.
function Face:pending()
  local n = self:waiting()
  for _ in pairs(self.calls) do n = n + 1 end
  return n
end

---@return boolean effect false: it is not known, or had finished
function Face:cancel(id)
  local call = self.calls[id]
  return call ~= nil and call.result:cancel()
end

function Face:close() self.pool:close() end
function Face:terminate() self.pool:terminate() end
function Face:join(timeout) return self.pool:join(timeout) end

return M
