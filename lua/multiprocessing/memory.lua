--- memory.lua: SharedMemory and ShareableList
-- MIT licence, see LICENSE
--
-- Reading and writing is C (src/bind/l_memory.c). Memory without a name lies in the family's arena
-- and travels like any shared object; memory with a name travels by it.

local core = require "multiprocessing.core.shared"
local options = require "multiprocessing.options"

local M = {}

-- SharedMemory --------------------------------------------------------------------------------

--- Bytes that processes share. Offsets are counted from 1; what lies outside raises.
---
---     local shm = mp.SharedMemory{ size = 100 }
---@class multiprocessing.SharedMemory
---@field name? string  nil when it has none
---@field size integer  bytes, as they were asked for
local Memory = core.SharedMemory

--- `n` bytes from `offset` on, as a string.
---
---     shm:write(1, "hello")
---     print(shm:read(2, 3))                     --> ell
---@function SharedMemory:read
---@param offset? integer default 1
---@param n? integer      default: all that follow
---@return string
Memory.read = Memory.read

--- Writes a string.
---
---     shm:write(96, "hello")
---     print(shm:read(96), (pcall(shm.write, shm, 97, "hello")))   --> hello false
---@function SharedMemory:write
---@param offset integer
---@param s string
Memory.write = Memory.write

--- Ends this process's use; `<close>` does the same.
---
---     shm:close()
---     local _, e = pcall(shm.read, shm)
---     print(e.name)                             --> ClosedError
---@function SharedMemory:close
Memory.close = Memory.close

local function check_memory(self, method)
  local known = type(self) == "userdata" and self.unlink
  if not known then options.check_self(self, "SharedMemory", method, 1) end
end

