--- shared.lua: Value, Array, RawValue, RawArray, SharedMemory, ShareableList
-- MIT licence, see LICENSE
--
-- Values and arrays are C (src/bind/l_value.c, l_array.c); this file makes them and documents them.
-- They lie in memory that all processes of the family share and can be sent in any message.

local core = require "multiprocessing.core.shared"
local hold = require "multiprocessing.hold"
local options = require "multiprocessing.options"
local sync = require "multiprocessing.sync"

local M = {}

local codes <const> = "cbBhHiIlLqQfd"

-- how values and arrays are checked: at the line of the user
local function check_code(name, code)
  local known = type(code) == "string" and #code == 1 and codes:find(code, 1, true)
  options.check(known, 1, name, "one of the type codes " .. codes, code, 1)
end

local function check_lock(name, lock)
  if lock == nil or type(lock) == "boolean" then return end
  local meta = getmetatable(lock)
  local index = type(meta) == "table" and meta.__index
  options.check(index and (index == sync.classes.Lock or index == sync.classes.RLock), 3, name,
    "boolean, Lock or RLock", lock, 1)
end

local build <const> = options.build

-- Value ---------------------------------------------------------------------------------------

--- One number of a C type, with a lock. The lock is recursive: `.value`, `add` and the others work
--- inside `hold()`. A lock whose holder died is taken over, and the next `acquire` tells it.
---
---     local v = mp.Value("i", 10)
---@class multiprocessing.Value: multiprocessing.RLock
---@field value any the number (of a "c" value a string of one byte); using it takes the lock
local Value = core.Value
hold.give(Value)

--- Adds atomically.
---
--- *Raises* when the sum does not fit the type; then nothing is changed.
--- *Blocks* while another process holds the lock.
--- *Python*: has none; `with v.get_lock(): v.value += n`.
---
---     print(v:add(5), v.value)                  --> 15 15
---@function Value:add
---@param n number
---@return number new
Value.add = Value.add

--- Sets the value to `new` if it is `old`, atomically.
---
--- *Blocks* while another process holds the lock.
---
---     print(v:cas(10, 11), v:cas(10, 12))       --> true false
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
---     print(v:update(function(x) return x * 2 end))   --> 20
---@function Value:update
---@param f fun(old: any): any
---@return any new
Value.update = Value.update

--- The lock that goes with the value: an RLock, or the one given to the constructor.
---
---     do
---       local held <close> = v:get_lock():hold()
---       v.value = v.value + 1
---     end
---     print(v.value)                            --> 11
---@function Value:get_lock
---@return multiprocessing.RLock
Value.get_lock = Value.get_lock

--- A Value without a lock.
---
---     local v = mp.RawValue("i", 10)
---@class multiprocessing.RawValue
---@field value any the number

--- Adds, by a hardware atomic.
---
--- *Raises* when the sum does not fit the type; then nothing is changed.
---
---     print(v:add(5))                           --> 15
---@function RawValue:add
---@param n number
---@return number new

--- Sets the value to `new` if it is `old`, by a hardware atomic.
---
---     print(v:cas(10, 11), v.value)             --> true 11
---@function RawValue:cas
---@param old any
---@param new any
---@return boolean done

local take_value = options.taker("Value", "typecode", "value", "lock")
local take_raw_value = options.taker("RawValue", "typecode", "value")

--- Makes a shared value.
---
--- *Raises* when the value does not fit the type: integers are not cut.
--- *Python*: `multiprocessing.Value`.
---
---     local counter = mp.Value("i", 0)
---     local p = mp.Process{ target = function() counter:add(1) end }
---     p:start()
---     p:join()
---     print(counter.value)                      --> 1
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
---     print(hits:add(1))                        --> 1
---@param typecode string c b B h H i I l L q Q f d
---@param value? any default 0
---@return multiprocessing.RawValue
function M.RawValue(...)
  local code, value = take_raw_value(...)
  check_code("RawValue", code)
  return build(core.value, code, value, false)
end

-- Array ---------------------------------------------------------------------------------------

--- Numbers of a C type, with a lock: `a[1]` to `a[#a]`. Reading `a[#a + 1]` gives nil, so that
--- `ipairs` ends; every other index outside raises.
---
---     local a = mp.Array("i", { 10, 20, 30 })
---@class multiprocessing.Array: multiprocessing.RLock
---@field value? string of a "c" array: up to the first NUL; assigning writes a NUL behind it
---@field raw? string   of a "c" array: all of it; assigning fills up with NULs
local Array = core.Array
hold.give(Array)

