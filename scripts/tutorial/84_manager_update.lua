--- Counting in a dict: d[k] = d[k] + 1 is two steps; incr and update are one
--
-- Output:
--   hits: 4000
--   words: {apple = 8, banana = 4}
--   largest: 400

local mp = require "multiprocessing"

local manager <close> = mp.Manager()
local d, words = manager:dict(), manager:dict()

local function work(number)
  for i = 1, 1000 do
    d:incr "hits"
    -- under the dict's lock: nobody else changes it meanwhile
    if i % 10 == 0 then
      d:update("largest", function(old) return math.max(old or 0, number * i // 10) end)
    end
  end
  for _, word in ipairs{ "apple", "banana", "apple" } do words:incr(word) end
end

local ps = {}
for i = 1, 4 do
  ps[i] = mp.Process{ target = work, args = { i } }
  ps[i]:start()
end
for _, p in ipairs(ps) do p:join() end

print("hits: " .. d.hits)
print("words: " .. tostring(words))
print("largest: " .. d.largest)
