--- Random numbers in workers: np.random in a Pool gives every worker the same ones
--
-- Output:
--   pi is about 3.1
--   the same with 1, 2 and 3 workers: true
--   without a seed two workers differ: true

local mp = require "multiprocessing"

local function hits(n) -- of n random points those in a quarter of a circle
  local inside = 0
  for _ = 1, n do
    local x, y = math.random(), math.random()
    if x * x + y * y <= 1 then inside = inside + 1 end
  end
  return inside
end

local function estimate(workers)
  local pool <close> = mp.Pool{ processes = workers, seed = 42 }
  local inside = 0
  for _, n in ipairs(pool:map(hits, { 2500, 2500, 2500, 2500 })) do inside = inside + n end
  return 4 * inside / 10000
end

local pi = estimate(1)
print(("pi is about %.1f"):format(pi))
print("the same with 1, 2 and 3 workers: " .. tostring(pi == estimate(2) and pi == estimate(3)))

local both = mp.Barrier(2)
local function draw()
  both:wait() -- so that each worker draws once
  return math.random(math.maxinteger)
end
local pool <close> = mp.Pool(2)
local numbers = pool:map(draw, { 1, 2 }, 1)
print("without a seed two workers differ: " .. tostring(numbers[1] ~= numbers[2]))
