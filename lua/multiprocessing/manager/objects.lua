--- objects.lua: what lives in a manager's server
-- MIT licence, see LICENSE
--
-- An object has a record as long as a proxy of it exists: one in the family has the record's token
-- (multiprocessing.core.server), a remote one is counted by its connection.

local core = require "multiprocessing.core.server"

local M = {}

local Objects = {}
Objects.__index = Objects

function M.new()
  return setmetatable({ by_id = {}, by_object = {}, last = 0, count = 0 }, Objects)
end

-- What has an identity that two calls can agree on.
local function has_identity(v)
  local kind = type(v)
  return kind == "table" or kind == "userdata" or kind == "function" or kind == "thread"
end

--- The record of an object as one of a type: the one there is, or a new one.
function Objects:record(object, typeid)
  local same = has_identity(object) and self.by_object[object]
  if same and same[typeid] then return same[typeid] end
  self.last, self.count = self.last + 1, self.count + 1
  local record = { id = self.last, object = object, typeid = typeid, remote = 0 }
  self.by_id[record.id] = record
  if has_identity(object) then
    self.by_object[object] = same or {}
    self.by_object[object][typeid] = record
  end
  return record
end

--- The token that a proxy in the family takes with it.
function Objects:token(record)
  record.token = record.token or core.token()
  return record.token
end

function Objects:_drop(record)
  self.by_id[record.id], self.count = nil, self.count - 1
  local same = has_identity(record.object) and self.by_object[record.object]
  if not same then return end
  same[record.typeid] = nil
  if not next(same) then self.by_object[record.object] = nil end
end

--- Drops what no proxy exists of; how many that were.
function Objects:sweep()
  local before = self.count
  for _, record in pairs(self.by_id) do
    local token = record.token
    if record.remote <= 0 and not record.busy and (not token or token:count() == 1) then
      self:_drop(record)
    end
  end
  return before - self.count
end

return M
