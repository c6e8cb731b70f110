--- dict.lua: the dict of a manager
-- MIT licence, see LICENSE
--
-- The methods are C (src/bind/l_dict.c); this file makes the objects and documents them. A dict
-- lies in memory that all processes of the family share: no server process stands between.

local core = require "multiprocessing.core.dict"
local options = require "multiprocessing.options"
require "multiprocessing.manager.text"

local M = {}

--- Keys and values that all processes of the family see. Keys are strings, numbers and booleans
--- (`1` and `1.0` are one key, as in Lua's tables); values are anything that can be sent, shared
--- objects and other manager objects included. Each call is atomic, and stays so when a process is
--- killed in the middle of it.
---
--- What is stored is a copy: a table that was read from the dict and changed is not changed in the
--- dict. Store it again, use `update(k, f)`, or nest a `m:dict()` or `m:list()`.
---
---     local d = m:dict{ a = 1 }
---     d.b = { 1, 2, 3 }        -- d[k] = v sets, nil removes
---     print(d.a, #d, d)        --> 1  2  {a = 1, b = {1, 2, 3}}
---     for k, v in pairs(d) do print(k, v) end
---
--- `#d` is the number of keys, `pairs(d)` goes over a snapshot, in no order; `tostring(d)` shows
--- all of it, in order of the keys. A key that is a method's name is read by `get`, set by `set`.
--- A dict that holds itself, through others too, is freed when the last process of the family ends.
---@class multiprocessing.dict: { [string|number|boolean]: any }
local Dict = core.methods

--- Reads a value.
---
--- *Raises* for a key that is no string, number or boolean; `SerializationError` when this process
--- cannot rebuild the value.
--- *Blocks*: never.
--- *Python*: `dict.get`.
---
---     local n = d:get("count", 0)
---@function dict:get
---@param key string|number|boolean
---@param default? any what to return when there is no such key, default nil
---@return any value a copy
Dict.get = Dict.get

--- Sets a value, under any key: also under one that is the name of a method.
---
--- *Raises* `SerializationError`; then the dict is as it was.
--- *Blocks* while another process is in `update(k, f)`.
--- *Python*: `d[k] = v`.
---
---     d:set("get", 1)
---     assert(d:get "get" == 1)
---@function dict:set
---@param key string|number|boolean
---@param value any nil removes the key
Dict.set = Dict.set

--- Removes a key and returns its value.
---
--- *Raises* when there is no such key and no default was given.
--- *Blocks* while another process is in `update(k, f)`.
--- *Python*: `dict.pop`.
---
---     local job = d:pop("job", nil) -- nil if there is none
---@function dict:pop
---@param key string|number|boolean
---@param default? any what to return when there is no such key
---@return any value
Dict.pop = Dict.pop

--- Returns the value of a key; sets it first where there is none.
---
--- *Raises* `SerializationError`; then the dict is as it was.
--- *Blocks* while another process is in `update(k, f)`.
--- *Python*: `dict.setdefault`.
---
---     local list = d:setdefault("log", m:list()) -- the same one in all processes
---@function dict:setdefault
---@param key string|number|boolean
---@param value any
---@return any value the one that is there now
Dict.setdefault = Dict.setdefault

--- With a table or a dict: takes over all of its entries in one step. With a key and a function:
--- `d[k] = f(d[k])` under the dict's lock, while no other process can change the dict; others
--- read the old value meanwhile. `f` runs once, in this process, and may use the dict; nil removes
--- the key; when `f` raises, the value stays. The lock of a process that dies in `f` goes to the
--- next one. Do not take two dicts' locks in different orders.
---
--- *Raises* what `f` raises; `SerializationError`: then nothing was changed.
--- *Blocks* while another process is in `update(k, f)`.
--- *Python*: `dict.update`; `update(k, f)` has no counterpart, there a lock of yours is needed.
---
---     d:update{ a = 1, b = 2 }
---     local n = d:update("a", function(old) return (old or 0) * 2 end)
---@function dict:update
---@param key_or_table string|number|boolean|table|multiprocessing.dict
---@param f? fun(old: any): any
---@return any new with a function: the new value
Dict.update = Dict.update

--- Adds to a number, atomically; a key that is not there counts as 0.
---
--- *Raises* when the value is no number.
--- *Blocks* while another process is in `update(k, f)`.
--- *Python*: has none: `d[k] += 1` is not atomic there.
---
---     local hits = d:incr("hits")
---@function dict:incr
---@param key string|number|boolean
---@param n? number default 1
---@return number new
Dict.incr = Dict.incr

--- Is there such a key? Never blocks.
---
---     if not d:has "done" then work() end
---@function dict:has
---@param key string|number|boolean
---@return boolean
Dict.has = Dict.has

--- The keys, as a list in no order. *Python*: `dict.keys`, which is a view.
---
---     for _, k in ipairs(d:keys()) do print(k) end
---@function dict:keys
---@return any[]
Dict.keys = Dict.keys

--- The values, in the order of `keys` as long as nobody changes the dict.
---
---     for _, v in ipairs(d:values()) do print(v) end
---@function dict:values
---@return any[]
Dict.values = Dict.values

--- The pairs at one moment, as a list of `{key, value}`.
---
---     for _, item in ipairs(d:items()) do print(item[1], item[2]) end
---@function dict:items
---@return { [1]: any, [2]: any }[]
Dict.items = Dict.items

--- The contents at one moment, as a table.
---
---     local t = d:copy()
---@function dict:copy
---@return table
Dict.copy = Dict.copy

--- Removes everything; the memory comes back.
---
--- *Blocks* while another process is in `update(k, f)`.
---
---     d:clear()
---@function dict:clear
Dict.clear = Dict.clear

--- Makes a dict; a table or another dict gives its first contents.
---@param t? table|multiprocessing.dict
---@return multiprocessing.dict
function M.new(t)
  if t == nil then return core.dict() end
  local meta = getmetatable(t)
  if meta == core.dict_meta or meta == core.space_meta then return core.dict(meta.__copy(t)) end
  options.check(type(t) == "table", 1, "dict", "table", t, 1)
  return core.dict(t)
end

return M
