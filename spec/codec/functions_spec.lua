--- functions_spec.lua: functions through mp.dumps and mp.loads
-- MIT licence, see LICENSE

-- luacheck: ignore 111 112 113 142 211/_ENV 212/_ENV 431/_ENV

local mp = require "multiprocessing"
local describe, it, before_each, after_each = describe, it, before_each, after_each
local assert = assert
local outer = _ENV
local _ENV <const> = _G -- busted gives a file another environment: see the last test

local function roundtrip(v) return mp.loads(mp.dumps(v)) end

describe("A function", function()
  it("keeps code, upvalues and lines", function()
    local x, t = 7, { 1 }
    local function f(a) x = x + a; return x, t, select("#", a) end
    local g = roundtrip(f)
    assert.same({ 9, { 1 }, 1 }, { g(2) })
    assert.same({ 11, { 1 }, 1 }, { g(2) })
    assert.equal(7, x)
    local line = debug.getinfo(f, "S").linedefined
    local info = debug.getinfo(g, "Sl")
    assert.equal(line, info.linedefined)
    assert.truthy(info.source:find("functions_spec.lua", 1, true))
    local h = roundtrip(function() error "here" end)
    local _, message = pcall(h)
    assert.truthy(message:find("functions_spec.lua:%d+: here"))
  end)

  it("gets the receiver's globals where its own are, whichever upvalue that is", function()
    local a = 1
    assert.same({ 1, "function" }, { roundtrip(function() return a, type(print) end)() })
    assert.same({ "function", 1 }, { roundtrip(function() return type(print), a end)() })
    assert.equal(3, roundtrip(function(n) return n + 1 end)(2)) -- no upvalue at all
    assert.equal(_G, roundtrip(function() return _G end)())
    local G = _G
    assert.equal(_G, roundtrip(function() return G end)())
  end)

  it("keeps another _ENV by value", function()
    local env = { z = 5 }
    local f = assert(load("z = z + 1; return z", "chunk", "t", env))
    assert.equal(6, roundtrip(f)())
    assert.equal(5, env.z)
    local function with(_ENV) return z end
    assert.equal(5, roundtrip(with)(env))
    local based = assert(load("z = (z or 1) + 1; return type(print), z", "chunk", "t",
      setmetatable({}, { __index = _G })))
    assert.same({ "function", 2 }, { roundtrip(based)() })
    assert.is_nil(rawget(_G, "z"))
  end)

  it("shares its upvalues with the others of the message", function()
    local x = 0
    local t = roundtrip {
      inc = function() x = x + 1 end,
      get = function() return x end,
      nested = function() return function() return x end end,
    }
    t.inc()
    t.inc()
    assert.equal(2, t.get())
    assert.equal(2, t.nested()())
    assert.equal(0, x)
    local function twice() return x end
    t = roundtrip { twice, twice, { twice } }
    assert.is_true(t[1] == t[2] and t[2] == t[3][1])
  end)

  it("may call itself, or others that call it", function()
    local function fact(n) return n < 2 and 1 or n * fact(n - 1) end
    assert.equal(3628800, roundtrip(fact)(10))
    local even, odd
    function even(n) if n == 0 then return true end return odd(n - 1) end
    function odd(n) if n == 0 then return false end return even(n - 1) end
    assert.is_true(roundtrip(even)(10))
    assert.is_true(roundtrip { odd, even }[1](7))
    local t = {}
    t.f = function() return t end
    local r = roundtrip(t)
    assert.equal(r, r.f())
  end)

  it("is one of many that share a prototype", function()
    local list = {}
    for i = 1, 1000 do list[i] = function() return i end end
    local one = #mp.dumps(list[1])
    local s = mp.dumps(list)
    assert.is_true(#s < one + 1000 * 20)
    for i, f in ipairs(mp.loads(s)) do assert.equal(i, f()) end
  end)

  it("of an unusual kind goes, too", function()
    local pass = roundtrip(function(...) return ... end)
    assert.same({ n = 3, 1, nil, 3 }, table.pack(pass(1, nil, 3)))
    local stripped = load(string.dump(function(a) return a, print end, true), "s", "b", _G)
    assert.same({ 2, print }, { roundtrip(stripped)(2) })
    local many = { "local t = {}" }
    for i = 1, 600 do many[#many + 1] = ("t[%d] = 'constant %d'"):format(i, i) end
    many[#many + 1] = "return function() return t[600], far_away end"
    far_away = "a global"
    local f = assert(load(table.concat(many, "\n")))
    local s = mp.dumps(f)
    far_away = nil
    assert.same({ "constant 600", "a global" }, { mp.loads(s)()() })
    far_away = nil
    local chunk = { "return function() local x = {}" } -- over 256 constants in one function
    for i = 1, 300 do chunk[#chunk + 1] = ("x[%d] = 'c%d'"):format(i, i) end
    chunk[#chunk + 1] = "return far_away, x end"
    far_away = 77
    s = mp.dumps(assert(load(table.concat(chunk, "\n")))())
    far_away = nil
    assert.equal(77, (mp.loads(s)()))
    far_away = nil
  end)
end)

describe("Globals that a function names", function()
  local before
  before_each(function()
    before = {}
    for k, v in pairs(_G) do before[k] = v end
  end)
  after_each(function()
    for k in pairs(_G) do if before[k] == nil then _G[k] = nil end end
    string.trim, string.words = nil, nil
  end)

  it("travel with it, and theirs in turn", function()
    function helper(a) return helper2(a) + K end
    function helper2(a) return a * FACTORS.two end
    K, FACTORS = 100, { two = 2 }
    local s = mp.dumps(function(a) return helper(a) end)
    helper, helper2, K, FACTORS = nil, nil, nil, nil
    assert.equal(110, mp.loads(s)(5))
    assert.equal(100, K)
  end)

  it("do not change what the loader has", function()
    K = 100
    local s = mp.dumps(function() return K end)
    K = 5
    assert.equal(5, mp.loads(s)())
    assert.equal(5, K)
  end)

  it("are found in nested functions, fields, methods and behind _ENV and _G", function()
    A1, A2, A3, A4, A5, A6 = 1, { x = 2 }, { m = function() return 3 end }, 4, 5, 6
    local s = mp.dumps(function()
      local function inner() return function() return A1 end end
      local env = _ENV
      local _ENV = env
      return inner()(), A2.x, A3:m(), env.A4, _G.A5, A6
    end)
    A1, A2, A3, A4, A5, A6 = nil, nil, nil, nil, nil, nil
    assert.same({ 1, 2, 3, 4, 5, 6 }, { mp.loads(s)() })
  end)

  it("that it only sets, or that are the library's, do not travel", function()
    blocker = coroutine.create(print)
    assert.has_no_error(function()
      mp.dumps(function() blocker = 1; return print, string.len end)
    end)
    local ok, e = pcall(mp.dumps, function() return blocker end)
    assert.is_false(ok)
    assert.truthy(tostring(e):find("cannot serialize a thread at global 'blocker' of function <"))
  end)

  it("may be modules: those go by name", function()
    cj = require "cjson"
    local s = mp.dumps(function(t) return cj.encode(t) end)
    cj = nil
    assert.equal("[1]", mp.loads(s) { 1 })
    assert.equal(require "cjson", cj)
  end)

  it("may be the user's fields in a library table", function()
    string.trim = function(s) return (s:gsub("^%s+", "")) end
    function string.words(s) return #s:trim() end
    local s = mp.dumps(function(x) return x:words() end)
    string.trim, string.words = nil, nil
    assert.equal(2, mp.loads(s) "  hi")
    string.trim = function() return "other" end
    string.words = nil
    assert.equal(5, mp.loads(s) "  hi")
  end)
end)

describe("The environment that a test framework gives a file", function()
  it("stands for the globals", function()
    local _ENV <const> = outer
    in_outer = "seen" -- not in _G
    local function f() return in_outer, type(print) end
    local s = mp.dumps(f)
    in_outer = nil
    _G.in_outer = nil
    _ENV.assert.is_true(#s < 1000)
    _ENV.assert.same({ "seen", "function" }, { mp.loads(s)() })
    _G.in_outer = nil
  end)
end)