--- A list of elements i to j, negative ones from the end, as `string.sub` takes them.
---
---     print(table.concat(a:slice(2), " "))       --> 20 30
---@function Array:slice
---@param i? integer default 1
---@param j? integer default -1
---@return any[]
Array.slice = Array.slice

--- All elements as a list, read at once under the lock.
---
---     print(table.concat(a:totable(), " "))      --> 10 20 30
---@function Array:totable
---@return any[]
Array.totable = Array.totable

--- Writes a list (to a "c" array also a string), at once under the lock.
---
--- *Raises* when it has no room or a value does not fit; then nothing is changed.
---
---     a:set({ 21, 31 }, 2)
---     print(a[1], a[2], a[3])                   --> 10 21 31
---@function Array:set
---@param list any[]|string
---@param at? integer where it begins, default 1
Array.set = Array.set

--- Sets elements i to j, as `slice` takes them, to `x`.
---
---     a:fill(7, 2)
---     print(a[1], a[2], a[3])                   --> 10 7 7
---@function Array:fill
---@param x any
---@param i? integer default 1
---@param j? integer default -1
Array.fill = Array.fill

--- `a[i] = a[i] + n`, atomically.
---
---     print(a:add(1, 5))                         --> 15
---@function Array:add
---@param i integer
---@param n number
---@return number new
Array.add = Array.add

--- `a[i] = new` if `a[i]` is `old`, atomically.
---
---     print(a:cas(1, 10, 11), a[1])             --> true 11
---@function Array:cas
---@param i integer
---@param old any
---@param new any
---@return boolean done
Array.cas = Array.cas

--- `a[i] = f(a[i])` under the lock. `f` runs once; if it raises, nothing changes.
---
--- *Raises* what `f` raises. *Blocks* while another process holds the lock.
---
---     print(a:update(1, function(x) return x * 2 end))   --> 20
---@function Array:update
---@param i integer
---@param f fun(old: any): any
---@return any new
Array.update = Array.update

--- The lock that goes with the array: an RLock, or the one given to the constructor.
---
---     do
---       local held <close> = a:get_lock():hold()
---       a[1] = a[1] + a[2]
---     end
---     print(a[1])                               --> 30
---@function Array:get_lock
---@return multiprocessing.RLock
Array.get_lock = Array.get_lock

--- An Array without a lock.
---
---     local a = mp.RawArray("i", { 10, 20, 30 })
---@class multiprocessing.RawArray
---@field value? string of a "c" array, as an Array's
---@field raw? string of a "c" array, as an Array's

--- As `Array:slice`; other processes may write meanwhile.
---
---     print(table.concat(a:slice(2), " "))       --> 20 30
---@function RawArray:slice
---@param i? integer default 1
---@param j? integer default -1
---@return any[]

--- As `Array:totable`; other processes may write meanwhile.
---
---     print(table.concat(a:totable(), " "))      --> 10 20 30
---@function RawArray:totable
---@return any[]

--- As `Array:set`; other processes may see a part of it.
---
---     a:set({ 21, 31 }, 2)
---     print(a[1], a[2], a[3])                   --> 10 21 31
---@function RawArray:set
---@param list any[]|string
---@param at? integer where it begins, default 1

--- As `Array:fill`; other processes may see a part of it.
---
---     a:fill(7, 2)
---     print(a[1], a[2], a[3])                   --> 10 7 7
---@function RawArray:fill
---@param x any
---@param i? integer default 1
---@param j? integer default -1

--- `a[i] = a[i] + n`, by a hardware atomic.
---
---     print(a:add(1, 5))                         --> 15
---@function RawArray:add
---@param i integer
---@param n number
---@return number new

--- `a[i] = new` if `a[i]` is `old`, by a hardware atomic.
---
---     print(a:cas(1, 10, 11), a[1])             --> true 11
---@function RawArray:cas
---@param i integer
---@param old any
---@param new any
---@return boolean done

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
---     local a = mp.Array("d", 3)
---     for i, x in ipairs(a) do a[i] = x + i end
---     print(#a, a[1], a[3])                     --> 3 1.0 3.0
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
---     print(a:add(1, 10), a[4])                 --> 11 nil
---@param typecode string c b B h H i I l L q Q f d
---@param values integer|any[]|string size, or what it begins with
---@return multiprocessing.RawArray
function M.RawArray(...)
  local code, values = take_raw_array(...)
  check_code("RawArray", code)
  values = check_values("RawArray", code, values)
  return build(core.array, code, values, false)
end

return M
