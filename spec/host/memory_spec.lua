--- memory_spec.lua: the program's private memory
-- MIT licence, see LICENSE

local helper = require "spec.helper"

-- Runs code under a limit of so many KiB of addresses (nil: none); its output, errors included.
local function run(code, limit)
  local pipe <close> = assert(io.popen(("ulimit -v %s; timeout 20 '%s' -e '%s' 2>&1"):format(
    limit or "unlimited", helper.interpreter, code)))
  return pipe:read "a"
end

local function huge_pages_on_request()
  local file <close> = io.open "/sys/kernel/mm/transparent_hugepage/enabled"
  return file and not file:read "a":find("[never]", 1, true)
end

describe("memory", function()
  it("of a small script is little: 24 MB of addresses will do", function()
    if helper.is_sanitized then return pending "its own cannot be measured" end
    assert.equal("small\n", run([[print "small"]], 24000))
  end)

  it("that runs out is an error like any other", function()
    if helper.is_sanitized then return pending "its own cannot be measured" end
    local out = run([[
      local t, n = {}, 0
      local ok, message = pcall(function()
        for i = 1, 1 << 40 do t[i] = ("x"):rep(1000) .. i; n = i end
      end)
      t = nil
      print(ok, message, n > 20000)]], 60000)
    assert.equal("false\tnot enough memory\ttrue\n", out)
  end)

  it("keeps what is in blocks that grow beyond every threshold", function()
    local out = run [[
      local t, s = {}, ""
      for i = 1, 3000000 do t[i] = i end
      for i = 1, #t do assert(t[i] == i) end
      for _ = 1, 6 do s = s .. ("x"):rep(7 << 20) .. #s end
      collectgarbage()
      print(#t, #s, s:sub(-8))]]
    local before_last = 5 * (7 << 20) + 1 + 7 + 3 * 8 -- "x"s and the lengths between them
    assert.equal(("3000000\t%d\t%d\n"):format(before_last + (7 << 20) + 8, before_last), out)
  end)

  it("of a large heap lies on huge pages where the machine has them", function()
    if helper.is_sanitized then return pending "its own cannot be measured" end
    if not huge_pages_on_request() then return pending "no huge pages here" end
    local out = run [[
      local t = {}
      for i = 1, 500000 do t[i] = {i} end
      for line in io.lines "/proc/self/smaps_rollup" do
        local kib = line:match "^AnonHugePages: *(%d+)"
        if kib then print(#t, tonumber(kib) >= 10000 or kib) end
      end]]
    assert.equal("500000\ttrue\n", out)
  end)
end)