-- at the line of the user
local function check_range(self, offset, n)
  if math.type(offset) ~= "integer" or offset < 1 or offset - 1 + n > #self then
    error(("%d bytes at offset %s are outside this memory (1..%d)"):format(
      n, tostring(offset), #self), 3)
  end
end

--- Writes values in a format of `string.pack`. (`fmt` stands first, as in `string.pack`.)
---
---     print(shm:pack("<i4 d", 1, 42, 0.5))      --> 13
---@param fmt string
---@param offset integer
---@param ... any
---@return integer next the offset behind what was written
function Memory:pack(fmt, offset, ...)
  check_memory(self, "pack")
  local fits, s = pcall(string.pack, fmt, ...)
  if not fits then error(s, 2) end
  check_range(self, offset, #s)
  self:write(offset, s)
  return offset + #s
end

-- formats of variable size are tried with more and more bytes
local function unpack_some(self, fmt, offset, n)
  local left = #self - offset + 1
  if n > left then n = left end
  local got = table.pack(pcall(string.unpack, fmt, self:read(offset, n)))
  if got[1] then
    got[got.n] = got[got.n] + offset - 1
    return got
  end
  if n == left or not tostring(got[2]):find("too short", 1, true)
    and not tostring(got[2]):find("unfinished string", 1, true) then
    error(got[2], 3)
  end
end

--- Reads values in a format of `string.unpack`.
---
---     shm:pack("<i4 z", 1, 42, "hello")
---     print(shm:unpack("<i4 z", 1))             --> 42 hello 11
---@param fmt string
---@param offset? integer default 1
---@return any ... the values, and the offset behind them
function Memory:unpack(fmt, offset)
  check_memory(self, "unpack")
  offset = offset or 1
  local fixed, n = pcall(string.packsize, fmt)
  n = fixed and n or 256
  check_range(self, offset, fixed and n or 0)
  while true do
    local got = unpack_some(self, fmt, offset, n)
    if got then return table.unpack(got, 2, got.n) end
    n = n * 4
  end
end

--- Removes the name: no process can attach by it any more; who has the memory keeps it. Without a
--- name there is nothing to do.
---
---     local named = mp.SharedMemory{ name = "mplua-example", create = true, size = 10 }
---     named:unlink()
---     local _, e = pcall(mp.SharedMemory, "mplua-example")
---     print(e.name)                             --> ProcessError
function Memory:unlink() -- luacheck: ignore 212/self
end

local Named = core.NamedMemory
Named.pack, Named.unpack = Memory.pack, Memory.unpack

function Named:unlink()
  core.unlink(self.name)
end

local function fields(methods, name_of)
  return function(self, key)
    if key == "size" then return #self end
    if key == "name" then return name_of and name_of(self) end
    return methods[key]
  end
end

core.memory_meta.__index = fields(Memory)
core.named_meta.__index = fields(Named, core.memory_name)

local function attach(name) return core.named(name, false) end
core.named_meta.__reduce = function(self) return attach, self.name end
M.attach = attach -- reachable, so that it travels by name

local take = options.taker("SharedMemory", "name", "create", "size")

--- Makes or attaches shared memory. Without a name it lives while somebody holds it and can be sent
--- in messages; with one it also serves unrelated programs, and lives until `unlink`.
---
--- *Raises* `ProcessError` when the name exists (create), or does not (attach).
--- *Python*: `shared_memory.SharedMemory`; there a tracker process removes names on its own.
---
---     local shm = mp.SharedMemory{ size = 1000 }
---     local p = mp.Process{ target = function() shm:write(1, "hello") end }
---     p:start()
---     p:join()
---     print(shm:read(1, 5))                     --> hello
---@param name? string letters, digits and the like
---@param create? boolean default: true without a name
---@param size? integer   bytes, zero at first; only to create
---@return multiprocessing.SharedMemory
function M.SharedMemory(...)
  local name, create, size = take(...)
  options.check(name == nil or type(name) == "string", 1, "SharedMemory", "string", name)
  options.check(create == nil or type(create) == "boolean", 2, "SharedMemory", "boolean", create)
  if name and not create then return attach(name) end
  local n = type(size) == "number" and math.tointeger(size)
  options.check(n and n > 0, 3, "SharedMemory", "size of 1 or more", size)
  if name then return core.named(name, true, n) end
  local made, memory = pcall(core.memory, n)
  if not made then error(memory, type(memory) == "string" and 2 or 0) end
  return memory
end

-- ShareableList -------------------------------------------------------------------------------

-- memory:  | "MPL1" | count | entry 1 | entry 2 ... | rooms
-- entry:   | state | where | capacity |     3 x 8 bytes
-- state:   length * 16 + type * 2 + half     one store of 8 bytes
-- room:    two halves of `capacity` bytes: a value is written to the half that is not in use, then
--          the state is stored, so a writer that is killed leaves the old value

local HEAD <const>, ENTRY <const> = 16, 24
local NIL <const>, BOOLEAN <const>, INTEGER <const>, FLOAT <const>, STRING <const> = 0, 1, 2, 3, 4

--- A list of fixed length in shared memory: nil, booleans, numbers, strings. Elements can be
--- changed as long as they have room: a number has 8 bytes, a string those of its first value and
--- up to 8 more.
---
---     local l = mp.ShareableList{ 10, "two", 10 }
---@class multiprocessing.ShareableList
---@field name? string
local List = {}
M.ShareableListClass = List
List.__name = "multiprocessing.ShareableList"

local methods = {}

local function check_list(self, method) options.check_self(self, List.__name, method, 1) end

local function encode(v, level)
  local t = math.type(v) or type(v)
  if t == "nil" then return NIL, "" end
  if t == "boolean" then return BOOLEAN, v and "\1" or "\0" end
  if t == "integer" then return INTEGER, ("<i8"):pack(v) end
  if t == "float" then return FLOAT, ("<d"):pack(v) end
  if t == "string" then return STRING, v end
  error(("a ShareableList holds nil, booleans, numbers and strings, not a %s"):format(t), level)
end

local function decode(kind, bytes)
  if kind == BOOLEAN then return bytes == "\1" end
  if kind == INTEGER then return (("<i8"):unpack(bytes)) end
  if kind == FLOAT then return (("<d"):unpack(bytes)) end
  if kind == STRING then return bytes end
  return nil
end

local function entry_at(i) return HEAD + (i - 1) * ENTRY + 1 end

local function read(self, i)
  local memory = rawget(self, "_memory")
  local at = entry_at(i)
  local state, where, capacity = memory:unpack("<I8I8I8", at)
  while true do
    local bytes = memory:read(where + (state & 1) * capacity, state >> 4)
    local again = memory:unpack("<I8", at)
    if again == state then return decode(state >> 1 & 7, bytes) end
    state = again -- somebody wrote meanwhile
  end
end

local function write(self, i, v)
  local memory = rawget(self, "_memory")
  local at = entry_at(i)
  local kind, bytes = encode(v, 4)
  local state, where, capacity = memory:unpack("<I8I8I8", at)
  if #bytes > capacity then
    error(("a value of %d bytes has no room in element %d (%d bytes)"):format(
      #bytes, i, capacity), 3)
  end
  local half = 1 - (state & 1)
  memory:write(where + half * capacity, bytes)
  memory:write(at, ("<I8"):pack(#bytes << 4 | kind << 1 | half))
end

function List:__len() return rawget(self, "_count") end

function List:__index(i)
  if i == "name" then return rawget(self, "_memory").name end
  local count = rawget(self, "_count")
  local k = type(i) == "number" and math.tointeger(i)
  if not k then return methods[i] end
  if k >= 1 and k <= count then return read(self, k) end
  if k == count + 1 then return nil end
  error(("index %s is outside this list (1..%d)"):format(tostring(i), count), 2)
end

function List:__newindex(i, v)
  local k = type(i) == "number" and math.tointeger(i)
  if not k or k < 1 or k > #self then
    error(("index %s is outside this list (1..%d)"):format(tostring(i), #self), 2)
  end
  write(self, k, v)
end

--- Where `v` is first.
---
---     print(l:index(10), l:index("none"))       --> 1 nil
---@function ShareableList:index
---@param v any
---@return integer? i nil when it is not there
function methods:index(v)
  check_list(self, "index")
  for i = 1, #self do
    if self[i] == v then return i end
  end
  return nil
end

--- How often `v` is there.
---
---     print(l:count(10))                        --> 2
---@function ShareableList:count
---@param v any
---@return integer
function methods:count(v)
  check_list(self, "count")
  local n = 0
  for i = 1, #self do
    if self[i] == v then n = n + 1 end
  end
  return n
end

--- Ends this process's use.
---
---     l:close()
---     local _, e = pcall(l.count, l, 10)
---     print(e.name)                             --> ClosedError
---@function ShareableList:close
function methods:close()
  check_list(self, "close")
  rawget(self, "_memory"):close()
end

--- Removes the name.
---
---     local named = mp.ShareableList({ 1 }, "mplua-example-list")
---     print(mp.ShareableList(nil, "mplua-example-list")[1])   --> 1
---     named:unlink()
---@function ShareableList:unlink
function methods:unlink()
  check_list(self, "unlink")
  rawget(self, "_memory"):unlink()
end

List.__close = methods.close

local function wrap(memory, count)
  return setmetatable({ _memory = memory, _count = count }, List)
end

-- The head comes last: it is a list when all is there.
local function fill(memory, content, count)
  memory:write(HEAD + 1, content)
  memory:write(1, ("<c4 x x x x I8"):pack("MPL1", count))
  return wrap(memory, count)
end

local function create(list, name)
  local count = list.n or #list
  local entries, rooms = {}, {}
  local where = HEAD + count * ENTRY + 1
  for i = 1, count do
    local kind, bytes = encode(list[i], 3) -- a tail call
    local capacity = kind == STRING and (#bytes // 8 + 1) * 8 or 8
    entries[i] = ("<I8I8I8"):pack(#bytes << 4 | kind << 1, where, capacity)
    rooms[i] = bytes .. ("\0"):rep(2 * capacity - #bytes)
    where = where + 2 * capacity
  end
  local content = table.concat(entries) .. table.concat(rooms)
  local memory = M.SharedMemory{ name = name, create = true, size = where }
  local ok, new = pcall(fill, memory, content, count)
  if ok then return new end
  memory:unlink() -- nobody else could
  error(new, 0)
end

local function open(name)
  local memory = attach(name)
  if memory.size < HEAD or memory:read(1, 4) ~= "MPL1" then
    memory:close()
    error(("the SharedMemory '%s' is no ShareableList"):format(name), 3)
  end
  return wrap(memory, (memory:unpack("<I8", 9)))
end

--- Makes a list in shared memory, or attaches the one of that name.
---
--- *Raises* when a value cannot be held; `ProcessError` as SharedMemory.
--- *Python*: `shared_memory.ShareableList`; there strings lose NULs at their end.
---
---     local l = mp.ShareableList{ 1, "two", 3.5, nil, true, n = 5 }
---     l[2] = "2"
---     print(#l, l[1], l[2], l[3], l[4], l[5])   --> 5 1 2 3.5 nil true
---@param list? any[] nil attaches; a field `n` gives its length where there are nils
---@param name? string as SharedMemory's
---@return multiprocessing.ShareableList
function M.ShareableList(list, name)
  options.check(list == nil or type(list) == "table", 1, "ShareableList", "list", list)
  options.check(type(name) == "string" or name == nil and list ~= nil, 2, "ShareableList",
    "string", name)
  if list == nil then return open(name) end
  return create(list, name)
end

return M
