--- Two wait for one: stage 1 ends with cond.notify_all(), stage 2 waits for it
--
-- Output (any order):
--   stage 1 is done
--   stage_2[1] is ready
--   stage_2[2] is ready

local mp = require "multiprocessing"

local cond, stage = mp.Condition(), mp.RawValue("i", 0)

local function stage_1()
  cond:with(function()
    print "stage 1 is done"
    stage.value = 1
    cond:notify_all()
  end)
end

local function stage_2()
  local held <close> = cond:hold() -- luacheck: ignore held
  cond:wait_for(function() return stage.value == 1 end) -- also right when it was done before
  print(mp.current_process().name .. " is ready")
end

local ps = {
  mp.Process{ name = "stage_2[1]", target = stage_2 },
  mp.Process{ name = "stage_2[2]", target = stage_2 },
  mp.Process{ target = stage_1 },
}
for _, p in ipairs(ps) do p:start() end
for _, p in ipairs(ps) do p:join() end
