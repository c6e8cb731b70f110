--- Queues and locks in messages, to workers that run already (Python: "only through inheritance")
--
-- Output:
--   3 answers by a queue that came later: 1 4 9
--   counted under a lock that came later: 3

local mp = require "multiprocessing"

local pool <close> = mp.Pool(2) -- its workers know of nothing yet

local function work(x, answers, lock, counter)
  answers:put(x * x)
  local held <close> = lock:hold() -- luacheck: ignore held
  counter.value = counter.value + 1
end

local answers, lock, counter = mp.Queue(), mp.Lock(), mp.RawValue("i", 0)
pool:starmap(work, {
  { 1, answers, lock, counter }, { 2, answers, lock, counter }, { 3, answers, lock, counter } })
local list = answers:get_many(3)
table.sort(list)
print(("%d answers by a queue that came later: %s"):format(#list, table.concat(list, " ")))
print("counted under a lock that came later: " .. counter.value)
