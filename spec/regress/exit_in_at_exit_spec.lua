--- os.exit in a function of at_exit sets the exit code; what is left of the end is done.

local helper = require "spec.helper"

describe("os.exit in a function of at_exit", function()
  local body <const> = [[
    mp.at_exit(function() print "first" end)
    mp.at_exit(function() os.exit(5) end)
    mp.at_exit(function() print "last" end)
    mp.Process{ target = function()
      mp.sleep(0.2)
      print "joined"
    end }:start()
  ]]

  it("is not the end of the others, nor of the children", function()
    local out, status = helper.run("local mp = require 'multiprocessing'\n" .. body)
    assert.equal("last\nfirst\njoined\n", out)
    assert.equal(5, status)
  end)

  it("is not so in a child, either", function()
    local out, status = helper.run("local mp = require 'multiprocessing'\n"
      .. "local p = mp.Process{ target = function()\n" .. body .. "end }\n"
      .. "p:start()\np:join()\nprint(p.exitcode)")
    assert.equal("last\nfirst\njoined\n5\n", out)
    assert.equal(0, status)
  end)

  it("ends a script that calls os.exit or raises, too", function()
    for _, ending in ipairs { "os.exit(3)", "error 'x'" } do
      local out, status = helper.run("local mp = require 'multiprocessing'\n" .. body .. ending)
      assert.matches("last\nfirst\njoined\n", out)
      assert.equal(5, status)
    end
  end)
end)
