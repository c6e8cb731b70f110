--- text.lua: what tostring of a dict, a list and a Namespace shows
-- MIT licence, see LICENSE
--
-- The contents as a Lua table would be written: strings quoted, keys in order (numbers, strings,
-- booleans), so that the same contents always give the same text. A list, and the list part of a
-- stored table, come without keys.

local dict = require "multiprocessing.core.dict"
local list = require "multiprocessing.core.list"

local M = {}

local reserved = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch "%a+" do
  reserved[word] = true
end

local function quote(s)
  return (("%q"):format(s):gsub("\\\n", "\\n"))
end

local rank <const> = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local x, y = rank[type(a)] or 4, rank[type(b)] or 4
  if x ~= y then return x < y end
  if x <= 2 then return a < b end
  return tostring(a) < tostring(b)
end

local format

local function key_text(key, around)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not reserved[key] then return key end
  return "[" .. format(key, around) .. "]"
end

local function table_text(t, around, is_keyed)
  local parts, keys, n = {}, {}, is_keyed and 0 or #t
  for i = 1, n do parts[i] = format(t[i], around) end
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then keys[#keys + 1] = key end
  end
  table.sort(keys, before)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = key_text(key, around) .. " = " .. format(t[key], around)
  end
  return table.concat(parts, ", ")
end

-- what one of our objects holds, as a table
local copies = {
  [dict.dict_meta] = dict.dict_meta.__copy,
  [dict.space_meta] = dict.space_meta.__copy,
  [list.meta] = list.meta.__copy,
}

-- Of an object there may be several handles; a table is the same one only, whatever its __eq says.
local function is_around(around, v)
  if type(v) == "table" then return around[v] end
  for _, other in ipairs(around) do
    if other == v then return true end
  end
  return false
end

local function enter(around, v)
  if type(v) == "table" then around[v] = true else around[#around + 1] = v end
end

local function leave(around, v)
  if type(v) == "table" then around[v] = nil else around[#around] = nil end
end

-- `around`: the tables and objects that this value is part of
function format(v, around)
  if type(v) == "string" then return quote(v) end
  local meta = getmetatable(v)
  local copy = type(v) == "userdata" and copies[meta]
  if not copy and (type(v) ~= "table" or type(meta) == "table" and meta.__tostring) then
    return tostring(v)
  end
  if is_around(around, v) then return "{...}" end
  enter(around, v)
  local text = table_text(copy and copy(v) or v, around, meta == dict.dict_meta)
  leave(around, v)
  if meta == dict.space_meta then return "Namespace(" .. text .. ")" end
  return "{" .. text .. "}"
end

--- The text of a value.
---@param v any
---@return string
function M.text(v)
  return format(v, {})
end

dict.dict_meta.__tostring = M.text
dict.space_meta.__tostring = M.text
list.meta.__tostring = M.text

return M
