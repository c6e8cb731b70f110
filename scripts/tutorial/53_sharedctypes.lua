--- A child changes several shared objects: def modify(n, x, s, A): s.value = s.value.upper()
--
-- Output:
--   49
--   0.111
--   HELLO WORLD
--   (3.516, 39.062) (33.062, 4.000) (5.641, 90.250)

local mp = require "multiprocessing"

-- Python has an Array of a Structure with fields x and y: here two doubles each
local function modify(n, x, s, points)
  n.value = n.value ^ 2
  x.value = x.value ^ 2
  s.value = s.value:upper()
  for i = 1, #points do points[i] = points[i] ^ 2 end
end

local lock = mp.Lock() -- one for all of them
local n = mp.Value("i", 7)
local x = mp.Value("d", 1.0 / 3.0, false)
local s = mp.Array("c", "hello world", lock)
local points = mp.Array("d", { 1.875, -6.25, -5.75, 2.0, 2.375, 9.5 }, lock)

local p = mp.Process{ target = modify, args = { n, x, s, points } }
p:start()
p:join()
print(n.value)
print(("%.3f"):format(x.value))
print(s.value)
local shown = {}
for i = 1, #points, 2 do
  shown[#shown + 1] = ("(%.3f, %.3f)"):format(points[i], points[i + 1])
end
print(table.concat(shown, " "))
