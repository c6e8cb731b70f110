--- Start and join of processes against python3's multiprocessing and bare fork + waitpid.

local bench = dofile "scripts/bench/bench.lua"
local mp = require "multiprocessing"

local function empty() end

-- seconds a process: `count` of them, `at_once` alive at a time
local function start_join(ctx, count, at_once)
  return function()
    local start = mp.now()
    for _ = 1, count, at_once do
      local ps = {}
      for k = 1, at_once do
        ps[k] = ctx.Process{ target = empty }
        ps[k]:start()
      end
      for _, p in ipairs(ps) do p:join() end
    end
    return (mp.now() - start) / count
  end
end

local ballast

local function with_ballast(f)
  return function()
    if not ballast then
      ballast = {}
      for i = 1, 1600000 do ballast[i] = { i, tostring(i) } end
    end
    return f()
  end
end

local python = "scripts/bench/process.py"
local fork, spawn = mp.get_context "fork", mp.get_context "spawn"
local server = mp.get_context "forkserver"

bench.run("start and join of a process", {
  { "fork", mplua = start_join(fork, 400, 1), python = bench.python(python, "fork"),
    floor = bench.c("raw_fork", "1000 1"), want = 8 },
  { "fork, 50 at once", mplua = start_join(fork, 400, 50),
    python = bench.python(python, "fork 50"), floor = bench.c("raw_fork", "1000 50"), want = 8 },
  { "forkserver", mplua = start_join(server, 200, 1), python = bench.python(python, "forkserver"),
    want = 4 },
  { "spawn", mplua = start_join(spawn, 50, 1), python = bench.python(python, "spawn"), want = 8 },
  { "fork, 200 MB heap in the parent", mplua = with_ballast(start_join(fork, 50, 1)),
    python = bench.python(python, "fork heap"), want = 5 },
})
