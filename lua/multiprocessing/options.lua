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

--- Makes a function that turns a constructor's arguments into values in their order.
---
--- *Raises* in the line that called the constructor, when an option is unknown or there are too
--- many arguments.
---@param name string of the constructor, for messages
---@param ... string names of the options, in order; "size|list" may be called either
---@return fun(...): ...
function M.taker(name, ...)
  local names, known = { ... }, {}
  for i, option in ipairs(names) do
    for alias in option:gmatch("[^|]+") do known[alias] = i end
  end

  local function from_table(t)
    local values = {}
    for option, value in pairs(t) do
      if not known[option] then
        error(("unknown option '%s' to '%s'"):format(tostring(option), name), 3) -- a tail call
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

--- An error at the line of the user who called the function that checks (or `level` more).
function M.check(ok, number, name, expected, got, level)
  if ok then return end
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(
    number, name, expected, math.type(got) or type(got)), 3 + (level or 0))
end

--- The same for a method that was called with a dot, or on something else.
function M.check_self(self, class, method, level)
  local meta = getmetatable(self)
  if type(meta) == "table" and meta.__name == class then return end
  error(("bad argument #1 to '%s' (%s expected; call it with a colon)"):format(
    method, class), 3 + (level or 0))
end

return M
