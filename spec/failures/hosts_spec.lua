--- Specs of hosts that make life hard: signals at any moment, jumping clocks, foreign reapers,
-- threads, system calls that are missing, memory and descriptors that run out.
-- MIT licence, see LICENSE

local helper = require "spec.helper"

local library = os.tmpname()
assert(os.execute(("${CC:-cc} -shared -fPIC -O1 -o %s spec/failures/hostile.c -pthread")
  :format(library)), "spec/failures/hostile.c does not compile")
teardown(function() os.remove(library) end)

local function hostile(words)
  return ("env LD_PRELOAD=%s HOSTILE=%s ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 %s")
    :format(library, words, helper.interpreter)
end

-- Something of everything, under the method arg[1].
local everything <const> = [[
  local mp = require "multiprocessing"
  local ctx = mp.get_context(arg[1])
  local q, v, l, ev = ctx.Queue(), ctx.Value("i", 0), ctx.Lock(), ctx.Event()
  local ps = {}
  for i = 1, 3 do
    ps[i] = ctx.Process{ target = function()
      for k = 1, 100 do
        l:acquire()
        v.value = v.value + 1
        l:release()
        q:put { k }
      end
      ev:wait(20)
      os.exit(i)
    end }
    ps[i]:start()
  end
  for _ = 1, 300 do q:get(true, 20) end
  ev:set()
  for i = 1, 3 do assert(ps[i]:join(20)) assert(ps[i].exitcode == i, ps[i].exitcode) end
  assert(v.value == 300)
  local p = ctx.Process{ target = mp.sleep, args = { 1000 }, daemon = true }
  p:start()
  p:kill()
  assert(p:join(20))
  assert(p.exitcode == -9, p.exitcode)
  local a, b = ctx.Pipe()
  p = ctx.Process{ target = function() for _ = 1, 50 do b:send(b:recv()) end end }
  p:start()
  for i = 1, 50 do
    a:send(i)
    assert(a:poll(20))
    assert(a:recv() == i)
  end
  assert(p:join(20))
  local function takes(seconds, f, ...)
    local began = mp.now()
    f(...)
    local took = mp.now() - began
    assert(took >= seconds and took < seconds + 5, ("%g instead of %g s"):format(took, seconds))
  end
  takes(0.03, mp.sleep, 0.03)
  takes(0.03, q.try_get, q, 0.03)
  l:acquire()
  takes(0.03, l.acquire, l, true, 0.03)
  ev:clear()
  takes(0.03, ev.wait, ev, 0.03)
  takes(0.03, mp.wait, { a, q }, 0.03)
  takes(0.03, a.poll, a, 0.03)
  local pool <close> = ctx.Pool(2)
  assert(pool:map(function(x) return x * x end, { 1, 2, 3, 4, 5 })[5] == 25)
  local ok, e = pcall(pool.apply, pool, os.exit, { 3 })
  assert(not ok and e.name == "WorkerLostError" and e.exitcode == 3, tostring(e))
  local r = pool:apply_async(function() while true do end end, {}, { timeout = 0.1 })
  ok, e = pcall(r.get, r, 20)
  assert(not ok and e.name == "TimeoutError", tostring(e))
  print "goes on"
]]

helper.each_method(function(_, method)
  describe("Under", function()
    for word, what in pairs {
      alarm = "a signal each millisecond", clock = "a wall clock that jumps",
      reaper = "a handler that reaps all children", threads = "threads that hold locks",
    } do
      if word ~= "threads" or method ~= "fork" then -- fork is refused there
        it(what .. " everything works", function()
          assert.equal("goes on\n", helper.run(everything, { command = hostile(word), args = method,
            deadline = 60 }))
        end)
      end
    end
  end)
end)

describe("A system call that is missing or forbidden", function()
  local numbers <const> = { memfd_create = 319, pidfd_open = 434, close_range = 436,
    fallocate = 285, clone3 = 435, epoll_create1 = 291 }
  -- the numbers are x86-64's
  local machine <close> = io.popen "uname -m"
  local here = machine:read "l" == "x86_64"
  for name, number in pairs(numbers) do
    it("is an error that says so, or is done without: " .. name, function()
      if not here then return pending "the numbers of system calls are those of x86_64" end
      for _, how in ipairs(name:find "open" and { "nosys", "eperm" } or { "nosys" }) do
        local out, status = helper.run(everything, { command = hostile(how .. "=" .. number),
          args = "fork", deadline = 60 })
        if status ~= 0 then
          assert(out:find "cannot" or out:find "not implemented" or out:find "not permitted", out)
        else
          assert.equal("goes on\n", out)
        end
      end
    end)
  end
end)

