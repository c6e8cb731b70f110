--- list.lua: the list of a manager
-- MIT licence, see LICENSE
--
-- Most methods are C (src/bind/l_list.c); here is what compares by contents or calls functions of
-- the user's, and the documentation.

local core = require "multiprocessing.core.list"
local options = require "multiprocessing.options"
require "multiprocessing.manager.text"

local M = {}

--- A row of values that all processes of the family see. Values are anything that can be sent but
--- nil, shared objects and other manager objects included. Each call is atomic, and stays so when a
--- process is killed in the middle of it. What is stored is a copy, as with dicts.
---
--- `l[i]` reads, outside nil; `l[i] = v` replaces; `l[#l + 1] = v` appends, but is two calls (`#l`
--- first: where others append, too, use `append`); `l[#l] = nil` removes the last one; other writes
--- outside raise. `ipairs(l)` reads element by element, `pairs(l)` goes over a snapshot.
---
---     local m <close> = mp.Manager()
---     local l = m:list{ 3, 1, 2 }
---@class multiprocessing.list
local List = core.methods

--- Adds a value at the end.
---
--- *Raises* `SerializationError`; then the list is as it was.
--- *Blocks* while another process is in `sort`.
--- *Python*: `list.append`.
---
---     l:append{ id = 1 }
---     print(l)                                  --> {3, 1, 2, {id = 1}}
---@function list:append
---@param value any
List.append = List.append

--- Adds all values of a sequence, or of another list, in one step: nobody sees half of them.
---
--- *Raises* and *Blocks* as `append`.
--- *Python*: `list.extend`.
---
---     l:extend{ 5, 6 }
---     print(l)                                  --> {3, 1, 2, 5, 6}
---@function list:extend
---@param values any[]|multiprocessing.list
List.extend = List.extend

--- Puts a value before element `i`; with `i == #l + 1` at the end. At both ends that costs the same
--- whatever the length; far from them the list's array is copied, 16 bytes an element.
---
--- *Raises* when `i` is outside; else as `append`.
--- *Python*: `list.insert`, which cuts `i` to the list.
---
---     l:insert(1, "first")
---     print(l)                                  --> {"first", 3, 1, 2}
---@function list:insert
---@param i integer
---@param value any
List.insert = List.insert

--- Removes an element and returns it.
---
--- *Raises* when there is none.
--- *Blocks* while another process is in `sort`.
--- *Python*: `list.pop`.
---
---     print(l:pop(), l:pop(1), l)               --> 2 3 {1}
---@function list:pop
---@param i? integer default: the last
---@return any value
List.pop = List.pop

--- Elements `i` to `j` as a table; negative ones count from the end, and both are cut to the
--- list, as in `string.sub`.
---
---     print(table.concat(l:slice(-2), " "))     --> 1 2
---@function list:slice
---@param i? integer default 1
---@param j? integer default -1
---@return any[]
List.slice = List.slice

--- Turns the order round.
---
---     l:reverse()
---     print(l)                                  --> {2, 1, 3}
---@function list:reverse
List.reverse = List.reverse

--- The elements at one moment, as a table.
---
---     print(table.concat(l:copy(), " "))        --> 3 1 2
---@function list:copy
---@return any[]
List.copy = List.copy

