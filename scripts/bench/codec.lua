--- The codec, against python3's pickle, lua-cjson and its own floor.
--
-- The floor is the same walk through Lua's C API that only reads the value, or only builds it
-- (codec_floor.c). Times are processor seconds; the collectors rest meanwhile, on both sides.

local mp = require "multiprocessing"
local work = require "bench.work"

local list <const> = work.list

local function tree()
  local nodes = list(50000, function(i) return { id = i, name = "node", children = {} } end)
  for i = 2, #nodes do
    local children = nodes[(i - 2) // 10 + 1].children
    children[#children + 1] = nodes[i]
  end
  return nodes[1]
end

local make <const> = {
  record = function()
    return { id = 12345, name = "Alice", score = 98.5, active = true, tags = { "a", "bb", "ccc" } }
  end,
  tree = tree,
  integers = function() return list(1000000) end,
  floats = function() return list(1000000, function(i) return i + 0.5 end) end,
  strings = function()
    return list(100000, function(i) return ("string number %d"):format(i) end)
  end,
  records = function()
    return list(10000, function(i)
      return { id = i, name = "name " .. i, score = i / 3, active = i % 2 == 0 }
    end)
  end,
  big = function() return ("x"):rep(16 << 20) end,
}

local made = {} -- the value of one kind, at a time

local function value(kind)
  if not made[kind] then made = { [kind] = make[kind]() } end
  return made[kind]
end

-- f(of(value)), by processor seconds
local function measured(kind, f, of)
  return function(n)
    local x = value(kind)
    if of then x = of(x) end
    collectgarbage()
    collectgarbage "stop"
    local start = os.clock()
    for _ = 1, n do f(x) end
    local seconds = (os.clock() - start) / n
    collectgarbage "restart"
    return seconds
  end
end

local function floor_module()
  local build = os.getenv "BUILD" or "build"
  local open = package.loadlib(build .. "/bench/codec_floor.so", "luaopen_codec_floor")
  return open and open()
end

local floor <const> = floor_module()
local has_cjson, cjson = pcall(require, "cjson")

local names <const> = {
  { "record", "a small record" }, { "tree", "a tree of 100,000 tables" },
  { "integers", "1M integers" }, { "floats", "1M floats" }, { "strings", "100,000 strings" },
  { "records", "10,000 records" }, { "big", "a string of 16 MiB" },
}

-- times pickle: encode, decode; times cjson
local wanted <const> = {
  record = { 1.5, 1.5, 3 }, tree = { 2, 3, 3 }, integers = { 0.6, 2, 3 }, floats = { 0.6, 2, 3 },
  strings = { 1, 1, 1.2 }, records = { nil, nil, 3 }, big = { nil, nil, 1.2 },
}

local pickle_rows, cjson_rows = {}, {}

local function add(rows, row) rows[#rows + 1] = row end

for _, name in ipairs(names) do
  local kind, label = table.unpack(name)
  local want = wanted[kind]
  local encode = measured(kind, mp.dumps)
  local decode = measured(kind, mp.loads, mp.dumps)
  local of_limit = kind ~= "big" and 1.3 or nil -- a string's floor copies nothing
  add(pickle_rows, { label .. ": encode", mplua = encode, other = "encode " .. kind,
    limit = floor and measured(kind, floor.read), wanted = want[1], of_limit = of_limit })
  add(pickle_rows, { label .. ": decode", mplua = decode, other = "decode " .. kind,
    limit = floor and measured(kind, floor.build, floor.plan), wanted = want[2],
    of_limit = of_limit })
  if has_cjson then
    cjson.encode_max_depth(100)
    add(cjson_rows, { label .. ": encode", mplua = encode, other = measured(kind, cjson.encode),
      wanted = want[3] })
    add(cjson_rows, { label .. ": decode", mplua = decode,
      other = measured(kind, cjson.decode, cjson.encode), wanted = want[3] })
  end
end

return {
  { title = "the codec and pickle", other = "pickle", python = "codec", rows = pickle_rows },
  { title = "the codec and lua-cjson", other = "lua-cjson", rows = cjson_rows },
}
