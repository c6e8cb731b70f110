--- shared.lua: Value, Array, RawValue, RawArray, SharedMemory, ShareableList
-- MIT licence, see LICENSE
--
-- Values and arrays are C (src/bind/l_value.c, l_array.c); this file makes them and documents them.
-- They lie in memory that all processes of the family share and can be sent in any message.

local core = require "multiprocessing.core.shared"
local options = require "multiprocessing.options"
local sync = require "multiprocessing.sync"

local M = {}

local codes <const> = "cbBhHiIlLqQfd"

-- how values and arrays are checked: at the line of the user
local function check_code(name, code)
  options.check(type(code) == "string" and #code == 1 and codes:find(code, 1, true), 1, name,
    "one of the type codes " .. codes, code, 1)
end

local function check_lock(name, lock)
  if lock == nil or type(lock) == "boolean" then return end
  local meta = getmetatable(lock)
  local index = type(meta) == "table" and meta.__index
  options.check(index and (index == sync.classes.Lock or index == sync.classes.RLock), 3, name,
    "boolean, Lock or RLock", lock, 1)
end

-- an error of C becomes one at the line of the user who called the constructor (whose own frame is
-- gone: build is its tail call)
local function build(make, ...)
  local ok, made = pcall(make, ...)
  if ok then return made end
  error(made, type(made) == "string" and 2 or 0)
end

-- Value ---------------------------------------------------------------------------------------

--- One number of a C type, with a lock. The lock is recursive: `.value`, `add` and the others work
--- inside `hold()`. A lock whose holder died is taken over, and the next `acquire` tells it.
---@class multiprocessing.Value
---@field value any the number; reading and writing take the lock
local Value = core.Value
sync.add_hold(Value)

--- Adds atomically.
---
--- *Raises* when the sum does not fit the type; then nothing is changed.
--- *Blocks* while another process holds the lock.
--- *Python*: has none; `with v.get_lock(): v.value += n`.
---
---     local new = counter:add(1)
---@function Value:add
---@param n number
---@return number new
Value.add = Value.add

--- Sets the value to `new` if it is `old`, atomically.
---
--- *Blocks* while another process holds the lock.
---
---     if state:cas(0, 1) then print "we were first" end
---@function Value:cas
---@param old any
---@param new any
---@return boolean done
Value.cas = Value.cas

--- `value = f(value)` under the lock. `f` runs once; if it raises, nothing changes.
---
--- *Raises* what `f` raises.
--- *Blocks* while another process holds the lock.
---
---     local new = v:update(function(x) return x * 2 end)
---@function Value:update
---@param f fun(old: any): any
---@return any new
Value.update = Value.update

--- The lock that goes with the value: an RLock, or the one given to the constructor.
---@function Value:get_lock
---@return multiprocessing.RLock
Value.get_lock = Value.get_lock

local take_value = options.taker("Value", "typecode", "value", "lock")
local take_raw_value = options.taker("RawValue", "typecode", "value")

--- Makes a shared value.
---
--- *Raises* when the value does not fit the type: integers are not cut.
--- *Python*: `multiprocessing.Value`.
---
---     local counter = mp.Value("i", 0)
---     counter.value = counter.value + 1
---@param typecode string c b B h H i I l L q Q f d, C types as in Python's array
---@param value? any      default 0
---@param lock? boolean|multiprocessing.Lock|multiprocessing.RLock default true; false: a RawValue
---@return multiprocessing.Value
function M.Value(...)
  local code, value, lock = take_value(...)
  check_code("Value", code)
  check_lock("Value", lock)
  return build(core.value, code, value, lock)
end

--- Makes a shared value without a lock; `add` and `cas` are hardware atomics, and there is no
--- `update`, `hold` or `get_lock`.
---
--- *Python*: `multiprocessing.RawValue`.
---
---     local hits = mp.RawValue("L")
---     hits:add(1)
---@param typecode string
---@param value? any default 0
---@return multiprocessing.Value
function M.RawValue(...)
  local code, value = take_raw_value(...)
  check_code("RawValue", code)
  return build(core.value, code, value, false)
end

-- Array ---------------------------------------------------------------------------------------

--- Numbers of a C type, with a lock: `a[1]` to `a[#a]`. Reading `a[#a + 1]` gives nil, so that
--- `ipairs` ends; every other index outside raises.
---@class multiprocessing.Array
---@field value? string of a "c" array: up to the first NUL; assigning writes a NUL behind it
---@field raw? string   of a "c" array: all of it; assigning fills up with NULs
local Array = core.Array
sync.add_hold(Array)

--- A list of elements i to j, negative ones from the end, as `string.sub` takes them.
---@function Array:slice
---@param i? integer default 1
---@param j? integer default -1
---@return any[]
Array.slice = Array.slice

--- All elements as a list, read at once under the lock.
---@function Array:totable
---@return any[]
Array.totable = Array.totable

--- Writes a list (to a "c" array also a string), at once under the lock.
---
--- *Raises* when it has no room or a value does not fit; then nothing is changed.
---
---     a:set({ 1, 2, 3 }, 5) -- a[5], a[6], a[7]
---@function Array:set
---@param list any[]|string
---@param at? integer default 1
Array.set = Array.set

--- Sets elements i to j, as `slice` takes them, to `x`.
---@function Array:fill
---@param x any
---@param i? integer default 1
---@param j? integer default -1
Array.fill = Array.fill

--- `a[i] = a[i] + n`, atomically.
---@function Array:add
---@param i integer
---@param n number
---@return number new
Array.add = Array.add

--- The lock that goes with the array.
---@function Array:get_lock
---@return multiprocessing.RLock
Array.get_lock = Array.get_lock

local take_array = options.taker("Array", "typecode", "size|list|string|values", "lock")
local take_raw_array = options.taker("RawArray", "typecode", "size|list|string|values")

local function check_values(name, code, values)
  local size = math.type(values) == "float" and math.tointeger(values) or values
  options.check(math.type(size) == "integer" and size >= 0 or type(values) == "table"
    or code == "c" and type(values) == "string", 2, name, code == "c" and
    "size, list or string" or "size or list", values, 1)
  return size
end

--- Makes a shared array.
---
--- *Raises* when a value does not fit the type.
--- *Python*: `multiprocessing.Array`.
---
---     local a = mp.Array("d", 10)
---     for i, x in ipairs(a) do a[i] = x + i end
---@param typecode string c b B h H i I l L q Q f d
---@param values integer|any[]|string size (new memory is zero), or what it begins with
---@param lock? boolean|multiprocessing.Lock|multiprocessing.RLock default true; false: a RawArray
---@return multiprocessing.Array
function M.Array(...)
  local code, values, lock = take_array(...)
  check_code("Array", code)
  values = check_values("Array", code, values)
  check_lock("Array", lock)
  return build(core.array, code, values, lock)
end

--- Makes a shared array without a lock; `add(i, n)` and `cas(i, old, new)` are hardware atomics.
---
--- *Python*: `multiprocessing.RawArray`.
---
---     local a = mp.RawArray("i", { 1, 2, 3 })
---@param typecode string
---@param values integer|any[]|string
---@return multiprocessing.Array
function M.RawArray(...)
  local code, values = take_raw_array(...)
  check_code("RawArray", code)
  values = check_values("RawArray", code, values)
  return build(core.array, code, values, false)
end

return M