describe("Without descriptors", function()
  -- With one more descriptor from run to run, until all goes well.
  it("each constructor fails whole, and works again later", function()
    local out, status = helper.run([[
      local mp = require "multiprocessing"
      local helper = dofile "spec/helper.lua"
      local makers = {
        Process = function()
          local p = mp.Process{ target = os.exit }
          p:start()
          p:join()
        end,
        Pool = function()
          local pool <close> = mp.Pool(2)
          assert(pool:apply(math.abs, { -1 }) == 1)
        end,
        Queue = function()
          local q = mp.Queue()
          q:put(1)
          assert(q:get() == 1)
        end,
        fileno = function()
          local a, b = mp.Pipe()
          b:send(1)
          assert(a:fileno() and a:recv() == 1)
        end,
        wait = function()
          local a, b = mp.Pipe()
          mp.wait({ a, b }, 0)
        end,
        Listener = function()
          local l <close> = mp.Listener{}
          assert(not pcall(l.accept, l, 0))
        end,
        SharedMemory = function()
          local m = mp.SharedMemory{ name = "/mplua-spec-" .. mp.getpid(), create = true, size = 9 }
          m:unlink()
          m:close()
        end,
      }
      for _, make in pairs(makers) do make() end
      local function count()
        collectgarbage()
        collectgarbage()
        local n = 0
        for _ in pairs(helper.descriptors()) do n = n + 1 end
        return n
      end
      local before, failures = count(), 0
      for name, make in pairs(makers) do
        for free = 0, 30 do
          local files, failed = {}, false
          local file = io.open "/dev/null"
          while file do
            files[#files + 1] = file
            file = io.open "/dev/null"
          end
          for _ = 1, free do table.remove(files):close() end
          local ok, e = pcall(make)
          if not ok then
            failures, failed = failures + 1, true
            assert(tostring(e):find "[Tt]oo many open files" or name == "Listener", tostring(e))
          end
          for _, f in ipairs(files) do f:close() end
          make()
          if not failed then break end
        end
        mp.active_children()
        assert(count() <= before, name .. " leaves descriptors")
      end
      print(failures > 5 and "goes on")
    ]], { setup = "ulimit -n 60", deadline = 60 })
    assert.equal("goes on\n", out)
    assert.equal(0, status)
  end)
end)

describe("Without memory", function()
  it("everything is an error or a right result", function()
    if not helper.runs_in(90000) then return pending "a sanitizer needs more addresses" end
    local failed, passed = 0, 0
    for _, limit in ipairs { 15000, 30000, 60000, 90000, 400000 } do
      local out, status = helper.run(everything, { setup = "ulimit -v " .. limit, args = "fork",
        deadline = 60 })
      if status == 0 then
        passed = passed + 1
        assert.equal("goes on\n", out)
      else
        failed = failed + 1
        assert(out:find "memory" or out:find "cannot" or out:find "allocate", limit .. ": " .. out)
        assert(status == 1 or status == 127, "status " .. status)
      end
    end
    assert.is_true(failed > 0 and passed > 0)
  end)
end)

describe("With standard streams closed", function()
  for _, redirect in ipairs { "<&-", ">&- 2>&-", "<&- >&- 2>&-" } do
    it("no descriptor of the library takes their place: " .. redirect, function()
      local path = os.tmpname()
      helper.run([[
        local mp = require "multiprocessing"
        local free = {}
        for i = 0, 2 do
          local f <close> = io.open("/proc/self/fdinfo/" .. i)
          free[i] = not f
        end
        local q, a, b = mp.Queue(), mp.Pipe()
        a:fileno()
        local l <close> = mp.Listener{}
        local pool <close> = mp.Pool(2)
        assert(pool:apply(math.abs, { -1 }) == 1)
        q:put(1)
        mp.wait({ q, b }, 1)
        for i = 0, 2 do
          local target = io.popen("readlink /proc/" .. mp.getpid() .. "/fd/" .. i)
          local is = target:read "a"
          target:close()
          assert(not free[i] or is == "" or is:find "pipe", is) -- popen's own
        end
        local file = io.open(arg[1], "w")
        file:write "goes on"
        file:close()
      ]], { args = path, redirect = redirect })
      local file <close> = assert(io.open(path))
      os.remove(path)
      assert.equal("goes on", file:read "a")
    end)
  end
end)