--- Removes everything; the memory comes back.
---
---     l:clear()
---     print(#l)                                 --> 0
---@function list:clear
List.clear = List.clear

-- comparing -----------------------------------------------------------------------------------

local plain <const> = { number = true, string = true, boolean = true }

local equal

-- Both have the same keys with equal values. `pending` holds pairs that are being compared: two
-- cyclic tables are equal if nothing speaks against it.
local function same_contents(a, b, pending)
  local with = pending[a] or {}
  if with[b] then return true end
  with[b] = true
  pending[a] = with
  for k, v in next, a do
    if not equal(v, rawget(b, k), pending) then return false end
  end
  for k in next, b do
    if rawget(a, k) == nil then return false end
  end
  return true
end

function equal(a, b, pending)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  local meta = getmetatable(a)
  if meta ~= getmetatable(b) or type(meta) == "table" and meta.__eq then return false end
  return same_contents(a, b, pending)
end

local function first_equal(values, v)
  for i = 1, #values do
    if equal(values[i], v, {}) then return i end
  end
  return nil
end

local function check(self, method)
  options.check_self(self, "multiprocessing.list", method, 1)
end

--- The first element that equals a value: numbers by value, tables by their contents (or `__eq`),
--- shared objects when they are the same object.
---
--- *Python*: `list.index`, which raises when there is none.
---
---     l:append{ id = 1 }
---     print(l:index(2), l:index{ id = 1 }, l:index "x") --> 3 4 nil
---@param value any
---@return integer? i nil: there is none
function List:index(value)
  check(self, "index")
  if plain[type(value)] then return core.find(self, value) end
  return first_equal(self:copy(), value)
end

--- How many elements equal a value.
---
---     print(l:count(1), l:count "x")            --> 1 0
---@param value any
---@return integer
function List:count(value)
  check(self, "count")
  if plain[type(value)] then return core.tally(self, value) end
  local n = 0
  for _, v in ipairs(self:copy()) do
    if equal(v, value, {}) then n = n + 1 end
  end
  return n
end

local function remove(self, value)
  local i = first_equal(self:copy(), value)
  if i then self:pop(i) end
  return i ~= nil
end

--- Removes the first element that equals a value.
---
--- *Raises* when there is none.
--- *Blocks* while another process is in `sort`.
--- *Python*: `list.remove`.
---
---     l:remove(1)
---     print(l)                                  --> {3, 2}
---@param value any
function List:remove(value)
  check(self, "remove")
  local done
  if plain[type(value)] then
    done = core.take(self, value)
  else
    done = core.locked(self, remove, self, value)
  end
  if not done then error("list:remove: there is no such value in the list", 2) end
end

-- sorting -------------------------------------------------------------------------------------

local function less(a, b) return a < b end

-- Merges from[low..mid] and from[mid + 1..high] into `to`; of equal ones the left comes first.
local function merge(from, to, low, mid, high, values, before)
  local i, j = low, mid + 1
  for k = low, high do
    if j > high or i <= mid and not before(values[from[j]], values[from[i]]) then
      to[k], i = from[i], i + 1
    else
      to[k], j = from[j], j + 1
    end
  end
end

-- The old indices in their new order: a merge sort, so that equal values keep theirs, and a
-- function that is no order does no harm.
local function sorted(values, before)
  local from, to, n = {}, {}, #values
  for i = 1, n do from[i] = i end
  local width = 1
  while width < n do
    for low = 1, n, 2 * width do
      local mid, high = math.min(low + width - 1, n), math.min(low + 2 * width - 1, n)
      merge(from, to, low, mid, high, values, before)
    end
    from, to, width = to, from, 2 * width
  end
  return from
end

local function sort(self, before)
  core.order(self, sorted(self:copy(), before))
end

--- Sorts in place; equal elements keep their order. `f` runs in this process, under the list's
--- lock: nobody else can change the list meanwhile, others read the old order.
---
--- *Raises* what `f` raises, or when two values cannot be compared; then the list is as it was.
--- *Blocks* while another process is in `sort`.
--- *Python*: `list.sort`, with `key` instead of a comparison.
---
---     l:sort()
---     print(l)                                  --> {1, 2, 3}
---     l:sort(function(a, b) return a > b end)
---     print(l)                                  --> {3, 2, 1}
---@param f? fun(a: any, b: any): boolean  is `a` before `b`? default: `a < b`
function List:sort(f)
  check(self, "sort")
  local meta = getmetatable(f)
  options.check(f == nil or type(f) == "function" or type(meta) == "table" and meta.__call, 1,
    "sort", "function", f)
  local ok, e = pcall(core.locked, self, sort, self, f or less)
  if ok then return end
  if type(e) ~= "string" then error(e, 0) end
  local text, ours = e:gsub("^lua/multiprocessing/manager/list%.lua:%d+: ", "")
  if ours > 0 then error(text, 2) end
  error(e, 0)
end

--- Makes a list; a sequence or another list gives its first contents.
---@param t? any[]|multiprocessing.list
---@return multiprocessing.list
function M.new(t)
  if t == nil then return core.list() end
  if getmetatable(t) == core.meta then t = t:copy() end
  options.check(type(t) == "table", 1, "list", "table", t)
  if #t == 0 and next(t) ~= nil and t.n == nil then
    error("bad argument #1 to 'list' (a sequence expected, got a table with other keys)", 2)
  end
  return options.build(core.list, t)
end


return M
