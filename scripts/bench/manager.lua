--- Managers' dicts and lists, against python3's, which live in a server process.

local arena = require "multiprocessing.core.arena"
local mp = require "multiprocessing"
local work = require "bench.work"

local m <const> = mp.Manager()
local KEYS <const> = 1000
local keys <const> = work.list(KEYS, function(i) return "key" .. i end)

local function full_dict()
  local d = m:dict()
  for i = 1, KEYS do d[keys[i]] = i end
  return d
end

-- f(object, i) by one process, or by two at once
local function alone(make, f)
  return function(n)
    local object = make()
    return work.timed(n, function() for i = 1, n do f(object, i) end end)
  end
end

local function together(make, f)
  return function(n)
    local object = make()
    return work.both(n, function() for i = 1, n do f(object, i) end end)
  end
end

local function dict() return m:dict() end
local function list() return m:list() end
local function full_list() return m:list(keys) end

local function set(d, i) d[keys[i % KEYS + 1]] = i end
local function get(d, i) return d[keys[i % KEYS + 1]] end
local function set_new(d, i) d[i] = i end
local function record(d, i)
  d[keys[i % KEYS + 1]] = { id = i, name = "a record", list = { 1, 2, 3 } }
end
local function incr(d) d:incr "hits" end
local function append(l, i) l:append(i) end
local function read(l, i) return l[i % KEYS + 1] end

-- an object of an own class, in a server
local Counter <const> = {}
Counter.__index = Counter
function Counter.new() return setmetatable({ n = 0 }, Counter) end

function Counter:add(k)
  self.n = self.n + k
  return self.n
end

local Own <const> = mp.BaseManager:extend "Own"
Own:register("Counter", Counter)

local own, far, client

local function counter()
  own = own or Own():start()
  return own:Counter()
end

local function remote_counter()
  far = far or Own{ address = "127.0.0.1:0", authkey = "bench" }:start()
  client = client or Own{ address = far.address, authkey = "bench" }:connect()
  return client:Counter()
end

local function call(c) c:add(1) end

local function bytes_an_entry()
  local n = 100000
  local d = m:dict()
  collectgarbage()
  local before = arena.stats().used
  for i = 1, n do d["key" .. i] = i end
  return (arena.stats().used - before) / n - #("key" .. n) - 8
end

-- a read and a write at a place far from the last one
local function turns(t, size)
  return function(n)
    for i = 1, n do
      local k = i * 7919 % size
      t[k] = t[k] + 1
    end
  end
end

local grown, grown_to

-- the same dict for all sizes, which come in rising order
local function of_size(size)
  return function(n)
    grown, grown_to = grown or dict(), grown_to or 0
    for i = grown_to, size - 1 do grown[i] = i end
    grown_to = math.max(grown_to, size)
    return work.timed(n, turns(grown, size))
  end
end

local function table_of_size(size)
  local t
  return function(n)
    t = t or table.move(work.list(size), 1, size, 0)
    return work.timed(n, turns(t, size))
  end
end

return {
  { title = "a manager's dict", python = "managers", rows = {
    { "d[k] = v", mplua = alone(full_dict, set), other = "set_one", limit = "mutex",
      wanted = 80 },
    { "d[k]", mplua = alone(full_dict, get), other = "get_one", limit = "mutex",
      wanted = 80 },
    { "d[k] = v, two processes", mplua = together(full_dict, set), other = "set_two",
      limit = "mutex2", wanted = 60 },
    { "d[k], two processes", mplua = together(full_dict, get), other = "get_two",
      limit = "mutex2", wanted = 60 },
    { "d[k] = v, new keys", mplua = alone(dict, set_new), other = "set_new" },
    { "d[k] = a small table", mplua = alone(full_dict, record), other = "record" },
    { "d:incr(k), two processes", mplua = together(dict, incr), other = "incr_two",
      at_most = 1e-6 },
    { "bytes an entry beyond its data, of 100,000", unit = "B", mplua = bytes_an_entry,
      at_most = 120 },
  } },
  { title = "a manager's list", python = "managers", rows = {
    { "l:append(v)", mplua = alone(list, append), other = "append_one", limit = "mutex",
      wanted = 60 },
    { "l:append(v), two processes", mplua = together(list, append), other = "append_two" },
    { "l[i]", mplua = alone(full_list, read), other = "read_one" },
  } },
  { title = "an object of an own class, in a manager's server", python = "managers", rows = {
    { "c:add(1)", mplua = alone(counter, call), other = "call_one", wanted = 2 },
    { "c:add(1), by TCP", mplua = alone(remote_counter, call), other = "call_tcp" },
  } },
  { title = "a dict's read and write", axis = "keys", python = "managers",
    rows = work.series({ 1000, 10000, 100000, 1000000 }, function(size)
      return {
        mplua = of_size(size), other = "of_size " .. size, limit = table_of_size(size),
      }
    end) },
}
