--- names_spec.lua: what goes by name, classes, __reduce, errors
-- MIT licence, see LICENSE

-- luacheck: ignore 111 112 113 121 142 211/_ENV

local mp = require "multiprocessing"
local helper = require "spec.helper"
local describe, it, after_each = describe, it, after_each
local assert = assert
local _ENV <const> = _G -- busted gives a file another environment


local function roundtrip(v) return mp.loads(mp.dumps(v)) end

local function message(...)
  local ok, e = pcall(...)
  assert.is_false(ok)
  assert.is_true(mp.iserror(e, "SerializationError"))
  return e.message
end

-- a module as `require` would have loaded it
local function module(name, t)
  package.loaded[name] = t
  return t
end

after_each(function()
  for _, name in ipairs { "spec_m", "spec_n", "spec_late" } do
    package.loaded[name], package.preload[name] = nil, nil
  end
  Account, Shapes, Loose = nil, nil, nil
end)

describe("By name go", function()
  it("the standard library", function()
    for _, v in ipairs { print, string.format, string, table.unpack, math, io.stdout, io.write,
      coroutine.wrap, utf8.char, package.loaded, package.preload, debug.traceback, require } do
      assert.equal(v, roundtrip(v))
      assert.equal(v, roundtrip { { v } }[1][1])
    end
    assert.equal(_G, roundtrip(_G))
    assert.is_true(#mp.dumps(string) < 30)
  end)

  it("Lua's own functions, also when users have put others in their place", function()
    local original, shown = print, {}
    print = function(...) shown[#shown + 1] = ... end
    assert.equal(original, roundtrip { original }[1])
    local s = mp.dumps(function() return original, print end)
    local mine = print
    print = original
    assert.same({ original, original }, { mp.loads(s)() }) -- replaces nothing here
    print = require("cjson").encode
    assert.equal(print, roundtrip(print))
    print = original
    assert.equal("function", type(roundtrip(mine)))
  end)

  it("required modules, what is in them, and cjson.null", function()
    local cjson = require "cjson"
    assert.equal(cjson, roundtrip(cjson))
    assert.equal(cjson.encode, roundtrip(cjson.encode))
    assert.equal(cjson.null, roundtrip { cjson.null }[1])
    assert.equal(mp, roundtrip(mp))
    assert.equal(mp.dumps, roundtrip(mp.dumps))
    assert.equal(mp.get_context, roundtrip(mp.get_context))
  end)

  it("functions and tables at any depth of dotted fields", function()
    local m = module("spec_m",
      { a = { b = { c = { f = function() end } } }, NONE = {}, list = { 1 } })
    assert.equal(m.a.b.c.f, roundtrip(m.a.b.c.f))
    assert.equal(m.a.b.c, roundtrip(m.a.b.c))
    assert.equal(m.NONE, roundtrip { 1, m.NONE }[2])
    assert.equal(m.list, roundtrip(m.list))
    package.loaded["a.dotted.name"] = m.a
    assert.equal(m.a, roundtrip(m.a))
    package.loaded["a.dotted.name"] = nil
  end)

  it("modules that were loaded after others were sent", function()
    mp.dumps { {} }
    local m = module("spec_late", { NONE = {} })
    assert.equal(m.NONE, roundtrip(m.NONE))
    package.loaded.spec_late = nil
    local again = module("spec_late", { NONE = {} })
    assert.equal(again.NONE, roundtrip(again.NONE))
    assert.not_equal(m.NONE, roundtrip(m.NONE))
  end)

  it("and the receiver requires what it lacks", function()
    local loads = 0
    package.preload.spec_m = function() loads = loads + 1; return { f = print, t = {} } end
    local m = require "spec_m"
    local s = mp.dumps { m.t, m }
    package.loaded.spec_m = nil
    local r = mp.loads(s)
    assert.equal(2, loads)
    assert.equal(package.loaded.spec_m, r[2])
    assert.equal(r[2].t, r[1])
  end)

  it("and where it is missing, the error says so", function()
    local m = module("spec_m", { deep = { f = function() end } })
    local s = mp.dumps(m.deep.f)
    package.loaded.spec_m = {}
    assert.equal("there is no spec_m.deep.f here: module 'spec_m' does not have it",
      message(mp.loads, s))
    package.loaded.spec_m = nil
    assert.truthy(message(mp.loads, s):find(
      "cannot load module 'spec_m', which is needed for spec_m.deep.f: ", 1, true))
  end)

  it("but data that a module gathers deep inside goes by value where it is missing", function()
    local m = module("spec_m", { cache = { items = { one = { 1, 2 } } } })
    local s = mp.dumps(m.cache.items.one)
    assert.equal(m.cache.items.one, mp.loads(s))
    m.cache.items = {}
    assert.same({ 1, 2 }, mp.loads(s))
  end)
end)

describe("A class", function()
  local function class()
    local C = {}
    C.__index = C
    function C.new(b) return setmetatable({ b = b }, C) end
    function C:add(n) self.b = self.b + n; return self.b end
    return C
  end

  it("in a module keeps its identity", function()
    local m = module("spec_m", { Account = class() })
    local r = roundtrip(m.Account.new(1))
    assert.equal(m.Account, getmetatable(r))
    assert.equal(3, r:add(2))
    m.Late = class() -- after the module was looked through
    assert.equal(m.Late, getmetatable(roundtrip(m.Late.new(1))))
  end)

  it("deep in a global keeps its identity, whatever was sent between", function()
    SpecApp = { models = { game = { pieces = { King = {} } } } }
    local King = SpecApp.models.game.pieces.King
    King.__index = King
    local Nameless = {}
    Nameless.__index = Nameless
    for _ = 1, 200 do
      assert.equal(King, getmetatable(roundtrip(setmetatable({}, King))))
      assert.not_equal(Nameless, getmetatable(roundtrip(setmetatable({}, Nameless))))
    end
    SpecApp = nil
  end)

  it("in a global keeps its identity", function()
    Account = class()
    assert.equal(Account, getmetatable(roundtrip(Account.new(1))))
    assert.equal(Account, roundtrip { Account.new(1), Account }[2])
    Shapes = { Circle = class() }
    assert.equal(Shapes.Circle, getmetatable(roundtrip(Shapes.Circle.new(1))))
  end)

  it("reached through an upvalue or a constructor does, too", function()
    Account = class()
    local Alias <const> = Account
    local r = roundtrip(function() return Alias.new(1), Alias end)
    local a, again = r()
    assert.equal(Account, again)
    assert.equal(Account, getmetatable(a))
    assert.equal(Account, getmetatable(roundtrip(Account.new)(1)))
  end)

  it("goes by value where there is none, and is the same when it comes back", function()
    Account = class()
    local mine = Account
    local s = mp.dumps(Account.new(1))
    Account = nil
    local there = mp.loads(s) -- as in another process
    assert.is_table(Account)
    assert.not_equal(mine, Account)
    assert.equal(Account, getmetatable(there))
    assert.equal(getmetatable(there), getmetatable(mp.loads(s)))
    assert.equal(6, there:add(5))
    local back = mp.dumps(there)
    Account = mine
    assert.equal(mine, getmetatable(mp.loads(back)))
  end)

  it("that is local goes by value, once a message", function()
    local C = class()
    local r = roundtrip { C.new(1), C.new(2) }
    assert.equal(getmetatable(r[1]), getmetatable(r[2]))
    assert.equal(5, r[2]:add(3))
  end)

  it("may inherit", function()
    local Base = class()
    Account = setmetatable({}, { __index = Base })
    Account.__index = Account
    local r = roundtrip(setmetatable({ b = 1 }, Account))
    assert.equal(Account, getmetatable(r))
    assert.equal(2, r:add(1))
  end)
end)

describe("__reduce", function()
  local P = { __metatable = "hidden" }
  P.__index = P
  local function new(a, b) return setmetatable({ a = a, b = b, fresh = true }, P) end
  function P.__reduce(o) return new, o.a, o.b end

  it("rebuilds an object, and keeps it one", function()
    local o = new(1, { 2 })
    o.fresh = false
    local r = roundtrip { o, { o }, n = new(nil, 3) }
    assert.equal(r[1], r[2][1])
    assert.is_true(r[1].fresh)
    assert.equal(2, r[1].b[1])
    assert.is_nil(r.n.a)
    assert.equal(3, r.n.b)
  end)

  it("works for userdata", function()
    local path = os.tmpname()
    local file = io.open(path, "w")
    local mt = debug.getmetatable(file)
    mt.__reduce = function() return io.open, path, "r" end
    local r = roundtrip(file)
    mt.__reduce = nil
    assert.equal("file", io.type(r))
    r:close()
    file:close()
    os.remove(path)
  end)

  it("may serialize, collect and change things while it runs", function()
    local t
    local Q = { __reduce = function(o)
      collectgarbage()
      t[1] = nil
      for i = 1, 100 do t["x" .. i] = nil end
      collectgarbage()
      return mp.loads, mp.dumps { o.v, mp.loads(mp.dumps("inner")) }
    end }
    t = { { "goes away" }, "some string", setmetatable({ v = 1 }, Q), "last" }
    local r = roundtrip { t, "some string", ("x"):rep(10) .. "y" }
    assert.same({ 1, "inner" }, r[1][3])
    assert.equal("last", r[1][4])
    assert.equal("xxxxxxxxxxy", r[3])
  end)

  it("that raises, or returns no function, is an error", function()
    local bad = setmetatable({}, { __reduce = function() error("boo", 0) end })
    assert.equal("cannot serialize an object whose __reduce raised an error (boo) at k[1]",
      message(mp.dumps, { k = { bad } }))
    assert.equal("cannot serialize an object whose __reduce returned number, not a function first",
      message(mp.dumps, setmetatable({}, { __reduce = function() return 1 end })))
    assert.equal("cannot serialize an object whose __reduce returned nothing, not a function first",
      message(mp.dumps, setmetatable({}, { __reduce = function() end })))
    local loop = setmetatable({}, { __reduce = function(o) return print, o end })
    assert.truthy(message(mp.dumps, loop):find("its own __reduce refers to", 1, true))
  end)

  it("is not called where only data passes", function()
    local s = mp.dumps(new(1, 2))
    assert.truthy(message(mp.loads, s, { functions = false }):find("not accepted here", 1, true))
  end)
end)

describe("What cannot be sent", function()
  local co = coroutine.create(print)

  it("is said with its place", function()
    local cases = {
      { co, "cannot serialize a thread" },
      { { args = { { handler = { co = co } } } },
        "cannot serialize a thread at args[1].handler.co" },
      { { [1.5] = { [true] = { ["two words"] = co } } },
        'cannot serialize a thread at [1.5][true]["two words"]' },
      { { a = { [co] = 1 } }, "cannot serialize a thread at a[a key]" },
      { { 1, 2, { 1, co } }, "cannot serialize a thread at [3][2]" },
      { setmetatable({}, { __index = { co } }),
        "cannot serialize a thread at [its metatable].__index[1]" },
      { { f = coroutine.wrap(print) }, "cannot serialize a C function at f" },
      { { f = io.tmpfile() }, "cannot serialize a userdata at f: FILE*" },
    }
    for _, case in ipairs(cases) do assert.equal(case[2], message(mp.dumps, case[1])) end
  end)

  it("is said with the function it is used in", function()
    local db = io.tmpfile()
    local text = message(mp.dumps, { h = { function() return db end } })
    local line = debug.getinfo(1, "l").currentline - 1
    assert.truthy(text:find(
      "cannot serialize a userdata at upvalue 'db' of function <", 1, true), text)
    assert.truthy(text:find(("names_spec.lua:%d>"):format(line), 1, true), text)
    assert.truthy(text:find("(the function is at h[1])", 1, true), text)
    local t = { conn = { db } }
    text = message(mp.dumps, function() return t end)
    assert.truthy(text:find("upvalue 't'.conn[1] of function <", 1, true), text)
  end)

  it("is said of deep things in few words", function()
    local deep = { co }
    for _ = 1, 20000 do deep = { deep } end
    assert.is_true(#message(mp.dumps, deep) < 400)
  end)

  it("leaves the next message as it should be", function()
    for _ = 1, 100 do pcall(mp.dumps, { { "x", "y", { co } } }) end
    assert.same({ { "x", "y" }, "x" }, roundtrip { { "x", "y" }, "x" })
  end)
end)

describe("In another interpreter", function()
  it("what was sent by name and by value works", function()
    local path = os.tmpname()
    Account = { __index = { who = function(self) return self.name end } }
    function Loose(x) return "loose " .. x end
    local file <close> = io.open(path, "wb")
    file:write(mp.dumps {
      f = function(x) return Loose(x) .. string.format("%d", 5) end,
      o = setmetatable({ name = "me" }, Account), e = require("cjson").encode,
    })
    file:close()
    local output = helper.run(([[
      local mp = require "multiprocessing"
      local file = io.open(%q, "rb")
      local t = mp.loads(file:read "a")
      print(t.f "x", t.o:who(), t.e { 1 }, getmetatable(t.o) == Account)
    ]]):format(path))
    os.remove(path)
    assert.equal("loose x5\tme\t[1]\ttrue\n", output)
  end)
end)
