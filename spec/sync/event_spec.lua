--- Specs of Event, Condition and Barrier, under every start method.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local timed <const>, between <const> = helper.timed, helper.between

helper.each_method(function(ctx)
  local start <const> = helper.starter(ctx)

  local function start_all(n, target, ...)
    local ps = {}
    for i = 1, n do ps[i] = start(target, ...) end
    return ps
  end

  local function join_all(ps, seconds)
    for i, p in ipairs(ps) do
      assert(p:join(seconds or 20), "process " .. i .. " hangs")
    end
  end

  describe("Event", function()
    local event
    before_each(function() event = ctx.Event() end)

    it("is a flag", function()
      assert.is_false(event:is_set())
      event:set()
      event:set()
      assert.is_true(event:is_set())
      assert.is_true(event:wait())
      event:clear()
      assert.is_false(event:is_set())
      assert.is_false(event:wait(0))
      between(0.099, timed(event.wait, event, 0.1), 0.3)
    end)

    it("lets all waiters go, however soon it is cleared", function()
      local ready, passed = ctx.Semaphore(0), ctx.Value("i", 0)
      local ps = start_all(4, function(e, r, n)
        r:release()
        if e:wait(10) then n:add(1) end
      end, event, ready, passed)
      for _ = 1, 4 do ready:acquire() end
      mp.sleep(0.05)
      event:set()
      event:clear()
      join_all(ps)
      assert.equal(4, passed.value)
    end)

    it("is not hindered by waiters that were killed", function()
      local ready = ctx.Semaphore(0)
      for _ = 1, 5 do
        local ps = start_all(3, function(e, r)
          r:release()
          e:wait()
        end, event, ready)
        for _ = 1, 3 do ready:acquire() end
        ps[1]:kill()
        ps[2]:kill()
        between(0, timed(event.set, event), 0.1)
        join_all(ps, 2)
        event:clear()
      end
    end)
  end)

  describe("Condition", function()
    local cond, ready
    before_each(function()
      cond, ready = ctx.Condition(), ctx.Semaphore(0)
    end)

    -- n processes that wait; each adds 1 to `passed` when it was notified
    local function waiters(n, passed)
      local ps = start_all(n, function(c, r, count)
        local _ <close> = c:hold()
        r:release()
        if c:wait(20) then count:add(1) end
      end, cond, ready, passed)
      for _ = 1, n do ready:acquire() end
      local _ <close> = cond:hold() -- the last one has let it go: it waits
      return ps
    end

    local function notify(n)
      local _ <close> = cond:hold()
      cond:notify(n)
    end

    it("wakes as many as it is told", function()
      local passed = ctx.Value("i", 0)
      local ps = waiters(5, passed)
      notify()
      helper.eventually(function() return passed.value == 1 end)
      notify(2)
      helper.eventually(function() return passed.value == 3 end)
      mp.sleep(0.05)
      assert.equal(3, passed.value)
      local held = cond:hold()
      cond:notify_all()
      cond:notify_all()
      mp.sleep(0.05)
      assert.equal(3, passed.value) -- the lock is still held: nobody goes on yet
      held:__close()
      join_all(ps)
      assert.equal(5, passed.value)
    end)

    it("wakes live waiters only", function()
      for _ = 1, 5 do
        local passed = ctx.Value("i", 0)
        local ps = waiters(4, passed)
        for i = 1, 3 do ps[i]:kill() end
        for i = 1, 3 do ps[i]:join() end
        between(0, timed(notify, 1), 0.1)
        assert.is_true(ps[4]:join(2))
        assert.equal(1, passed.value)
        between(0, timed(notify, math.maxinteger), 0.1)
      end
    end)

    it("lets go every level of its lock, and takes them again", function()
      local _ <close> = cond:hold()
      local _ <close> = cond:hold()
      local p = start(function(c)
        local _ <close> = c:hold()
        c:notify()
      end, cond)
      assert.is_true(cond:wait(10))
      p:join()
      local q = start(function(c) os.exit(c:acquire(false) and 1 or 0) end, cond)
      q:join()
      assert.equal(0, q.exitcode)
    end)

    it("keeps its timeout", function()
      local _ <close> = cond:hold()
      local seconds, notified = timed(cond.wait, cond, 0.1)
      assert.is_false(notified)
      between(0.099, seconds, 0.3)
      assert.is_false(cond:wait(0))
      assert.is_false(cond:wait(-1))
    end)

    it("waits for a predicate", function()
      local v = ctx.RawValue("i", 0)
      local p = start(function(c, x)
        for i = 1, 4 do
          mp.sleep(0.01)
          local _ <close> = c:hold()
          x.value = i
          c:notify()
        end
      end, cond, v)
      local _ <close> = cond:hold()
      assert.equal("four", cond:wait_for(function() return v.value == 4 and "four" end, 10))
      local seconds, value = timed(cond.wait_for, cond, function() return false end, 0.1)
      assert.is_false(value)
      between(0.099, seconds, 0.3)
      p:join()
    end)

    it("raises without its lock", function()
      assert.has_error(function() cond:wait() end,
        "cannot wait: this process does not hold the Condition's lock; acquire it first")
      assert.has_error(function() cond:notify() end)
      assert.has_error(function() cond:notify_all() end)
      cond:acquire()
      cond:release()
      assert.has_error(function() cond:release() end)
    end)

    it("takes a lock of the user's", function()
      for _, name in ipairs{ "Lock", "RLock" } do
        local lock = ctx[name]()
        local c = ctx.Condition(lock)
        lock:acquire()
        local p = start(function(x)
          local _ <close> = x:hold()
          x:notify()
        end, c)
        assert.is_true(c:wait(10))
        assert.is_true(lock:locked())
        lock:release()
        p:join()
      end
      local v = ctx.Value("i", 0)
      local c = ctx.Condition{ lock = v:get_lock() }
      local _ <close> = v:hold()
      assert.is_false(c:wait(0.01))
      assert.is_true(v:locked())
      assert.has_error(function() ctx.Condition(5) end)
    end)

    it("has waiters with a lock again after Ctrl-C", function()
      local output = helper.run [[
        local mp = require "multiprocessing"
        local c = mp.Condition()
        local p = mp.Process{ target = function(pid) mp.sleep(0.2) mp.kill(pid, 2) end,
          args = { mp.getpid() } }
        p:start()
        c:acquire()
        print(pcall(c.wait, c))
        c:release()
        p:join()
      ]]
      assert.equal("false\tinterrupted!\n", output)
    end)

    it("tells when the lock came from a dead holder", function()
      local p = start(function(c, r)
        r:acquire()
        c:acquire()
        c:notify()
        mp.kill(mp.getpid(), 9)
      end, cond, ready)
      local _ <close> = cond:hold()
      ready:release()
      assert.same({ true, "abandoned" }, { cond:wait(10) })
      p:join()
    end)
  end)

  describe("Barrier", function()
    it("lets all go, each with a place of its own", function()
      local b = ctx.Barrier(4)
      local places = ctx.Array("i", 4)
      local function pass(barrier, a)
        for round = 1, 50 do
          local place = barrier:wait(20)
          a:add(place, 1)
          barrier:wait(20)
          for i = 1, 4 do assert(a[i] == round) end
          barrier:wait(20)
        end
      end
      local ps = start_all(3, pass, b, places)
      pass(b, places)
      join_all(ps)
      for _, p in ipairs(ps) do assert.equal(0, p.exitcode) end
      assert.same({ 4, 0, false }, { b.parties, b.n_waiting, b.broken })
    end)

    it("runs its action once, before any goes on", function()
      local n = ctx.Value("i", 0)
      local b = ctx.Barrier(3, function()
        mp.sleep(0.01)
        n:add(1)
      end)
      local ps = start_all(2, function(barrier) for _ = 1, 6 do barrier:wait(20) end end, b)
      for i = 1, 6 do
        b:wait(20)
        assert(n.value >= i)
      end
      join_all(ps)
      assert.equal(6, n.value)
    end)

    it("is broken by a timeout, for all", function()
      local b, broken = ctx.Barrier(3), ctx.Event()
      local p = start(function(barrier, e)
        local ok, err = pcall(barrier.wait, barrier)
        if not ok and mp.iserror(err, "BrokenBarrierError") then e:set() end
      end, b, broken)
      helper.eventually(function() return b.n_waiting == 1 end)
      local seconds, ok, err = timed(pcall, b.wait, b, 0.1)
      between(0.099, seconds, 0.3)
      assert.is_false(ok)
      assert.is_true(mp.iserror(err, "BrokenBarrierError"))
      assert.is_true(broken:wait(2))
      assert.is_true(b.broken)
      assert.is_false((pcall(b.wait, b)))
      p:join()
      b:reset()
      assert.is_false(b.broken)
    end)

    it("has a default timeout", function()
      local b = ctx.Barrier{ parties = 2, timeout = 0.1 }
      between(0.099, timed(function() assert.is_false((pcall(b.wait, b))) end), 0.3)
    end)

    it("is broken by abort and made whole by reset", function()
      local b, n = ctx.Barrier(3), ctx.Value("i", 0)
      local function pass(barrier, count)
        local ok, err = pcall(barrier.wait, barrier, 10)
        if not ok and err:is "BrokenBarrierError" then count:add(1) end
      end
      local ps = start_all(2, pass, b, n)
      helper.eventually(function() return b.n_waiting == 2 end)
      b:abort()
      join_all(ps)
      assert.same({ 2, true, 0 }, { n.value, b.broken, b.n_waiting })
      b:reset()
      ps = start_all(2, pass, b, n)
      helper.eventually(function() return b.n_waiting == 2 end)
      b:reset()
      join_all(ps)
      assert.same({ 4, false, 0 }, { n.value, b.broken, b.n_waiting })
      ps = start_all(2, pass, b, n)
      assert.is_true(b:wait(10) >= 1)
      join_all(ps)
      assert.equal(4, n.value)
    end)

    it("is broken by an action that raises", function()
      local b = ctx.Barrier(1, function() error("boo", 0) end)
      assert.has_error(function() b:wait() end, "boo")
      assert.is_true(b.broken)
    end)

    it("does not count a party that was killed", function()
      local b = ctx.Barrier(3)
      local function pass(barrier) barrier:wait() end
      local ps = start_all(2, pass, b)
      helper.eventually(function() return b.n_waiting == 2 end)
      ps[1]:kill()
      ps[1]:join()
      assert.same({ 1, false }, { b.n_waiting, b.broken })
      ps[1] = start(pass, b)
      helper.eventually(function() return b.n_waiting == 2 end)
      assert.is_true(ps[2]:is_alive())
      local seconds = timed(b.wait, b, 5)
      between(0, seconds, 1)
      join_all(ps)
      assert.is_false(b.broken)
    end)

    it("keeps its timeout when a party is killed", function()
      local b = ctx.Barrier(2)
      local p = start(function(barrier) barrier:wait() end, b)
      helper.eventually(function() return b.n_waiting == 1 end)
      p:kill()
      p:join()
      between(0.199, timed(function() assert.is_false((pcall(b.wait, b, 0.2))) end), 0.4)
    end)

    it("goes on when the one that runs the action is killed", function()
      local first = ctx.Value("i", 0)
      local b = ctx.Barrier(2, function()
        if first:add(1) == 1 then mp.kill(mp.getpid(), 9) end
      end)
      local ps = start_all(3, function(barrier) barrier:wait(10) end, b)
      helper.eventually(function()
        local ended = 0
        for _, p in ipairs(ps) do ended = ended + (p:is_alive() and 0 or 1) end
        return ended == 3
      end)
      local codes = {}
      for i, p in ipairs(ps) do
        p:join()
        codes[i] = p.exitcode
      end
      table.sort(codes)
      assert.same({ -9, 0, 0 }, codes)
    end)

    it("checks its arguments", function()
      assert.has_error(function() ctx.Barrier() end)
      assert.has_error(function() ctx.Barrier(0) end)
      assert.has_error(function() ctx.Barrier(2, 5) end)
      assert.has_error(function() ctx.Barrier(2, nil, 0/0) end)
      assert.has_error(function() ctx.Barrier{ party = 2 } end)
    end)
  end)

  it("leave nothing behind", function()
    start(function() end):join()
    helper.leaks_nothing(function()
      local c, b, e = ctx.Condition(ctx.Lock()), ctx.Barrier(2, function() end), ctx.Event()
      local ps = start_all(6, function(x, y, z)
        pcall(y.wait, y, 0.05)
        z:wait(0.01)
        local _ <close> = x:hold()
        x:wait()
      end, c, b, e)
      mp.sleep(0.2)
      for _, p in ipairs(ps) do p:kill() end
      join_all(ps)
    end)
  end)
end)
