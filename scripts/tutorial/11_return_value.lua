--- A process's return value: through a queue, a pipe, a Value, an exit code, or a pool
--
-- Output:
--   queue: 42
--   pipe: 42
--   value: 42
--   exit code: 42
--   pool: 42

local mp = require "multiprocessing"

local function compute() return 6 * 7 end

local function run(target, ...)
  local p = mp.Process{ target = target, args = { ... } }
  p:start()
  p:join()
  return p.exitcode
end

local q = mp.Queue()
run(function() q:put(compute()) end)
print("queue: " .. q:get())

local r, w = mp.Pipe(false)
run(function() w:send(compute()) end)
print("pipe: " .. r:recv())

local v = mp.Value("i", 0)
run(function() v.value = compute() end)
print("value: " .. v.value)

print("exit code: " .. run(function() os.exit(compute()) end)) -- 0 to 255

local pool <close> = mp.Pool(1)
print("pool: " .. pool:apply(compute))
