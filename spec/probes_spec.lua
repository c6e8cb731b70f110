--- probes_spec.lua: after each fault of scripts/probes mplua goes on, under every start method
-- MIT licence, see LICENSE

local helper = require "spec.helper"

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  return lines
end

local program <const> = helper.interpreter .. " scripts/probes/probes.lua"
local names <const> = lines_of(program)

-- A run of its own for each probe; what hangs is killed.
helper.each_method(function(_, method)
  for _, name in ipairs(names) do
    it("goes on after: " .. name, function()
      local said = lines_of(("timeout -k 1 30 %s %s %s 2>/dev/null"):format(program, name, method))
      assert.equal(1, #said, "it hangs")
      assert.matches("^goes on: ", said[1])
    end)
  end
end)

describe("python's probes", function()
  it("are the same", function()
    local file <close> = assert(io.open "scripts/probes/probes.py")
    local theirs = {}
    for name in file:read("a"):gmatch "@probe\ndef ([%w_]+)" do theirs[#theirs + 1] = name end
    assert.same(names, theirs)
  end)
end)
