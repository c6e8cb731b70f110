--- Specs of faults around locks: stopped holders, reused pids, forked owners, storms of kills.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local timed, stop = helper.timed, helper.stop

local start <const> = helper.starter(mp, true)

-- A process that takes the lock, says so, and gives it back when told.
local function holder(lock)
  local ready, go = mp.Event(), mp.Event()
  local p = start(function()
    lock:acquire()
    ready:set()
    go:wait()
    lock:release()
  end)
  assert.is_true(ready:wait(20))
  return p, go
end

describe("A stopped process", function()
  for _, name in ipairs { "Lock", "RLock", "BoundedSemaphore" } do
    it("keeps its " .. name .. "; others keep their timeouts", function()
      local lock = mp[name]()
      local p, go = holder(lock)
      stop(p)
      local took, taken = timed(lock.acquire, lock, true, 0.3)
      assert.is_false(taken)
      assert.is_true(took >= 0.3 and took < 5)
      mp.kill(p.pid, "SIGCONT")
      go:set()
      assert.same({ true }, { lock:acquire(true, 20) }) -- not abandoned
      assert.is_true(p:join(20))
    end)
  end

  it("holds up neither set, notify nor release", function()
    local event, condition, ready = mp.Event(), mp.Condition(), mp.Semaphore(0)
    local p = start(function()
      ready:release()
      event:wait()
      local _ <close> = condition:hold()
      ready:release()
      condition:wait()
      ready:release()
    end)
    assert.is_true(ready:acquire(true, 20))
    stop(p)
    local took = timed(event.set, event)
    assert.is_true(took < 5)
    mp.kill(p.pid, "SIGCONT")
    assert.is_true(ready:acquire(true, 20))
    condition:acquire() -- it waits now
    stop(p)
    took = timed(condition.notify, condition)
    assert.is_true(took < 5)
    condition:release()
    mp.kill(p.pid, "SIGCONT")
    assert.is_true(ready:acquire(true, 20)) -- it had its notification
    assert.is_true(p:join(20))
  end)

  it("breaks a barrier by timeout, as any who is late", function()
    local barrier, ready = mp.Barrier(2), mp.Event()
    local p = start(function()
      ready:set()
      mp.sleep(100)
      barrier:wait()
    end)
    assert.is_true(ready:wait(20))
    stop(p)
    local took, ok, e = timed(pcall, barrier.wait, barrier, 0.2)
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "BrokenBarrierError"))
    assert.is_true(took >= 0.2 and took < 5)
    p:kill() -- a stopped process can be killed
    assert.is_true(p:join(20))
    assert.equal(-9, p.exitcode)
  end)
end)

