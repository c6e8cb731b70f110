--- calls.lua: what a request to an object calls
-- MIT licence, see LICENSE
--
-- Nothing here knows of clients. A mistake of the caller's is raised by `fail`, and told from
-- errors of the user's own code by its metatable.

local M = {}

local misuse = {}

local function fail(format, ...) error(setmetatable({ text = format:format(...) }, misuse), 0) end

M.fail = fail

--- The text of a caller's mistake; nil for any other error.
function M.mistake(e)
  return type(e) == "table" and getmetatable(e) == misuse and e.text or nil
end

local function is_callable(v)
  local meta = (type(v) == "table" or type(v) == "userdata") and getmetatable(v)
  return type(v) == "function" or type(meta) == "table" and meta.__call ~= nil
end

local operators = {
  __index = function(object, key) return object[key] end,
  __newindex = function(object, key, value) object[key] = value end,
  __len = function(object) return #object end,
  __call = function(object, ...) return object(...) end,
  __tostring = tostring,
  __unm = function(object) return -object end,
  ["#value"] = function(object) return object end,
}

local binary <const> = {
  add = "+", sub = "-", mul = "*", div = "/", mod = "%", pow = "^", idiv = "//", concat = "..",
  lt = "<", le = "<=",
}

for name, sign in pairs(binary) do
  local apply = load("local a, b = ... return a " .. sign .. " b", "=operator")
  operators["__" .. name] = function(object, side, other)
    if side == "left" then return apply(object, other) end
    return apply(other, object)
  end
end

local function is_public(entry, name)
  if entry.exposed then return entry.exposed[name] end
  return name:sub(1, 1) ~= "_"
end

local function public_names(entry)
  local names = {}
  for name in pairs(entry.exposed or {}) do names[#names + 1] = name end
  table.sort(names)
  return names[1] and "; there are: " .. table.concat(names, ", ") or ""
end

local function get(object, name) return object[name] end

--- The function for method `name` of a record's object; `entry` is what is registered of its type.
function M.method(record, entry, name)
  if name == "#value" then return operators[name] end
  if not is_public(entry, name) then
    fail("method '%s' of a %s is not exposed%s", name, record.typeid, public_names(entry))
  end
  if operators[name] then return operators[name] end
  local ok, f = pcall(get, record.object, name)
  if not ok or f == nil then fail("a %s has no method '%s'", record.typeid, name) end
  if not is_callable(f) then
    fail("'%s' of a %s is no method but a %s", name, record.typeid, type(f))
  end
  return f
end

-- The first parameter's name tells how `new` is to be called: C:new(...) or C.new(...).
local function wants_self(f)
  return type(f) == "function" and (debug.getlocal(f, 1) == "self" or debug.getlocal(f, 1) == "cls"
    or debug.getlocal(f, 1) == "class")
end

--- Makes an object by what was registered: function, callable object or class.
function M.construct(callable, ...)
  if is_callable(callable) then return callable(...) end
  if wants_self(callable.new) then return callable:new(...) end
  return callable.new(...)
end

return M
