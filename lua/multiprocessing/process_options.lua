--- process_options.lua: what mp.Process takes
-- MIT licence, see LICENSE
--
-- A mistake is an error at the line of the user: the first function on the stack that is not of
-- these files, for a subclass's init may be between.

local options = require "multiprocessing.options"

local M = {}

--- Sources of files whose functions are none of the user's.
M.is_ours = { [debug.getinfo(1, "S").source] = true }

local types <const> = {
  target = "function", args = "table", name = "string", daemon = "boolean",
  memory_limit = "number",
}

local function fail(format, ...)
  local level = 2
  while M.is_ours[(debug.getinfo(level, "S") or {}).source] do level = level + 1 end
  error(format:format(...), level)
end

local function is_callable(v)
  local meta = (type(v) == "table" or type(v) == "userdata") and getmetatable(v)
  return type(v) == "function" or meta and (type(meta) ~= "table" or meta.__call)
end

local function check_option(name, v)
  local wanted = types[name]
  if not wanted then
    fail("unknown option '%s' to 'Process'%s", tostring(name), options.there_are(types))
  end
  if type(v) ~= wanted and not (name == "target" and is_callable(v)) then
    fail("bad option '%s' to 'Process' (%s expected, got %s)", name, wanted, type(v))
  end
end

--- Returns the options, or an empty table for none.
---@param o any
---@return table
function M.check(o)
  if o ~= nil and type(o) ~= "table" then
    fail("bad argument #1 to 'Process' (table of options expected, got %s)", type(o))
  end
  o = o or {}
  for name, v in pairs(o) do check_option(name, v) end
  local n = o.args and o.args.n
  if n ~= nil and (math.tointeger(n) or -1) < 0 then
    fail("bad option 'args' to 'Process' (its field 'n' is not a length)")
  end
  if o.memory_limit and (math.tointeger(o.memory_limit) or 0) <= 0 then
    fail("bad option 'memory_limit' to 'Process' (positive number of bytes expected)")
  end
  return o
end

return M
