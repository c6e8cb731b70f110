--- Start and join of processes, against python3 and bare fork or posix_spawn with waitpid.

local mp = require "multiprocessing"
local work = require "bench.work"

local function empty() end

-- seconds a process: `at_once` of them alive at a time
local function start_join(method, at_once)
  return function(n)
    local ctx = mp.get_context(method)
    return work.timed(n, function()
      for _ = 1, n, at_once do
        local ps = {}
        for k = 1, at_once do
          ps[k] = ctx.Process{ target = empty }
          ps[k]:start()
        end
        for _, p in ipairs(ps) do p:join() end
      end
    end)
  end
end

local ballast = {}

-- start_join() in a process of its own, which has so many MB of small objects
local with_ballast <const> = work.in_child(function(method, megabytes, n)
  for i = #ballast + 1, 8000 * megabytes do ballast[i] = { i, tostring(i) } end
  return start_join(method, 1)(n)
end)

local function small(method, at_once, limit, wanted, of_limit)
  return {
    at_once == 1 and method or ("%s, %d at once"):format(method, at_once), step = at_once,
    mplua = start_join(method, at_once), other = ("start %s %d"):format(method, at_once),
    limit = ("%s %d"):format(limit, at_once), wanted = wanted, of_limit = of_limit,
    slow = method ~= "fork" and at_once > 1,
  }
end

local function heap(method, limit, wanted, megabytes)
  megabytes = megabytes or 200
  return {
    ("%s, %d MB heap in the parent"):format(method, megabytes),
    mplua = function(n) return with_ballast(method, megabytes, n) end,
    other = ("heap %s %d"):format(method, megabytes), limit = limit, wanted = wanted,
    slow = method ~= "fork",
  }
end

return {
  { title = "start and join of a process", python = "process", rows = {
    small("fork", 1, "fork", 8, 1.6), small("fork", 50, "fork", 8),
    small("forkserver", 1, "fork", 4), small("forkserver", 50, "fork", 4),
    small("spawn", 1, "spawn", 8), small("spawn", 50, "spawn", 8),
  } },
  { title = "the same, with a large parent", python = "process", rows = {
    heap("fork", "heap 200", 5), heap("forkserver", "fork 1", 4), heap("spawn", "spawn 1", 8),
  } },
  { title = "start and join, a process", axis = "at once", python = "process",
    rows = work.series({ 1, 2, 4, 8, 16, 32, 64 }, function(k)
      return small("fork", k, "fork")
    end) },
  { title = "start and join", axis = "MB in the parent", python = "process",
    rows = work.series({ 1, 4, 16, 64, 256, 1024 }, function(megabytes)
      return heap("fork", "heap " .. megabytes, nil, megabytes)
    end) },
}
