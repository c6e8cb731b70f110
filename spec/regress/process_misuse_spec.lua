--- process_misuse_spec.lua: misuse of Process is told in words and at the line of the user
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

-- The message without its position, which must be that of this file.
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  local text = message:match("^.*process_misuse_spec%.lua:%d+: (.*)$")
  return text or "elsewhere: " .. message
end

describe("misuse of a process", function()
  for _, timeout in ipairs { "soon", {}, 0 / 0 } do
    it("by join(" .. tostring(timeout) .. ")", function()
      local p = mp.Process { target = mp.sleep, args = { 0 } }
      p:start()
      assert.matches("^bad argument #1 to 'join'", message_of(function() p:join(timeout) end))
      p:join()
    end)
  end

  it("by a dot", function()
    local p = mp.Process {}
    for _, name in ipairs { "start", "join", "is_alive", "terminate", "kill", "close" } do
      assert.equal("bad argument #1 to '" .. name
          .. "' (process expected; call it with a colon)",
        message_of(function() p[name]() end))
    end
  end)

  it("by a target that cannot be called", function()
    assert.equal("bad option 'target' to 'Process' (function expected, got number)",
      message_of(function() mp.Process { target = 5 } end))
    assert.equal("bad option 'target' to 'Process' (function expected, got table)",
      message_of(function() mp.Process { target = { print } } end))
    mp.Process { target = setmetatable({}, { __call = print }) }
  end)

  it("by a length that is none", function()
    for _, n in ipairs { -1, 1.5, "x" } do
      assert.equal("bad option 'args' to 'Process' (its field 'n' is not a length)",
        message_of(function() mp.Process { target = print, args = { n = n } } end))
    end
  end)

  it("by modules without names", function()
    assert.equal("bad argument #1 to 'set_forkserver_preload' (name expected at item 2, got table)",
      message_of(function() mp.set_forkserver_preload { "string", {} } end))
  end)

  it("by a subclass that passes its own options on", function()
    local My = mp.Process:extend "My"
    function My:init(options) My.super.init(self, options) end
    assert.matches("^unknown option 'url' to 'Process' %(there are: args, ",
      message_of(function() My { url = "x" } end))
  end)

  it("by a subclass whose init forgets that of its super", function()
    local My = mp.Process:extend "My"
    function My.init() end
    assert.matches("init did not call", message_of(function() My {}:start() end))
    assert.matches("got the class", message_of(function() My:start() end))
  end)
end)

helper.each_method(function(ctx)
  it("a process that was sent says that another one started it", function()
    local queue = ctx.SimpleQueue()
    local p = ctx.Process { target = mp.sleep, args = { 0 } }
    p:start()
    p:join()
    local q = ctx.Process {
      target = function(sent) queue:put(select(2, pcall(sent.join, sent))) end, args = { p },
    }
    q:start()
    q:join()
    assert.matches("only the process that started it can", queue:get())
  end)
end)
