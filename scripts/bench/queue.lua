--- Queues and pipes against python3's multiprocessing, the same work in one run.

local bench = dofile "scripts/bench/bench.lua"
local mp = require "multiprocessing"

local record = { id = 12345, name = "a small record", tags = { "x", "y", "z" }, score = 0.5 }

local function get(q) q:get() end

-- Seconds a message: `producers` put n messages in all, `consumers` get them; from the moment all
-- stand ready until the last one is done.
local function through_queue(n, producers, consumers, value)
  return function()
    local q, ready, go = mp.Queue(), mp.Queue(), mp.Queue()
    local function start(f, count)
      local p = mp.Process{ target = function()
        ready:put(true)
        go:get()
        for _ = 1, count do f(q, value) end
      end }
      p:start()
      return p
    end
    local ps = {}
    for _ = 1, producers do ps[#ps + 1] = start(q.put, n // producers) end
    for _ = 1, consumers do ps[#ps + 1] = start(get, n // consumers) end
    for _ = 1, #ps do ready:get() end
    local began = mp.now()
    for _ = 1, #ps do go:put(true) end
    for _, p in ipairs(ps) do p:join() end
    return (mp.now() - began) / n
  end
end

local function in_batches(n, by)
  return function()
    local q = mp.Queue()
    local batch = {}
    for i = 1, by do batch[i] = i end
    local p = mp.Process{ target = function()
      for _ = 1, n // by do q:put_many(batch) end
    end }
    local began = mp.now()
    p:start()
    local got = 0
    while got < n do got = got + q:get_many(by).n end
    local seconds = (mp.now() - began) / n
    p:join()
    return seconds
  end
end

-- seconds a round trip
local function round_trip(n, value)
  return function()
    local a, b = mp.Pipe()
    local p = mp.Process{ target = function()
      for _ = 1, n + 10 do b:send(b:recv()) end
    end }
    p:start()
    for _ = 1, 10 do a:send(value) a:recv() end
    local began = mp.now()
    for _ = 1, n do
      a:send(value)
      a:recv()
    end
    local seconds = (mp.now() - began) / n
    p:join()
    return seconds
  end
end

local function python(args) return bench.python("scripts/bench/queue_python.py", args) end

bench.run("messages through a queue", {
  { "integers, 1 to 1", mplua = through_queue(400000, 1, 1, 42), python = python "int 1 1",
    want = 15 },
  { "integers, 2 to 2", mplua = through_queue(400000, 2, 2, 42), python = python "int 2 2",
    want = 12 },
  { "small records, 1 to 1", mplua = through_queue(200000, 1, 1, record),
    python = python "record 1 1", want = 6 },
  { "strings of 16 MiB", mplua = through_queue(100, 1, 1, ("x"):rep(16 << 20)),
    python = python "big 1 1", want = 10 },
  { "integers by put_many, get_many", mplua = in_batches(1000000, 100),
    python = python "batch 1 1", want = 40 },
})

bench.run("round trips through a pipe", {
  { "an integer", mplua = round_trip(50000, 42), python = python "pipe int", want = 20 },
  { "a string of 1 KiB", mplua = round_trip(50000, ("x"):rep(1024)), python = python "pipe 1024",
    want = 20 },
  { "a string of 1 MiB", mplua = round_trip(300, ("x"):rep(1 << 20)),
    python = python "pipe 1048576", want = 4 },
})
