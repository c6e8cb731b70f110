--- Waiting for several pipes at once: for r in multiprocessing.connection.wait(readers)
--
-- Output (any order):
--   process 1 says 1
--   process 1 says 2
--   process 2 says 1
--   process 2 says 2
--   process 3 says 1
--   process 3 says 2

local mp = require "multiprocessing"

local function talk(w, who)
  for i = 1, 2 do w:send(("process %d says %d"):format(who, i)) end
end

local readers = {}
for i = 1, 3 do
  local r, w = mp.Pipe(false)
  readers[i] = r
  mp.Process{ target = talk, args = { w, i } }:start()
  w:close() -- or r would never be at its end
end
while #readers > 0 do
  for _, r in ipairs(mp.wait(readers)) do
    local ok, line = pcall(r.recv, r)
    if ok then
      print(line)
    else
      for i = #readers, 1, -1 do
        if readers[i] == r then table.remove(readers, i) end
      end
    end
  end
end
