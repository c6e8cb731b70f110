--- Back and forth until one has enough: conn.send(value + 1) with a Pipe(duplex=True)
--
-- Output (any order):
--   Process-1 ends with 9
--   Process-2 ends with 10

local mp = require "multiprocessing"

local function play(conn, sends_first)
  local value = 0
  if sends_first then conn:send(1) end
  while value < 9 do
    value = conn:recv()
    if value < 10 then conn:send(value + 1) end
  end
  print(("%s ends with %d"):format(mp.current_process().name, value))
end

local a, b = mp.Pipe()
local one = mp.Process{ target = play, args = { b, false } }
local two = mp.Process{ target = play, args = { a, true } }
one:start()
two:start()
one:join()
two:join()
