--- damage_spec.lua: strings that dumps did not make
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

local seed <const> = tonumber(os.getenv "SEED") or os.time()

-- what loads may do with any string: return, or raise SerializationError
local function survives(s, options)
  local ok, e = pcall(mp.loads, s, options)
  if not ok and not mp.iserror(e, "SerializationError") then
    error(("%s: %s (seed %d, %q)"):format(type(e), tostring(e), seed, s:sub(1, 200)), 2)
  end
  return ok
end

local function samples()
  local shared, cycle = { "shared" }, {}
  cycle.me = cycle
  local big = {}
  for i = 1, 66000 do big[i] = i % 60 end
  return {
    nil, true, 5, -5, 1 << 40, 2.5, "", "short", ("x"):rep(100), ("y"):rep(3000),
    { 1, 2, 3, "four", { 5.5, nil, 6 } }, { a = 1, b = { c = "d", [1.5] = true } },
    { shared, shared, cycle }, setmetatable({ 1 }, { __mode = "k" }), big,
    { ("z"):rep(2500), "after", ("w"):rep(2100) }, { { key = "k" }, { key = "k" }, { key = "k" } },
    require("multiprocessing.errors").new("Empty", "nothing"),
    n = 18,
  }
end

describe("loads", function()
  it("takes no part of a message for a message", function()
    local t = samples()
    for i = 1, t.n do
      local s = mp.dumps(t[i])
      local step = #s > 20000 and 997 or 1
      for n = 0, #s - 1, step do
        assert.is_false(survives(s:sub(1, n), { functions = false }),
          ("sample %d cut to %d"):format(i, n))
      end
      assert.is_false(survives(s .. "\0", { functions = false }))
      assert.is_true(survives(s, { functions = false }))
    end
  end)

  it("takes no part of a message with code for one", function()
    local x = { 1 }
    local s = mp.dumps { function(a) return x, a, print end, string.format,
      setmetatable({}, { __reduce = function() return tostring, 5 end }) }
    for n = 0, #s - 1 do assert.is_false(survives(s:sub(1, n))) end
  end)

  it("notices damaged code", function()
    local s = mp.dumps(function(a) return a + 1, "a constant" end)
    local at = s:find("a constant", 1, true)
    local ok, e = pcall(mp.loads, s:sub(1, at) .. "\1" .. s:sub(at + 2))
    assert.is_false(ok)
    assert.truthy(e.message:find("wrong check sum", 1, true))
  end)

  it("survives any change of bytes", function()
    math.randomseed(seed)
    local t = samples()
    for i = 1, t.n do
      local s = mp.dumps(t[i])
      for _ = 1, #s > 20000 and 20 or 400 do
        local damaged = s
        for _ = 1, math.random(3) do
          local at = math.random(#s)
          damaged = damaged:sub(1, at - 1) .. string.char(math.random(0, 255))
            .. damaged:sub(at + 1)
        end
        survives(damaged, { functions = false })
      end
    end
  end)

  it("survives noise", function()
    math.randomseed(seed)
    for _ = 1, 5000 do
      local bytes = {}
      for i = 1, math.random(40) do bytes[i] = string.char(math.random(0, 255)) end
      survives(table.concat(bytes), { functions = false })
      survives("\xB7\1\0" .. string.char(math.random(0, 20)) .. "\1\0\0\0" .. table.concat(bytes),
        { functions = false })
    end
  end)

  it("allocates no more than a message can hold", function()
    local head = "\xB7\1\0\0\1\0\0\0"
    collectgarbage()
    local before = collectgarbage "count"
    for _, claim in ipairs { "\xCC\xFF\xFF\0\0", "\xCC\0\0\xFF\xFF", "\xC9" .. ("\xFF"):rep(8),
      "\xC8\xFF\xFF" } do
      assert.is_false(survives(head .. claim .. ("\0"):rep(100)))
    end
    -- tables in tables, each claiming all that is left
    local nested = {}
    for i = 1, 20000 do
      nested[i] = string.pack("<BI2I2", 0xCC, math.min(65535, 5 * (20000 - i)), 0)
    end
    assert.is_false(survives(head .. table.concat(nested)))
    assert.is_true(collectgarbage "count" - before < 20000)
    assert.is_false(survives("\xB7\1\0\0\xFF\xFF\xFF\xFF\0"))
    assert.is_false(survives("\xB7\1\1\0\1\0\0\0\xCE\0\0\0\0" ..
      ("\xFF"):rep(8) .. string.pack("<I8I4", 13, 1)))
  end)

  it("finds no long strings where there are none", function()
    local head = "\xB7\1\0\0\1\0\0\0"
    survives(head .. "\xC9" .. ("\0"):rep(8)) -- was undefined behaviour
    assert.is_false(survives(head .. "\xC9\1" .. ("\0"):rep(7)))
  end)

  it("takes neither nil nor NaN for a key", function()
    local head = "\xB7\1\0\0\1\0\0\0"
    assert.is_false(survives(head .. "\xCC\0\0\1\0\xC0\1"))
    assert.is_false(survives(head .. "\xCC\0\0\1\0\xC7" .. string.pack("<d", 0 / 0) .. "\1"))
    assert.is_true(survives(head .. "\xCC\0\0\1\0\xC7" .. string.pack("<d", 1) .. "\1"))
  end)

  it("refuses code, names and __reduce when it is told to, and requires nothing", function()
    package.preload.spec_evil = function() error("required!") end
    local function name(...)
      local path = { ... }
      for i, s in ipairs(path) do path[i] = string.pack("<s2", s) end
      return "\xD8" .. string.char(#path) .. table.concat(path)
    end
    local head = "\xB7\1\0\0\1\0\0\0"
    for _, code in ipairs { name("spec_evil"), name("_G", "print"), "\xE2",
      "\xDC\1\0\0\0" .. name("_G", "error"),
      "\xDE\1" .. string.pack("<s2", "Cls") .. "\xCC\0\0\0\0",
      "\xE0\2" .. string.pack("<s2s2", "spec_evil", "x") .. "\xCC\0\0\0\0" } do
      for _, flags in ipairs { 0, 2 } do
        local s = head:gsub("^(..).", "%1" .. string.char(flags)) .. code
        local ok, e = pcall(mp.loads, s, { functions = false })
        assert.is_false(ok)
        assert.truthy(e.message:find("not accepted here", 1, true))
        local deep = s:sub(1, 8) .. "\xCC\1\0\0\0" .. code
        assert.is_false(survives(deep, { functions = false }))
        local key = s:sub(1, 8) .. "\xCC\0\0\1\0" .. code .. "\1"
        assert.is_false(survives(key, { functions = false }))
        local meta = s:sub(1, 8) .. "\xD0\0\0\0\0" .. code
        assert.is_false(survives(meta, { functions = false }))
      end
    end
    package.preload.spec_evil = nil
    assert.is_nil(rawget(_G, "Cls"))
  end)

  it("knows other versions and other things", function()
    local s = mp.dumps(1)
    local ok, e = pcall(mp.loads, s:sub(1, 1) .. "\9" .. s:sub(3))
    assert.is_false(ok)
    assert.equal("a message of version 9; this mplua reads version 1", e.message)
    ok, e = pcall(mp.loads, "hello, this is text")
    assert.is_false(ok)
    assert.equal("this is not a serialized message", e.message)
  end)
end)
