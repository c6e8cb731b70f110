--- interrupt_birth_spec.lua: SIGINT to a child that hardly lives, and to the forkserver
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

-- Children interrupted at all moments of their birth: their exit codes, and what they print.
local CHILDREN <const> = [[
local mp = require "multiprocessing"
mp.set_start_method "%s"
local other = {}
for i = 1, 150 do
  local p = mp.Process { target = mp.sleep, args = { 10 } }
  p:start()
  mp.sleep(i * 0.00005)
  p:interrupt()
  assert(p:join(5), "a child overheard its interrupt")
  if p.exitcode ~= -2 then other[#other + 1] = p.exitcode end
end
print(#other, table.concat(other, " "))
]]

-- SIGINT to the whole process group, between two children.
local GROUP <const> = [[
local mp = require "multiprocessing"
mp.set_start_method "%s"
local function child()
  local p = mp.Process { target = os.exit, args = { 7 } }
  p:start()
  p:join()
  return p.exitcode
end
io.write(child(), " ")
pcall(function()
  mp.kill(0, "SIGINT")
  mp.sleep(5)
end)
mp.sleep(0.05)
io.write(child(), " ", child(), " ")
]]

local stock <const> = "env LUA_CPATH='./?.so;;' lua5.4"

for _, method in ipairs(mp.get_all_start_methods()) do
  describe("an interrupt (" .. method .. ")", function()
    it("ends a newborn silently with -2", function()
      assert.equal("0\t\n", (helper.run(CHILDREN:format(method))))
    end)

    it("ends a newborn of a stock interpreter silently with -2", function()
      assert.equal("0\t\n", (helper.run(CHILDREN:format(method), { command = stock })))
    end)

    it("that was caught does not meet the children born later", function()
      local output = helper.run(GROUP:format(method),
        { command = "setsid -w " .. helper.interpreter })
      assert.equal("7 7 7 ", output)
    end)
  end)
end
