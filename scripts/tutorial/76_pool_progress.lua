--- How far it is: tqdm(pool.imap(f, items), total=len(items)) is map(f, items, {progress = true})
--
-- Output:
--   the last report: 50 of 50, 0 s left
--   by hand: 10 20 30 40 50

local mp = require "multiprocessing"

local function f(x) return x end

local items = {}
for i = 1, 50 do items[i] = i end

local pool <close> = mp.Pool(2)
local report
pool:map(f, items, { progress = function(done, total, seconds_left) -- `true`: a bar on a terminal
  report = ("%d of %d, %.0f s left"):format(done, total, seconds_left or 0)
end })
print("the last report: " .. report)

local marks = {}
for i in pool:imap(f, items) do
  if i % 10 == 0 then marks[#marks + 1] = i end
end
print("by hand: " .. table.concat(marks, " "))
