--- errors.lua: the conditions that the library raises
-- MIT licence, see LICENSE
--
-- A condition is a table {name, message [, value, traceback, pid]} with the metatable
-- M.Condition; names inherit by the table `parent`. Misuse is not raised so, but as a string.

local M = {}

local parent <const> = {
  BufferTooShort = "ProcessError",
  AuthenticationError = "ProcessError",
}

local names <const> = {
  "ProcessError", "BufferTooShort", "AuthenticationError", "TimeoutError", "Empty", "Full",
  "ShutDown", "EOFError", "ClosedError", "SerializationError", "BrokenBarrierError",
  "CancelledError", "RemoteError", "WorkerLostError", "BrokenPoolError", "ManagerLostError",
}

--- What the library raises when a call cannot do its work. (Wrong arguments raise a string.)
---
--- The names: `ProcessError`, and below it `BufferTooShort` and `AuthenticationError`;
--- `TimeoutError`, `Empty`, `Full`, `ShutDown`, `EOFError`, `ClosedError`, `SerializationError`,
--- `BrokenBarrierError`, `CancelledError`, `RemoteError`, `WorkerLostError`, `BrokenPoolError`,
--- `ManagerLostError`. `tostring` gives name and message, and of a RemoteError the traceback.
---
---     local q = mp.Queue()
---     local ok, e = pcall(q.get_nowait, q)
---@class multiprocessing.Error
---@field name string       which condition, "Empty" for example
---@field message string    what happened, in one line
---@field value any         RemoteError: the value that was raised; BufferTooShort: the message
---@field traceback? string RemoteError: the other process's traceback
---@field pid? integer      RemoteError, WorkerLostError: the other process
local Condition = {}
Condition.__index = Condition
Condition.__name = "multiprocessing.Error"
M.Condition = Condition

function Condition:__tostring()
  local text = self.name .. ": " .. tostring(self.message)
  if not self.traceback then return text end
  local where = self.pid and ("%%0 (in process %d)"):format(self.pid) or "%0" -- not here
  return text .. "\n" .. self.traceback:gsub("^stack traceback:", where)
end

local function is_a(name, wanted)
  while name do
    if name == wanted then return true end
    name = parent[name]
  end
  return false
end

--- Is this condition a `name`, or one of the conditions below it? A RemoteError also is what its
--- `value` is.
---
---     print(e:is "Empty", e:is "Full")          --> true false
---@param name string of a condition, "Empty" for example
---@return boolean
function Condition:is(name)
  if is_a(self.name, name) then return true end
  return M.iserror(self.value) and self.value:is(name)
end

--- Tells whether `v` is an error object of this library, and of the given name.
---
--- *Python*: `except queue.Empty as e`.
---
---     local q = mp.Queue()
---     local ok, e = pcall(q.get, q, true, 0.01)
---     print(mp.iserror(e, "Empty"), mp.iserror("Empty"))   --> true false
---@param v any
---@param name? string of a condition; those below it count
---@return boolean
function M.iserror(v, name)
  if type(v) ~= "table" or getmetatable(v) ~= Condition then return false end
  return name == nil or v:is(name)
end

--- Makes a condition (it is not raised).
---@param name string
---@param message string
---@param fields? table  value, traceback, pid
---@return multiprocessing.Error
function M.new(name, message, fields)
  local e = { name = name, message = message }
  for k, v in pairs(fields or {}) do e[k] = v end
  return setmetatable(e, Condition)
end

--- Raises a condition.
function M.raise(name, message, fields)
  error(M.new(name, message, fields))
end

M.names = names
return M
