--- codec.lua: the codec against python3's pickle, lua-cjson and its own floor
-- MIT licence, see LICENSE
--
-- usage: mplua scripts/bench/codec.lua [ROUNDS]
--
-- One run, the same data, medians of ROUNDS (5). A ratio above 1 means that
-- mplua is faster; of the floor, how many times as long we take. The floor is the same walk
-- through Lua's C API that only reads the value, or only builds it: codec_floor.c, compiled here.

local mp = require "multiprocessing"
local has_cjson, cjson = pcall(require, "cjson")

local rounds <const> = tonumber(arg and arg[1]) or 5

local function list(n, f)
  local t = {}
  for i = 1, n do t[i] = f(i) end
  return t
end

local function tree(n)
  local nodes = list(n, function(i) return { id = i, name = "node", children = {} } end)
  for i = 2, n do
    local children = nodes[(i - 2) // 10 + 1].children
    children[#children + 1] = nodes[i]
  end
  return nodes[1]
end

local rows <const> = {
  { "small record", function()
    return { id = 12345, name = "Alice", score = 98.5, active = true, tags = { "a", "bb", "ccc" } }
  end, 20000 },
  { "tree of 100,000 tables", function() return tree(50000) end, 1 },
  { "1M integers", function() return list(1000000, function(i) return i end) end, 1 },
  { "1M floats", function() return list(1000000, function(i) return i + 0.5 end) end, 1 },
  { "100,000 strings", function()
    return list(100000, function(i) return ("string number %d"):format(i) end)
  end, 1 },
  { "10,000 records", function()
    return list(10000, function(i)
      return { id = i, name = "name " .. i, score = i / 3, active = i % 2 == 0 }
    end)
  end, 1 },
  { "16 MiB string", function() return ("x"):rep(16 << 20) end, 1 },
}

-- Processor seconds a call, the median. The garbage of a round is collected outside of it; within
-- one the collector rests, as reference counting does not look at what lives on.
local function measure(f, x, count)
  local times = {}
  for i = 1, rounds do
    collectgarbage()
    collectgarbage "stop"
    local start = os.clock()
    for _ = 1, count do f(x) end
    times[i] = (os.clock() - start) / count
    collectgarbage "restart"
  end
  table.sort(times)
  return times[(rounds + 1) // 2]
end

local function python()
  local results = {}
  local path = arg[0]:gsub("%.lua$", ".py")
  local pipe <close> = assert(io.popen(("python3 %s %d"):format(path, rounds)))
  for line in pipe:lines() do
    local name, encode, decode, bytes = line:match("^(.-)\t(.-)\t(.-)\t(.-)$")
    results[name] = { tonumber(encode), tonumber(decode), tonumber(bytes) }
  end
  return results
end

-- codec_floor.c as a module, or nil where there is no compiler
local function floor()
  local source, object = arg[0]:gsub("%.lua$", "_floor.c"), os.tmpname()
  local command = "cc -O2 -fPIC -shared $(pkg-config --cflags lua5.4) -o %s %s"
  local module
  if os.execute(command:format(object, source)) then
    module = assert(package.loadlib(object, "luaopen_codec_floor"))()
  end
  os.remove(object)
  return module
end

local function ratio(other, ours)
  return other and ("%6.2f"):format(other / ours) or "     -"
end

local function cjson_times(value, count)
  if not has_cjson then return {} end
  local ok, text = pcall(cjson.encode, value)
  if not ok then return {} end
  return { measure(cjson.encode, value, count), measure(cjson.decode, text, count) }
end

local function against_floor(ours, floor_time)
  return floor_time and ("%.2f"):format(ours / floor_time) or "-"
end

local peer, api = python(), floor()
print(("%-24s %10s %7s %7s %7s   %10s %7s %7s %7s %9s"):format("", "encode us", "pickle",
  "cjson", "floor", "decode us", "pickle", "cjson", "floor", "bytes"))
for _, row in ipairs(rows) do
  local name, make, count = row[1], row[2], row[3]
  local value = make()
  local text = mp.dumps(value)
  local encode, decode = measure(mp.dumps, value, count), measure(mp.loads, text, count)
  local read = api and measure(api.read, value, count)
  local build = api and measure(api.build, api.plan(value), count)
  local p, j = peer[name] or {}, cjson_times(value, count)
  print(("%-24s %10.2f %7s %7s %7s   %10.2f %7s %7s %7s %9d"):format(name, encode * 1e6,
    ratio(p[1], encode), ratio(j[1], encode), against_floor(encode, read),
    decode * 1e6, ratio(p[2], decode), ratio(j[2], decode), against_floor(decode, build), #text))
end
