--- Shared memory between unrelated programs: SharedMemory(name="psm_21467_46075"), shm.unlink()
--
-- Output:
--   the other program read: howdy
--   and wrote: HOWDY
--   after unlink: ProcessError

local mp = require "multiprocessing"

local name = ("mplua_tutorial_%d"):format(mp.getpid())

local function interpreter() -- sys.executable
  local i = 0
  while arg[i - 1] do i = i - 1 end
  return arg[i]
end

-- A program of its own: it knows the name and nothing else.
local OTHER <const> = [[
  local mp = require "multiprocessing"
  local shm <close> = mp.SharedMemory(%q)
  local word = shm:read(1, 5)
  print("the other program read: " .. word)
  shm:write(1, word:upper())
]]

local shm <close> = mp.SharedMemory{ name = name, create = true, size = 10 }
shm:write(1, "howdy")
local path = os.tmpname()
local file = assert(io.open(path, "w"))
file:write(OTHER:format(name))
file:close()
os.execute(("'%s' '%s'"):format(interpreter(), path))
os.remove(path)
print("and wrote: " .. shm:read(1, 5))
shm:unlink()
local _, e = pcall(mp.SharedMemory, name)
print("after unlink: " .. e.name)
