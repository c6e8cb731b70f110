--- Specs of every call that waits: odd timeouts, endless ones, interrupts, stops of the process.
-- MIT licence, see LICENSE

local helper = require "spec.helper"

-- calls[name](timeout), all of which would wait for ever; nil is no timeout
local calls <const> = [[
  local mp = require "multiprocessing"
  local a, b = mp.Pipe()
  local lock, rlock, bounded = mp.Lock(), mp.Semaphore(0), mp.BoundedSemaphore(1)
  lock:acquire()
  bounded:acquire()
  local q, full, undone = mp.Queue(), mp.Queue(1), mp.JoinableQueue()
  full:put(1)
  undone:put(1)
  local event, condition, barrier = mp.Event(), mp.Condition(), mp.Barrier(2)
  condition:acquire()
  local pool = mp.Pool(1)
  local busy = pool:apply_async(mp.sleep, { 1000 })
  local p = mp.Process{ target = mp.sleep, args = { 1000 }, daemon = true }
  p:start()
  local listener <close> = mp.Listener{}
  local iterator = pool:imap(math.abs, { 1 })
  local closed = mp.Pool(1)
  closed:apply_async(mp.sleep, { 1000 })
  closed:close()
  local calls = {
    ["Lock.acquire"] = function(t) return lock:acquire(true, t) end,
    ["Semaphore.acquire"] = function(t) return rlock:acquire(true, t) end,
    ["BoundedSemaphore.acquire"] = function(t) return bounded:acquire(true, t) end,
    ["Event.wait"] = function(t) return event:wait(t) end,
    ["Condition.wait"] = function(t) return condition:wait(t) end,
    ["Condition.wait_for"] = function(t)
      return condition:wait_for(function() return false end, t)
    end,
    ["Barrier.wait"] = function(t)
      barrier:reset()
      return barrier:wait(t)
    end,
    ["Queue.get"] = function(t) return q:get(true, t) end,
    ["Queue.get_many"] = function(t) return q:get_many(3, t) end,
    ["Queue.put"] = function(t) return full:put(1, true, t) end,
    ["JoinableQueue.join"] = function(t) return undone:join(t) end,
    ["Connection.poll"] = function(t) return a:poll(t or math.huge) end,
    ["wait"] = function(t) return #mp.wait({ a, q }, t) > 0 end,
    ["Process.join"] = function(t) return p:join(t) end,
    ["Listener.accept"] = function(t) return listener:accept(t) end,
    ["AsyncResult.get"] = function(t) return busy:get(t) end,
    ["AsyncResult.wait"] = function(t) return busy:wait(t) end,
    ["Pool.poll"] = function(t) return pool:poll(t or math.huge) > 0 end,
    ["Pool.join"] = function(t) return closed:join(t) end,
    ["imap.next"] = function(t) return iterator:next(t) end,
  }
  local endless = { -- those without a timeout
    ["Connection.recv"] = function() return a:recv() end,
    ["Queue.iter"] = function() for _ in q:iter() do return true end end,
    ["Lock.hold"] = function() return lock:hold() end,
    ["sleep"] = function() return mp.sleep(1000) end,
    ["SimpleQueue.get"] = function() return mp.SimpleQueue():get() end,
  }
  local names = {}
  for name in pairs(calls) do names[#names + 1] = name end
  table.sort(names)
]]

local ending <const> = [[
  p:kill()
  pool:terminate()
  closed:terminate()
  print "goes on"
]]

local function run(body)
  local out, status = helper.run(calls .. body .. ending, { deadline = 60 })
  assert.equal("goes on\n", out)
  assert.equal(0, status)
end

describe("Every call that waits", function()
  it("does not wait for a timeout of 0 or less, and refuses what is none", function()
    run [[
      for _, name in ipairs(names) do
        for _, t in ipairs { 0, -0.0, -1, -1e300, -math.huge, math.mininteger, 1e-300 } do
          local began = mp.now()
          local ok, e = pcall(calls[name], t)
          assert(mp.now() - began < 3, name .. " waits")
          local what = not ok and mp.iserror(e) and e.name
          assert(ok and not e or what == "Empty" or what == "Full" or what == "TimeoutError"
            or what == "BrokenBarrierError", name .. ": " .. tostring(e))
        end
        for _, t in ipairs { 0 / 0, "x", {}, true } do
          local ok, e = pcall(calls[name], t)
          assert(not ok and tostring(e):find "bad argument", name .. ": " .. tostring(e))
        end
      end
    ]]
  end)

  it("keeps its timeout, stopped and continued, in coroutines too", function()
    run [[
      local done = mp.Event()
      local stopper = mp.Process{ args = { mp.getpid() }, target = function(pid)
        while not done:wait(0.01) do
          mp.kill(pid, "SIGSTOP")
          mp.kill(pid, "SIGCONT")
        end
      end }
      stopper:start()
      for i, name in ipairs(names) do
        local began = mp.now()
        local call = i % 2 == 0 and coroutine.wrap(calls[name]) or calls[name]
        pcall(call, 0.05)
        local took = mp.now() - began
        assert(took >= 0.05 and took < 5, name .. " took " .. took)
      end
      done:set()
      stopper:join()
    ]]
  end)

  it("is ended by an interrupt, with any endless timeout", function()
    run [[
      -- each in a process of its own, which is told once
      local function interrupted(name, call, timeout)
        local begun, said = mp.Event(), mp.Queue()
        local child = mp.Process{ target = function()
          condition = mp.Condition()
          condition:acquire()
          begun:set()
          local ok, e = pcall(call, timeout)
          said:put { ok, tostring(e) }
        end }
        child:start()
        begun:wait()
        mp.sleep(0.02)
        child:interrupt()
        local r = said:get(true, 10)
        assert(not r[1] and r[2]:find "interrupted!", name .. ": " .. r[2])
        child:join()
      end
      local forever = { math.huge, 1e300, math.maxinteger }
      for i, name in ipairs(names) do
        -- for pools and processes see spec/pool/life_spec.lua, spec/process/interrupt_spec.lua
        if not (name:find "Async" or name:find "Pool" or name:find "imap"
            or name:find "Process") then
          interrupted(name, calls[name])
          interrupted(name, calls[name], forever[1 + i % #forever])
        end
      end
      for name, call in pairs(endless) do interrupted(name, call) end
    ]]
  end)
end)

describe("The signal handlers of a host", function()
  it("stay as they were", function()
    local out = helper.run([[
      package.cpath = "./?.so;" .. package.cpath
      local function caught()
        local file <close> = io.open "/proc/self/status"
        return file:read("a"):match "SigBlk.-SigCgt:%s*%x+"
      end
      local before = caught()
      local mp = require "multiprocessing"
      local pool <close> = mp.Pool(2)
      pool:map(math.abs, { 1, 2 })
      local q = mp.Queue()
      q:try_get(0.1)
      for _, m in ipairs(mp.get_all_start_methods()) do
        local p = mp.get_context(m).Process{ target = math.abs, args = { 1 } }
        p:start()
        p:join()
      end
      print(before == caught())
    ]], { command = "lua5.4" })
    assert.equal("true\n", out)
  end)
end)
