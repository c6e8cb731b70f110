--- options.lua: arguments in order, or one table of named options
-- MIT licence, see LICENSE
--
-- A constructor says once what its arguments are called:
--
--     local take = options.taker("Queue", "maxsize")
--     function M.Queue(...)
--       local maxsize = take(...)
--
-- and may then be called as Queue(10) or Queue{maxsize = 10}.

local M = {}

local function is_named(n, first)
  if n ~= 1 or type(first) ~= "table" or getmetatable(first) then return false end
  local key = next(first)
  return key == nil or type(key) == "string"
end

--- " (there are: a, b)" for messages about an unknown name; a set is sorted.
---@param names string[]|table<string, any>
---@return string
function M.there_are(names)
  local list = {}
  for k, v in pairs(names) do list[#list + 1] = type(k) == "number" and v:match "[^|]+" or k end
  if #names == 0 then table.sort(list) end
  return #list == 0 and " (there are none)" or (" (there are: %s)"):format(table.concat(list, ", "))
end

--- Makes a function that turns a constructor's arguments into values in their order.
---
--- *Raises* in the line that called the constructor, when an option is unknown or there are too
--- many arguments.
---@param name string of the constructor, for messages
---@param ... string names of the options, in order; "size|list" may be called either
---@return fun(...): ...
function M.taker(name, ...)
  local names, known = { ... }, {}
  local there_are = M.there_are(names)
  for i, option in ipairs(names) do
    for alias in option:gmatch("[^|]+") do known[alias] = i end
  end

  local function from_table(t)
    local values = {}
    for option, value in pairs(t) do
      if not known[option] then
        error(("unknown option '%s' to '%s'%s"):format(tostring(option), name, there_are), 3)
      end
      values[known[option]] = value
    end
    return table.unpack(values, 1, #names)
  end

  return function(...)
    local n = select("#", ...)
    if is_named(n, (...)) then return from_table((...)) end
    if n > #names then
      error(("wrong number of arguments to '%s' (%d at most)"):format(name, #names), 3)
    end
    return ...
  end
end

-- What a message says of a wrong value: its type, and itself where that is short.
local function shown(v)
  if type(v) == "string" and #v <= 20 and not v:find "%c" then return ("string '%s'"):format(v) end
  if type(v) == "number" then return ("%s %s"):format(math.type(v), v) end
  return type(v)
end

--- An error at the line of the user who called the function that checks (or `level` more).
function M.check(ok, number, name, expected, got, level)
  if ok then return end
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(
    number, name, expected, shown(got)), 3 + (level or 0))
end

--- The same for a method that was called with a dot, or on something else.
function M.check_self(self, class, method, level)
  local meta = getmetatable(self)
  if type(meta) == "table" and meta.__name == class then return end
  error(("bad argument #1 to '%s' (%s expected; call it with a colon)"):format(
    method, class), 3 + (level or 0))
end

--- make(...), whose errors become errors at the line of the user who called the constructor. That
--- one's own frame must be gone: this is its tail call.
function M.build(make, ...)
  local ok, made = pcall(make, ...)
  if ok then return made end
  error(made, type(made) == "string" and 2 or 0)
end

return M
