--- Queues and pipes, against python3, rings in C and memcpy.

local mp = require "multiprocessing"
local work = require "bench.work"

local record <const> = {
  id = 12345, name = "a small record", tags = { "x", "y", "z" }, score = 0.5,
}
local big <const> = ("x"):rep(16 << 20)

local function get(q) q:get() end

-- Seconds a message from `pairs` producers to as many consumers, from the moment all stand ready
-- until the last one is done.
local function through_queue(pairs, value)
  return function(n)
    local q, ready, go = mp.Queue(), mp.Queue(), mp.Queue()
    local ps = {}
    for i = 1, 2 * pairs do
      local f = i % 2 == 0 and get or q.put
      ps[i] = mp.Process{ target = function()
        ready:put(true)
        go:get()
        for _ = 1, n // pairs do f(q, value) end
      end }
      ps[i]:start()
    end
    for _ = 1, #ps do ready:get() end
    return work.timed(n, function()
      for _ = 1, #ps do go:put(true) end
      for _, p in ipairs(ps) do p:join() end
    end)
  end
end

local function in_batches(n)
  local q = mp.Queue()
  local batch = work.list(100)
  local p = mp.Process{ target = function()
    for _ = 1, n // #batch do q:put_many(batch) end
  end }
  p:start()
  local seconds = work.timed(n, function()
    local got = 0
    while got < n do got = got + q:get_many(#batch).n end
  end)
  p:join()
  return seconds
end

local function round_trip(value)
  return function(n)
    local a, b = mp.Pipe()
    local p = mp.Process{ target = function()
      for _ = 1, n + 1 do b:send(b:recv()) end
    end }
    p:start()
    a:send(value) a:recv()
    local seconds = work.timed(n, function()
      for _ = 1, n do
        a:send(value)
        a:recv()
      end
    end)
    p:join()
    return seconds
  end
end

local deep, depth = nil, 0

-- a put and a get, with so many messages in the queue
local function at_depth(messages)
  return function(n)
    deep = deep or mp.Queue()
    for _ = depth + 1, messages do deep:put(42) end
    depth = math.max(depth, messages)
    return work.timed(n, function()
      for _ = 1, n do
        deep:put(42)
        deep:get()
      end
    end)
  end
end

local sizes <const> = { 8, 64, 1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20, 256 << 20 }

-- rows of strings from 8 B to 256 MiB
local function by_size(f, other, limit)
  return work.series(sizes, function(size)
    return {
      mplua = function(n) return f(("x"):rep(size))(n) end, other = other:format(size),
      limit = ("%s %d"):format(limit, size),
    }
  end, work.bytes)
end

return {
  { title = "a message through a queue", python = "messages", rows = {
    { "an integer, 1 to 1", mplua = through_queue(1, 42), other = "queue int 1", limit = "spsc 8",
      wanted = 15 },
    { "an integer, 2 to 2", mplua = through_queue(2, 42), other = "queue int 2", limit = "mpmc",
      wanted = 12, step = 2 },
    { "a small record, 1 to 1", mplua = through_queue(1, record), other = "queue record 1",
      limit = "spsc 64", wanted = 6 },
    { "a string of 16 MiB", mplua = through_queue(1, big), other = "queue 16777216 1",
      limit = "copy 16777216", wanted = 10 },
    { "an integer by put_many, get_many of 100", mplua = in_batches, other = "queue int 1",
      limit = "spsc 8", wanted = 40, step = 100 },
  } },
  { title = "a round trip through a pipe", python = "messages", rows = {
    { "8 B (an integer)", mplua = round_trip(42), other = "pipe int", limit = "echo 8",
      wanted = 20 },
    { "1 KiB", mplua = round_trip(("x"):rep(1 << 10)), other = "pipe 1024", limit = "echo 1024",
      wanted = 20 },
    { "1 MiB", mplua = round_trip(("x"):rep(1 << 20)), other = "pipe 1048576",
      limit = "echo 1048576", wanted = 4 },
  } },
  { title = "an integer through a queue", axis = "pairs", python = "messages",
    rows = work.series({ 1, 2, 4, 8, 16, 32 }, function(k)
      return { mplua = through_queue(k, 42), other = "queue int " .. k, step = k }
    end) },
  { title = "a string through a queue", axis = "bytes", python = "messages",
    rows = by_size(function(s) return through_queue(1, s) end, "queue %d 1",
      "copy") },
  { title = "a round trip through a pipe", axis = "bytes", python = "messages",
    rows = by_size(round_trip, "pipe %d", "echo") },
  { title = "a put and a get", axis = "messages in the queue", python = "messages",
    rows = work.series({ 1000, 10000, 100000, 1000000, 10000000 }, function(messages)
      local other = messages <= 1000000 and "at_depth " .. messages or nil
      return { mplua = at_depth(messages), other = other }
    end) },
}