describe("A family that is stopped and goes on", function()
  it("has lost nothing, and nobody was taken for dead", function()
    local out, status = helper.run([[
      local mp = require "multiprocessing"
      local lock, q, abandoned = mp.Lock(), mp.Queue(100), mp.Value("i", 0)
      local ps = {}
      for i = 1, 3 do
        ps[i] = mp.Process{ target = function()
          for n = 1, 300 do
            local _, how = lock:acquire()
            if how then abandoned:add(1) end
            q:put(n)
            mp.sleep(0.001)
            lock:release()
          end
        end }
        ps[i]:start()
      end
      local sum = 0
      for _ = 1, 900 do sum = sum + q:get() end
      for i = 1, 3 do ps[i]:join() end
      print(sum, abandoned.value)
    ]], { command = [[sh -c 'setsid ./mplua "$0" & p=$!
      for i in 1 2 3; do sleep 0.1; kill -STOP -$p; sleep 0.3; kill -CONT -$p; done
      wait $p']] })
    assert.equal("135450\t0\n", out)
    assert.equal(0, status)
  end)
end)

describe("A deadlock by order", function()
  it("is left by a timeout", function()
    local a, b, ready = mp.Lock(), mp.Lock(), mp.Barrier(2)
    local p = start(function()
      b:acquire()
      ready:wait(20)
      a:acquire()
      a:release()
      b:release()
    end)
    a:acquire()
    ready:wait(20)
    assert.is_false(b:acquire(true, 0.2))
    a:release()
    assert.is_true(p:join(20))
    assert.same({ true }, { b:acquire(true, 20) })
  end)
end)

describe("An RLock held over a fork", function()
  it("is the parent's alone", function()
    local lock, said = mp.RLock(), mp.Queue()
    lock:acquire()
    lock:acquire()
    local p = start(function()
      said:put { (pcall(lock.release, lock)), (lock:acquire(false)) }
    end)
    assert.same({ false, false }, said:get(true, 20))
    assert.is_true(p:join(20))
    assert.is_true(lock:locked())
    lock:release()
    lock:release()
    assert.is_false(lock:locked())
  end)
end)

describe("Barriers and conditions under kills", function()
  -- Three keep meeting at a barrier; one is killed now and then and replaced.
  it("are not broken, and nobody hangs", function()
    local PARTIES <const> = 3
    local barrier = mp.Barrier(PARTIES)
    local passes, broken = mp.Value("q", 0), mp.Value("i", 0)
    local function meet()
      while true do
        local ok, place = pcall(barrier.wait, barrier, 20)
        if not ok then
          broken:add(1)
          barrier:reset()
        elseif place == 1 then
          passes:add(1)
        end
      end
    end
    local ps = {}
    for i = 1, PARTIES do ps[i] = start(meet) end
    for round = 1, 30 do
      local before = passes.value
      helper.eventually(function() return passes.value > before + 20 end, 30)
      local i = 1 + round % PARTIES
      ps[i]:kill()
      ps[i]:join()
      ps[i] = start(meet)
    end
    for i = 1, PARTIES do
      ps[i]:kill()
      ps[i]:join()
    end
    assert.equal(0, broken.value)
    assert.equal(0, barrier.n_waiting)
  end)

  it("wake all who live", function()
    local condition, seen = mp.Condition(), mp.Value("q", 0)
    local function wait()
      while true do
        condition:acquire()
        condition:wait()
        seen:add(1)
        condition:release()
      end
    end
    local ps = {}
    for i = 1, 3 do ps[i] = start(wait) end
    for round = 1, 30 do
      local i = 1 + round % 3
      ps[i]:kill()
      ps[i]:join()
      ps[i] = start(wait)
      local before = seen.value
      helper.eventually(function()
        local _ <close> = condition:hold()
        condition:notify_all()
        return seen.value >= before + 3
      end, 30)
    end
    for i = 1, 3 do
      ps[i]:kill()
      ps[i]:join()
    end
  end)
end)

-- A pid namespace of its own, where the number of the next process can be chosen. Needs the
-- right to make one.
local function in_namespace(script)
  if not os.execute("unshare -rpf --mount-proc sh -c "
    .. "'echo 50 >/proc/sys/kernel/ns_last_pid' >/dev/null 2>&1") then return nil end
  return helper.run([[
    local mp = require "multiprocessing"
    local function start_as(pid, target, ...)
      local file = assert(io.open("/proc/sys/kernel/ns_last_pid", "w"))
      file:write(pid - 1)
      file:close()
      local p = mp.Process{ target = target, args = {...} }
      p:start()
      assert(p.pid == pid, "another pid")
      return p
    end
  ]] .. script, { command = "unshare -rpf --mount-proc " .. helper.interpreter })
end

describe("A pid that is used again", function()
  it("does not own what the dead one owned", function()
    local out = in_namespace [[
      local lock, said = mp.RLock(), mp.Queue()
      local p = start_as(200, lock.acquire, lock)
      p:join()
      p = start_as(200, function() said:put((pcall(lock.release, lock))) end)
      p:join()
      print(said:get(true, 10), lock:locked(), lock:acquire(true, 10))
    ]]
    if not out then return pending "no right to make a pid namespace" end
    assert.equal("false\ttrue\ttrue\tabandoned\n", out)
  end)

  it("is not signalled in the place of the dead one", function()
    local out = in_namespace [[
      local dead = start_as(200, os.exit, 0)
      dead:join()
      local other = start_as(200, mp.sleep, 100)
      dead:kill()
      dead:terminate()
      dead:interrupt()
      print(dead.exitcode, other:join(0.3), dead:is_alive())
      other:kill()
      print(other:join(10), other.exitcode)
    ]]
    if not out then return pending "no right to make a pid namespace" end
    assert.equal("0\tfalse\tfalse\ntrue\t-9\n", out)
  end)
end)
