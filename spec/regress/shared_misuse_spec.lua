--- shared_misuse_spec.lua: misuse of what processes share is told at the line of the user
-- MIT licence, see LICENSE

local mp = require "multiprocessing"

-- The message without its position, which must be that of this file.
local function message_of(f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  return tostring(message):match("^.*shared_misuse_spec%.lua:%d+: (.*)$")
    or "elsewhere: " .. tostring(message)
end

describe("misuse", function()
  it("of Value and Array", function()
    assert.matches("^'z' does not fit type 'i'", message_of(function()
      local _ = mp.Value("i", "z")
    end))
    assert.matches("^'256' does not fit type 'B'", message_of(function()
      local _ = mp.Array("B", { 256 })
    end))
    local a = mp.Array("i", 3)
    assert.equal("index 1.5 is outside this array (1..3)", message_of(function()
      local _ = a[1.5]
    end))
    assert.equal(0, a[2.0])
    assert.is_nil(a.name)
  end)

  it("of update", function()
    local v = mp.Value("i", 5)
    assert.matches("^'x' does not fit type 'i'", message_of(function()
      v:update(function() return "x" end)
    end))
    assert.matches("^bad argument #1 to 'update'", message_of(function() v:update(5) end))
    assert.equal(5, v.value)
    assert.is_false(v:locked())
    assert.equal("integer", math.type(v:update(function(x) return x + 1.0 end)))
    assert.equal(7, v:update(setmetatable({}, { __call = function(_, x) return x + 1 end })))
  end)

  it("of memory and lists in it", function()
    local m <close> = mp.SharedMemory { size = 10 }
    assert.matches("invalid format option", message_of(function() m:pack("?", 1) end))
    assert.matches("not enough memory", message_of(function()
      local _ = mp.SharedMemory { size = 1 << 60 }
    end))
    local l <close> = mp.ShareableList { 1 }
    assert.matches("^a ShareableList holds", message_of(function() l[1] = {} end))
    assert.matches("^a ShareableList holds", message_of(function()
      local _ = mp.ShareableList { {} }
    end))
  end)

  it("of wait_for", function()
    local cond = mp.Condition()
    for _, value in ipairs { true, false } do
      assert.matches("does not hold the Condition's lock", message_of(function()
        cond:wait_for(function() return value end, 0)
      end))
    end
    local _ <close> = cond:hold()
    assert.matches("^bad argument #1 to 'wait_for'", message_of(function() cond:wait_for(5) end))
    assert.matches("^bad argument #2 to 'wait_for'", message_of(function()
      cond:wait_for(print, 0 / 0)
    end))
  end)

  it("by a dot", function()
    local m <close> = mp.SharedMemory { size = 10 }
    local l <close> = mp.ShareableList { 1 }
    local listener <close> = mp.Listener {}
    local calls = {
      hold = mp.Lock(), with = mp.RLock(), unpack = m, pack = m, index = l, count = l, close = l,
      unlink = l, accept = listener, fileno = listener,
    }
    for name, object in pairs(calls) do
      assert.matches("^bad argument #1 to '" .. name .. "' %(.* expected; call it with a colon",
        message_of(function() local _ = object[name]() end))
    end
    local cond = mp.Condition()
    assert.matches("^bad argument #1 to 'hold'", message_of(function() local _ = cond.hold(5) end))
  end)

  it("of wait", function()
    for _, bad in ipairs { -1, 1.5, "x", mp.Lock(), {} } do
      assert.matches("^bad argument #1 to 'wait' %(cannot wait for item 1, a ",
        message_of(function() mp.wait({ bad }, 0) end))
    end
  end)

  it("of listeners and clients", function()
    local key = "k"
    assert.matches("^unknown option 'adress'", message_of(function()
      local _ = mp.Listener { adress = "x" }
    end))
    assert.matches("^unknown option 'key'", message_of(function()
      local _ = mp.Client("x", { key = "x" })
    end))
    assert.matches("^bad option 'format'", message_of(function()
      local _ = mp.Listener { format = "xml" }
    end))
    assert.matches("needs an authkey", message_of(function()
      local _ = mp.Listener { address = "127.0.0.1:0", authkey = "" }
    end))
    local ok, e = pcall(mp.Listener, { address = "127.0.0.1:99999", authkey = key })
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "ProcessError"))
    local listener <close> = mp.Listener {}
    assert.matches("^bad argument #1 to 'accept'", message_of(function() listener:accept("x") end))
    assert.matches("^bad argument #1 to 'accept'", message_of(function()
      listener:accept(0 / 0)
    end))
  end)
end)
