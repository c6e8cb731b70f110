--- Bytes that processes share: SharedMemory(create=True, size=64); shm.buf[:5] = b"hello"
--
-- Output:
--   hello 64
--   HELLO 42 0.5

local mp = require "multiprocessing"

local function shout(shm)
  shm:write(1, shm:read(1, 5):upper())
  shm:pack("<i4 d", 9, 42, 0.5)
end

local shm <close> = mp.SharedMemory{ size = 64 } -- with name = ... for unrelated programs
shm:write(1, "hello")
print(shm:read(1, 5) .. " " .. shm.size)

local p = mp.Process{ target = shout, args = { shm } }
p:start()
p:join()
local n, x = shm:unpack("<i4 d", 9)
print(("%s %d %g"):format(shm:read(1, 5), n, x))
