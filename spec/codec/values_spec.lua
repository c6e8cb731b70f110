--- values_spec.lua: data through mp.dumps and mp.loads
-- MIT licence, see LICENSE

local mp = require "multiprocessing"
local errors = require "multiprocessing.errors"

local function roundtrip(v) return mp.loads(mp.dumps(v)) end

-- bits and subtype: 1, 1.0, -0.0 and every NaN are told apart
local function exactly(v)
  if math.type(v) == "float" then return "float " .. string.pack("<d", v) end
  return math.type(v) .. " " .. tostring(v)
end

describe("dumps and loads", function()
  it("keep numbers exactly", function()
    local numbers = {
      0, 1, -1, 63, 64, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 2 ^ 31 | 0,
      -(2 ^ 31) | 0, (2 ^ 31 | 0) - 1, math.maxinteger, math.mininteger, 0.0, -0.0, 1.0, 0.1, 1e308,
      5e-324, math.huge, -math.huge, 0 / 0, -(0 / 0), string.unpack("<d", "\1\2\3\4\5\6\xF8\x7F"),
      2 ^ 53, 2.0 ^ 63,
    }
    for _, n in ipairs(numbers) do assert.equal(exactly(n), exactly(roundtrip(n))) end
    for i, n in ipairs(roundtrip(numbers)) do assert.equal(exactly(numbers[i]), exactly(n)) end
    for shift = 0, 63 do
      for d = -1, 1 do assert.equal((1 << shift) + d, roundtrip((1 << shift) + d)) end
    end
  end)

  it("keep nil and booleans", function()
    assert.is_nil(roundtrip(nil))
    assert.is_true(roundtrip(true))
    assert.is_false(roundtrip(false))
  end)

  it("keep strings of any length and bytes", function()
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    all = table.concat(all)
    for _, n in ipairs { 0, 1, 2, 39, 40, 41, 63, 64, 65, 255, 256, 2047, 2048, 2049, 70000 } do
      local s = all:rep(n // 256 + 1):sub(1, n)
      assert.equal(s, roundtrip(s))
      local t = roundtrip { s, { s, k = s }, s }
      assert.is_true(t[1] == s and t[2][1] == s and t[2].k == s and t[3] == s)
    end
  end)

  it("keep more strings than are remembered", function()
    local t = {}
    for i = 1, 2000 do
      t[#t + 1] = "key " .. i % 700
      t["key " .. i] = "value " .. i % 300
    end
    assert.same(t, roundtrip(t))
  end)

  it("keep tables with list and hash, holes and odd keys", function()
    local t = roundtrip { 1, 2, 3, nil, 5, n = 6, x = { y = { z = "deep" } }, [true] = 1, [1.5] = 2,
      [-1] = "minus", [0] = "zero", [1 << 62] = "far" }
    assert.same({ 1, 2, 3, nil, 5, n = 6, x = { y = { z = "deep" } }, [true] = 1, [1.5] = 2,
      [-1] = "minus", [0] = "zero", [1 << 62] = "far" }, t)
    assert.equal(5, #t)
    assert.same({ n = 3 }, roundtrip(table.pack(nil, nil, nil)))
    local sparse = roundtrip { [1] = 1, [1000000] = 2, [3] = 3 }
    assert.is_true(sparse[1] == 1 and sparse[1000000] == 2 and sparse[3] == 3)
  end)

  it("keep what shares and what goes round", function()
    local leaf, key = { "leaf" }, {}
    local t = { leaf, { leaf }, a = leaf, [key] = key, [leaf] = 1 }
    t.self, t[t] = t, t
    local r = roundtrip(t)
    assert.is_true(r[1] == r[2][1] and r.a == r[1] and r[r[1]] == 1)
    assert.is_true(r.self == r and r[r] == r)
    for k, v in pairs(r) do
      if type(k) == "table" and next(k) == nil then assert.equal(k, v) end
    end
  end)

  it("keep metatables, the same for all that have it", function()
    local mt = { __mode = "k" }
    mt.__index = mt
    local a = setmetatable({ 1 }, mt)
    local r = roundtrip { a, setmetatable({}, mt), mt = mt }
    assert.equal(getmetatable(r[1]), getmetatable(r[2]))
    assert.equal(getmetatable(r[1]), r.mt)
    assert.equal(r.mt, r.mt.__index)
    local own = setmetatable({}, {})
    getmetatable(own).owner = own
    r = roundtrip(own)
    assert.equal(r, getmetatable(r).owner)
  end)

  it("look at metatables raw", function()
    local touched = false
    local mt = { __metatable = "hidden", __index = function() touched = true end,
      __pairs = function() touched = true end, __len = function() touched = true end,
      __gc = nil }
    local r = roundtrip(setmetatable({ 1, 2, x = 3 }, mt))
    assert.equal("hidden", getmetatable(r))
    assert.equal(2, rawlen(r))
    assert.is_false(touched)
  end)

  it("set a finalizer when the fields are there", function()
    local mt = { __gc = function(o) o.log[1] = o.name end }
    local log = {}
    local s = mp.dumps(setmetatable({ name = "x", log = log }, mt))
    local r = mp.loads(s)
    log = r.log
    r = nil -- luacheck: ignore
    collectgarbage()
    assert.equal("x", log[1])
  end)

  it("go a million levels deep", function()
    local deep, n = {}, 0
    for _ = 1, 1000000 do deep = { deep } end
    local r = roundtrip(deep)
    while r[1] do r, n = r[1], n + 1 end
    assert.equal(1000000, n)
    local map = {}
    for _ = 1, 100000 do map = { a = 1, [map] = 2, z = { 3 } } end
    r, n = roundtrip(map), 0
    while r do
      local below
      for k in pairs(r) do if type(k) == "table" then below = k end end
      r, n = below, n + 1
    end
    assert.equal(100001, n)
  end)

  it("go deep in a coroutine, too", function()
    local deep = {}
    for _ = 1, 50000 do deep = { deep, x = deep } end
    coroutine.wrap(function() deep = roundtrip(deep) end)()
    assert.equal(deep[1], deep.x)
  end)

  it("keep big tables", function()
    local t = {}
    for i = 1, 70000 do t[i], t["k" .. i] = i, -i end
    local r = roundtrip { t, "after", { t } }
    assert.is_true(r[1] == r[3][1] and r[2] == "after" and #r[1] == 70000)
    for i = 1, 70000 do assert(r[1][i] == i and r[1]["k" .. i] == -i) end
  end)

  it("keep the library's errors, as data", function()
    local e = mp.loads(mp.dumps { errors.new("Empty", "nothing", { value = { 1 } }) },
      { functions = false })[1]
    assert.is_true(mp.iserror(e, "Empty"))
    assert.equal(1, e.value[1])
    assert.equal("Empty: nothing", tostring(e))
  end)

  it("take options by name only", function()
    assert.has_error(function() mp.dumps({}, { limits = 3 }) end,
      "bad argument #2 to 'dumps' (unknown option 'limits')")
    assert.has_error(function() mp.loads("", { function_ = false }) end,
      "bad argument #2 to 'loads' (unknown option 'function_')")
    assert.has_error(function() mp.dumps({}, { limit = -1 }) end)
  end)

  it("refuse what is longer than the limit", function()
    local t = { ("x"):rep(5000) }
    local size = #mp.dumps(t)
    assert.equal(size, #mp.dumps(t, { limit = size }))
    local ok, e = pcall(mp.dumps, t, { limit = size - 1 })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "SerializationError"))
    local many = {}
    for i = 1, 100000 do many[i] = i end
    ok, e = pcall(mp.dumps, many, { limit = 1000 })
    assert.is_true(not ok and mp.iserror(e, "SerializationError"))
    assert.same(t, roundtrip(t)) -- the encoder is as good as new
  end)
end)
