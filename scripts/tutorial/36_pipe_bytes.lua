--- Bytes as they are: conn.send_bytes(b'thank you'), conn.recv_bytes(), conn.poll(timeout)
--
-- Output:
--   nothing yet: false
--   thank you
--   a part: thank
--   too long for 5 bytes: BufferTooShort, it was 'thank you'

local mp = require "multiprocessing"

local a, b = mp.Pipe()
print("nothing yet: " .. tostring(a:poll(0.01)))

local p = mp.Process{ target = function()
  b:send_bytes("thank you")
  b:send_bytes("thank you", 1, 5) -- from the first to the fifth byte
  b:send_bytes("thank you")
end }
p:start()
if a:poll(10) then print(a:recv_bytes()) end
print("a part: " .. a:recv_bytes())
local _, e = pcall(a.recv_bytes, a, 5)
print(("too long for 5 bytes: %s, it was '%s'"):format(e.name, e.value))
p:join()
