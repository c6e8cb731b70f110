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
--- `d[k]` reads, `d[k] = v` sets, nil removes; `#d` is the number of keys, `pairs(d)` goes over a
--- snapshot, in no order; `tostring(d)` shows all of it, in order of the keys. A key that is a
--- method's name is read by `get`, set by `set`. A dict that holds itself, through others too, is
--- freed when the last process of the family ends.
---
---     local m <close> = mp.Manager()
---     local d = m:dict{ a = 1 }
---     d.b = { 2, 3 }
---@class multiprocessing.dict
local Dict = core.methods

--- Reads a value.
---
--- *Raises* for a key that is no string, number or boolean; `SerializationError` when this process
--- cannot rebuild the value.
--- *Blocks*: never.
--- *Python*: `dict.get`.
---
---     print(d:get("a"), d:get("count", 0))      --> 1 0
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
---     d:set("get", 5)
---     print(d:get "get")                        --> 5
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
---     print(d:pop "a", d:pop("a", nil))         --> 1 nil
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
---     d:setdefault("log", m:list()):append "begun" -- the same list in all processes
---     print(d.log)                              --> {"begun"}
---@function dict:setdefault
---@param key string|number|boolean
---@param value any
---@return any value the one that is there now
Dict.setdefault = Dict.setdefault

--- With a table or a dict: takes over all of its entries in one step. With a key and a function:
--- `d[k] = f(d[k])` under the dict's lock, while no other process can change the dict; others
--- read the old value meanwhile. `f` runs once, in this process, and may use the dict; nil removes
--- the key; when `f` raises, the value stays. The lock of a process that dies in `f` goes to the
--- next one. An `f` that waits for somebody who wants to change the dict waits for ever; so do two
--- processes that update two dicts inside each other, in different orders.
---
--- *Raises* what `f` raises; `SerializationError`: then nothing was changed.
--- *Blocks* while another process is in `update(k, f)`.
--- *Python*: `dict.update`; `update(k, f)` has no counterpart, there a lock of yours is needed.
---
---     d:update{ a = 5, c = 6 }
---     print(d:update("a", function(old) return old * 2 end)) --> 10
---     print(d)                                  --> {a = 10, b = {2, 3}, c = 6}
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
---     print(d:incr("hits"), d:incr("hits", 10)) --> 1 11
---@function dict:incr
---@param key string|number|boolean
---@param n? number default 1
---@return number new
Dict.incr = Dict.incr

--- Is there such a key? Never blocks.
---
---     print(d:has "a", d:has "z")               --> true false
---@function dict:has
---@param key string|number|boolean
---@return boolean
Dict.has = Dict.has

--- The keys, as a list in no order. *Python*: `dict.keys`, which is a view.
---
---     local keys = d:keys()
---     table.sort(keys)
---     print(table.concat(keys, " "))            --> a b
---@function dict:keys
---@return any[]
Dict.keys = Dict.keys

--- The values, in the order of `keys` as long as nobody changes the dict.
---
---     print(#d:values())                        --> 2
---@function dict:values
---@return any[]
Dict.values = Dict.values

--- The pairs at one moment, as a list of `{key, value}`.
---
---     d.b = nil
---     for _, item in ipairs(d:items()) do print(item[1], item[2]) end --> a 1
---@function dict:items
---@return any[][]
Dict.items = Dict.items

--- The contents at one moment, as a table.
---
---     print(d:copy().b[2])                      --> 3
---@function dict:copy
---@return table
Dict.copy = Dict.copy

--- Removes everything; the memory comes back.
---
--- *Blocks* while another process is in `update(k, f)`.
---
---     d:clear()
---     print(d)                                  --> {}
---@function dict:clear
Dict.clear = Dict.clear

--- Makes a dict; a table or another dict gives its first contents.
---@param t? table|multiprocessing.dict
---@return multiprocessing.dict
function M.new(t)
  if t == nil then return core.dict() end
  local meta = getmetatable(t)
  if meta == core.dict_meta or meta == core.space_meta then t = meta.__copy(t) end
  options.check(type(t) == "table", 1, "dict", "table", t)
  return options.build(core.dict, t)
end

return M
