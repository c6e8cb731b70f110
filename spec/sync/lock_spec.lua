--- Specs of Lock, RLock, Semaphore and BoundedSemaphore, under every start method.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local timed <const>, between <const> = helper.timed, helper.between

helper.each_method(function(ctx)
  local start <const> = helper.starter(ctx)

  local function run(target, ...)
    local p = start(target, ...)
    assert.is_true(p:join(20))
    return p.exitcode
  end

  -- a child that takes the lock, says so, and stays
  local function holder(lock)
    local ready = ctx.Event()
    local p = start(function(l, e)
      l:acquire()
      e:set()
      mp.sleep(100)
    end, lock, ready)
    assert.is_true(ready:wait(10))
    return p
  end

  for _, name in ipairs{ "Lock", "RLock" } do
    describe(name, function()
      local lock
      before_each(function() lock = ctx[name]() end)

      it("is held by one process at a time", function()
        local count = ctx.RawValue("i", 0)
        local function work(l, c)
          for _ = 1, 2000 do
            l:acquire()
            c.value = c.value + 1
            l:release()
          end
        end
        local ps = {}
        for i = 1, 3 do ps[i] = start(work, lock, count) end
        for _, p in ipairs(ps) do assert.is_true(p:join(30)) end
        assert.equal(6000, count.value)
        assert.is_false(lock:locked())
      end)

      it("waits as long as it is told", function()
        local p = holder(lock)
        assert.is_true(lock:locked())
        local seconds, taken = timed(lock.acquire, lock, false)
        assert.is_false(taken)
        between(0, seconds, 0.1)
        seconds, taken = timed(lock.acquire, lock, true, 0.2)
        assert.is_false(taken)
        between(0.199, seconds, 0.4)
        assert.is_false(lock:acquire(true, 0))
        assert.is_false(lock:acquire(true, -1))
        p:kill()
        p:join()
      end)

      it("goes to a waiter when it is released", function()
        local ready, go = ctx.Event(), ctx.Event()
        local p = start(function(l, r, g)
          l:acquire()
          r:set()
          g:wait()
          l:release()
          mp.sleep(0.3)
        end, lock, ready, go)
        ready:wait()
        go:set()
        local seconds, taken, how = timed(lock.acquire, lock)
        assert.same({ true, nil }, { taken, how })
        between(0, seconds, 0.25)
        p:join()
      end)

      it("is taken at once from a holder that was killed", function()
        local p = holder(lock)
        p:kill()
        p:join()
        assert.same({ true, "abandoned" }, { lock:acquire(false) })
        lock:release()
        assert.same({ true }, { lock:acquire(false) })
      end)

      it("is taken within a second when its holder is killed later", function()
        local p = holder(lock)
        local killer = start(function(pid)
          mp.sleep(0.2)
          mp.kill(pid, 9)
        end, p.pid)
        local seconds, taken, how = timed(lock.acquire, lock, true, 5)
        assert.same({ true, "abandoned" }, { taken, how })
        between(0.1, seconds, 1.2)
        p:join()
        killer:join()
      end)

      it("is taken from a process that ended with it", function()
        assert.equal(0, run(function(l) l:acquire() end, lock))
        assert.same({ true, "abandoned" }, { lock:acquire() })
        lock:release()
        assert.equal(3, run(function(l) l:acquire() os.exit(3) end, lock))
        local held <close> = lock:hold()
        assert.is_true(held.abandoned)
      end)

      it("goes on to the next when waiters are killed", function()
        local p = holder(lock)
        local waiters = {}
        for i = 1, 4 do waiters[i] = start(function(l) l:acquire() mp.sleep(100) end, lock) end
        mp.sleep(0.05)
        for i = 1, 4 do waiters[i]:kill() end
        p:kill()
        assert.is_true((lock:acquire(true, 2)))
        for i = 1, 4 do waiters[i]:join() end
        p:join()
      end)

      it("holds until the end of a block", function()
        do
          local held <close> = lock:hold()
          assert.is_false(held.abandoned)
          assert.is_true(lock:locked())
        end
        assert.is_false(lock:locked())
        pcall(function()
          local _ <close> = lock:hold()
          error "x"
        end)
        assert.is_false(lock:locked())
      end)

      it("runs a function", function()
        assert.same({ 1, nil, 3, n = 3 }, table.pack(lock:with(function(...)
          assert.is_true(lock:locked())
          return ...
        end, 1, nil, 3)))
        assert.has_error(function() lock:with(error, "boo") end, "boo")
        assert.is_false(lock:locked())
        assert.has_error(function() lock:with(5) end,
          "bad argument #1 to 'with' (function expected, got integer 5)")
      end)

      it("cannot be released by nobody's holder", function()
        assert.is_false((pcall(lock.release, lock)))
        assert.is_false((pcall(function() ctx[name](5) end)))
        assert.has_error(function() lock:acquire(5) end)
        assert.has_error(function() lock:acquire(true, 0/0) end)
      end)

      it("travels in messages", function()
        local q = ctx.Queue()
        q:put{ lock, lock }
        local got = q:get()
        assert.equal(lock, got[1])
        got[1]:acquire()
        assert.is_true(lock:locked())
        lock:release()
      end)

      it("ends waiting on Ctrl-C", function()
        local output, status, seconds = helper.run(([[
          local mp = require "multiprocessing"
          local lock = mp.%s()
          local p = mp.Process{ target = function(pid)
            lock:acquire()
            mp.sleep(0.3)
            mp.kill(pid, 2)
            mp.sleep(1)
          end, args = { mp.getpid() } }
          p:start()
          while not lock:locked() do mp.sleep(0.01) end
          print(pcall(lock.acquire, lock))
          p:kill()
        ]]):format(name))
        assert.equal("false\tinterrupted!\n", output)
        assert.equal(0, status)
        between(0, seconds, 3)
      end)
    end)
  end

  describe("Lock", function()
    it("may be released by any process", function()
      local lock = ctx.Lock()
      lock:acquire()
      assert.equal(0, run(function(l) l:release() end, lock))
      assert.is_false(lock:locked())
    end)
  end)

  describe("RLock", function()
    it("is taken as often as its holder likes", function()
      local lock = ctx.RLock()
      for _ = 1, 5 do assert.is_true(lock:acquire()) end
      for _ = 1, 4 do lock:release() end
      assert.equal(1, run(function(l) os.exit(l:acquire(false) and 0 or 1) end, lock))
      lock:release()
      assert.equal(0, run(function(l) os.exit(l:acquire(false) and 0 or 1) end, lock))
    end)

    it("is released by its owner alone", function()
      local lock = ctx.RLock()
      lock:acquire()
      assert.equal(0, run(function(l)
        local ok, message = pcall(l.release, l)
        os.exit(not ok and message:find "does not hold it" and 0 or 1)
      end, lock))
      lock:release()
    end)
  end)

  describe("Semaphore", function()
    it("has so many units", function()
      local s = ctx.Semaphore(2)
      assert.is_true(s:acquire())
      assert.equal(1, s:get_value())
      assert.is_false(s:locked())
      assert.is_true(s:acquire(true, 1))
      assert.is_true(s:locked())
      between(0.09, timed(function() assert.is_false(s:acquire(true, 0.1)) end), 0.3)
      s:release()
      s:release()
      s:release()
      assert.equal(3, s:get_value())
    end)

    it("begins with 1, takes named options, and counts nothing else", function()
      assert.equal(1, ctx.Semaphore():get_value())
      assert.equal(0, ctx.Semaphore{ value = 0 }:get_value())
      assert.has_error(function() ctx.Semaphore(-1) end)
      assert.has_error(function() ctx.Semaphore "1" end)
      local _, message = pcall(function() ctx.Semaphore{ count = 1 } end)
      assert.matches("^spec.-:%d+: unknown option 'count' to 'Semaphore' %(there are: value%)$",
        message)
      _, message = pcall(function() ctx.Semaphore(-1) end)
      assert.matches("^spec/sync/lock_spec.lua:%d+: bad argument #1 to 'Semaphore'", message)
    end)

    it("loses no unit and no wake-up", function()
      local a, b = ctx.Semaphore(0), ctx.Semaphore(0)
      local p = start(function(x, y)
        for _ = 1, 3000 do
          x:acquire()
          y:release()
        end
      end, a, b)
      for _ = 1, 3000 do
        a:release()
        assert.is_true(b:acquire(true, 10))
      end
      p:join()
      assert.same({ 0, 0 }, { a:get_value(), b:get_value() })
    end)

    it("wakes a live one among dead waiters", function()
      local s, ready = ctx.Semaphore(0), ctx.Semaphore(0)
      local function wait(sem, r)
        r:release()
        sem:acquire()
      end
      local ps = {}
      for i = 1, 4 do ps[i] = start(wait, s, ready) end
      for _ = 1, 4 do ready:acquire() end
      mp.sleep(0.02)
      for i = 1, 3 do ps[i]:kill() end
      s:release()
      assert.is_true(ps[4]:join(1))
      for i = 1, 3 do ps[i]:join() end
    end)

    it("loses the units of the dead, as in Python", function()
      local s = ctx.Semaphore(2)
      run(function(sem) sem:acquire() end, s)
      assert.equal(1, s:get_value())
    end)
  end)

  describe("BoundedSemaphore", function()
    it("never has more units than at the beginning", function()
      local s = ctx.BoundedSemaphore(1)
      assert.has_error(function() s:release() end)
      s:acquire()
      s:release()
      assert.has_error(function() s:release() end)
      assert.equal(1, s:get_value())
    end)

    it("gets back what a dead process held", function()
      local s = ctx.BoundedSemaphore(3)
      run(function(sem)
        for _ = 1, 3 do sem:acquire() end
        mp.kill(mp.getpid(), 9)
      end, s)
      assert.is_true(s:acquire(false))
      assert.equal(2, s:get_value())
      s:release()
      run(function(sem) sem:acquire() end, s) -- ended normally
      assert.equal(3, s:get_value())
    end)

    it("gets it back for one who waits", function()
      local s = ctx.BoundedSemaphore(1)
      local p = holder(s)
      local killer = start(function(pid)
        mp.sleep(0.2)
        mp.kill(pid, 9)
      end, p.pid)
      local seconds, taken = timed(s.acquire, s, true, 5)
      assert.is_true(taken)
      between(0.1, seconds, 1.2)
      p:join()
      killer:join()
    end)

    it("may be released by another process", function()
      local s = ctx.BoundedSemaphore(2)
      s:acquire()
      run(function(sem) sem:release() end, s)
      assert.equal(2, s:get_value())
      assert.has_error(function() s:release() end)
    end)

    it("knows more holders than its table has room for", function()
      local s, ready, go = ctx.BoundedSemaphore(20), ctx.Semaphore(0), ctx.Event()
      local ps = {}
      for i = 1, 20 do
        ps[i] = start(function(sem, r, g)
          sem:acquire()
          r:release()
          g:wait()
        end, s, ready, go)
      end
      for _ = 1, 20 do assert.is_true(ready:acquire(true, 20)) end
      assert.equal(0, s:get_value())
      for i = 1, 10 do ps[i]:kill() end
      for i = 1, 10 do ps[i]:join() end
      assert.equal(10, s:get_value())
      go:set()
      for i = 11, 20 do ps[i]:join() end
      assert.equal(20, s:get_value())
    end)
  end)

  it("leave nothing behind", function()
    run(function() end)
    helper.leaks_nothing(function()
      for _, name in ipairs{ "Lock", "RLock", "BoundedSemaphore" } do
        local l = ctx[name]()
        run(function(x)
          x:acquire()
          mp.kill(mp.getpid(), 9)
        end, l)
        l:acquire()
      end
    end)
  end)
end)

