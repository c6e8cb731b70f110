--- Workers fed by a task queue: for func, args in iter(input.get, 'STOP'): ... output.put(result)
--
-- Output (any order):
--   mul(1, 7) = 7
--   mul(2, 7) = 14
--   mul(3, 7) = 21
--   mul(4, 7) = 28
--   plus(1, 8) = 9
--   plus(2, 8) = 10
--   plus(3, 8) = 11
--   plus(4, 8) = 12

local mp = require "multiprocessing"

local function mul(a, b) return a * b end
local function plus(a, b) return a + b end

local function worker(input, output)
  for _, task in input:iter() do -- until the queue is shut down and drained
    local result = task.f(table.unpack(task.args))
    output:put(("%s(%d, %d) = %d"):format(task.name, task.args[1], task.args[2], result))
  end
end

local task_queue, done_queue = mp.Queue(), mp.Queue()
for i = 1, 4 do task_queue:put{ name = "mul", f = mul, args = { i, 7 } } end
for _ = 1, 3 do
  mp.Process{ target = worker, args = { task_queue, done_queue } }:start()
end
for _ = 1, 4 do print(done_queue:get()) end
for i = 1, 4 do task_queue:put{ name = "plus", f = plus, args = { i, 8 } } end
for _ = 1, 4 do print(done_queue:get()) end
task_queue:shutdown() -- no 'STOP' for each worker