describe("many locks", function()
  it("live at once", function()
    local before = helper.arena_bytes()
    local locks = {}
    for i = 1, 100000 do locks[i] = mp.Lock() end
    for i = 1, 100000, 1000 do assert.is_true(locks[i]:acquire()) end
    locks = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert(helper.arena_bytes() <= before)
  end)

  it("are all released when their holder dies with them", function()
    local locks = {}
    for i = 1, 5000 do locks[i] = mp.Lock() end
    local p = mp.Process{ target = function()
      for i = 1, 5000 do locks[i]:acquire() end
      mp.kill(mp.getpid(), 9)
    end }
    p:start()
    p:join()
    for i = 1, 5000 do
      assert.same({ true, "abandoned" }, { locks[i]:acquire(true, 1) })
    end
  end)
end)

describe("an idle waiter", function()
  local function switches(pid)
    local file <close> = assert(io.open("/proc/" .. pid .. "/status"))
    return tonumber((file:read "a":match "\nvoluntary_ctxt_switches:%s*(%d+)"))
  end

  local function wakes_rarely(wait)
    local p = mp.Process{ target = wait }
    p:start()
    mp.sleep(0.3)
    local before = switches(p.pid)
    mp.sleep(2)
    local n = (switches(p.pid) - before) / 2
    p:kill()
    p:join()
    assert(n <= 20, n .. " wake-ups a second")
    assert(n >= 1, "the waiter is not what was measured")
  end

  local function held(lock)
    lock:acquire()
    return lock
  end

  local waits = {
    Lock = function()
      local lock = held(mp.Lock())
      return function() lock:acquire() end
    end,
    Semaphore = function()
      local s = mp.Semaphore(0)
      return function() s:acquire() end
    end,
    BoundedSemaphore = function()
      local s = held(mp.BoundedSemaphore(1))
      return function() s:acquire() end
    end,
    Event = function()
      local e = mp.Event()
      return function() e:wait() end
    end,
    Condition = function()
      local c = mp.Condition()
      return function() c:acquire() c:wait() end
    end,
    Barrier = function()
      local b = mp.Barrier(2)
      return function() b:wait() end
    end,
  }
  for name, wait in pairs(waits) do
    it("of a " .. name .. " wakes no more than 20 times a second", function()
      wakes_rarely(wait())
    end)
  end
end)
