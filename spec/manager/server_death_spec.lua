--- Specs of what becomes of a manager's clients when its server dies, and of the server when its
--- owner does.

-- luacheck: ignore 212/self

local helper = require "spec.helper"

local Thing = {}
Thing.__index = Thing
function Thing.new() return setmetatable({}, Thing) end
function Thing:pid() return require("multiprocessing").getpid() end
function Thing:sleep(s) require("multiprocessing").sleep(s) end
function Thing:work() while true do end end -- luacheck: ignore 542
function Thing:call(f, ...) return f(...) end

local function error_of(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

-- A zombie that nobody has waited for yet has ended, too.
local function has_ended(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return not file or file:read "a":find "^%d+ %b() Z" ~= nil
end

local function exists(path) return os.rename(path, path) ~= nil end

helper.each_method(function(mp, method)
  local My = mp.BaseManager:extend "My"
  My:register("Thing", Thing)

  local function raises(name, f, ...)
    local e = error_of(f, ...)
    assert(mp.iserror(e, name), ("%s expected, got %s"):format(name, tostring(e)))
    return e
  end

  -- The names of the errors that calls in processes of their own end with.
  local function blocked(list, q)
    local processes = {}
    for i, v in ipairs(list) do
      processes[i] = mp.Process{ target = function(thing, way, results)
        results:put "begun"
        local ok, e = pcall(thing[way], thing, 60)
        results:put{ ok, mp.iserror(e) and e.name or tostring(e) }
      end, args = { v[1], v[2], q } }
      processes[i]:start()
    end
    for _ = 1, #list do assert.equal("begun", q:get(true, 20)) end
    return processes
  end

  describe("a manager's server", function()
    it("that is killed raises ManagerLostError in every call, at once", function()
      helper.leaks_nothing(function()
        local m <close> = My{ address = "127.0.0.1:0", authkey = "k" }:start()
        local remote = My{ address = m.address, authkey = "k" }:connect()
        local a, b = m:Thing(), remote:Thing()
        local pid = a:pid()
        local q = mp.Queue()
        local processes = blocked({ { a, "sleep" }, { b, "sleep" }, { m:Thing(), "work" } }, q)
        mp.kill(pid, 9)
        local began = mp.now()
        for _ = 1, 3 do assert.same({ false, "ManagerLostError" }, q:get(true, 20)) end
        assert.is_true(mp.now() - began < 5)
        for _, p in ipairs(processes) do p:join() end
        raises("ManagerLostError", a.pid, a)
        raises("ManagerLostError", b.pid, b)
        raises("ManagerLostError", m.Thing, m)
        raises("ManagerLostError", remote.Thing, remote)
        assert.is_true(m:join(5))
        remote:shutdown()
      end)
    end)

    it("leaves its address to the next one, whom clients can connect to again", function()
      for _, address in ipairs { "127.0.0.1:0", "path" } do
        local path = os.tmpname()
        os.remove(path)
        local m <close> = My{ address = address == "path" and path or address, authkey = "k" }
        m:start()
        local remote <close> = My{ address = m.address, authkey = "k" }:connect()
        local old = remote:Thing()
        mp.kill(m:Thing():pid(), 9)
        assert.is_true(m:join(10))
        raises("ManagerLostError", remote.Thing, remote)
        raises("ManagerLostError", remote.connect, remote)
        local again <close> = My{ address = m.address, authkey = "k" }:start()
        assert.equal(m.address, again.address)
        remote:connect()
        assert.equal(again:Thing():pid(), remote:Thing():pid())
        raises("ManagerLostError", old.pid, old)
        m:shutdown()
        assert.equal(address == "path", exists(path))
      end
    end)

    it("is not seen as alive because a process lives that it has started", function()
      local m <close> = My{ address = "127.0.0.1:0", authkey = "k" }:start()
      local remote <close> = My{ address = m.address, authkey = "k" }:connect()
      local started, go_on = mp.Queue(), mp.Event()
      local a, b = m:Thing(), remote:Thing()
      a:call(function()
        local p = mp.Process{ target = function()
          started:put(mp.getpid())
          go_on:wait(60)
        end, daemon = false }
        p:start()
      end)
      local child = started:get(true, 20)
      local q = mp.Queue()
      local processes = blocked({ { a, "sleep" }, { b, "sleep" } }, q)
      mp.kill(a:pid(), 9)
      for _ = 1, 2 do assert.same({ false, "ManagerLostError" }, q:get(true, 20)) end
      for _, p in ipairs(processes) do p:join() end
      mp.kill(child, 0)
      go_on:set()
    end)

    it("ends, with what it does, when it is shut down", function()
      local m = My():start()
      local path = m.address
      assert.is_true(exists(path))
      local q = mp.Queue()
      local processes = blocked({ { m:Thing(), "sleep" }, { m:Thing(), "work" } }, q)
      m:shutdown()
      for _ = 1, 2 do assert.same({ false, "ManagerLostError" }, q:get(true, 20)) end
      for _, p in ipairs(processes) do p:join() end
      assert.is_false(exists(path))
    end)

    it("ends when nobody can reach it any more", function()
      local pid
      do
        local m = My():start()
        local thing = m:Thing()
        m = nil -- luacheck: ignore
        collectgarbage()
        pid = thing:pid()
      end
      collectgarbage()
      collectgarbage()
      helper.eventually(function()
        mp.active_children()
        return has_ended(pid)
      end)
    end)

    for _, way in ipairs { "is killed", "ends", "exits" } do
      it("ends within 2 s, its path removed, when its owner " .. way, function()
        local q = mp.Queue()
        local p = mp.get_context("fork").Process{ target = function()
          local m = My():start()
          local thing = m:Thing()
          q:put(thing:pid())
          q:put(m.address)
          if way == "is killed" then mp.kill(mp.getpid(), 9) end
          if way == "exits" then os.exit(3) end
        end }
        p:start()
        local pid, path = q:get(true, 20), q:get(true, 20)
        p:join()
        helper.eventually(function() return has_ended(pid) end, 4)
        assert.is_false(exists(path))
      end)
    end

    it("takes no notice of Ctrl-C: its owner ends it", function()
      local m <close> = My():start()
      local thing = m:Thing()
      mp.kill(thing:pid(), "SIGINT")
      assert.not_equal(mp.getpid(), thing:pid())
    end)
  end)

  describe("Ctrl-C", function()
    it("ends owner and server with one message", function()
      local output, status = helper.run(([[
        local mp = require "multiprocessing"
        mp.set_start_method %q
        local My = mp.BaseManager:extend "My"
        My:register("T", function() return { wait = function(_, s) mp.sleep(s) end } end)
        local m = My():start()
        print(m.address)
        io.stdout:flush()
        m:T():wait(60)]]):format(method),
        { command = "timeout -s INT --preserve-status 1 " .. helper.interpreter })
      local path, count = output:match "^[^\n]*", select(2, output:gsub("interrupted!", ""))
      assert.equal(130, status, output)
      assert.equal(1, count, output)
      assert.is_false(path == "" or exists(path))
    end)
  end)

  describe("a client", function()
    it("that is killed in the middle of a call disturbs nobody", function()
      local m <close> = My():start()
      local thing, big = m:Thing(), ("x"):rep(1 << 20)
      local list = {}
      for i = 1, 4 do
        list[i] = mp.Process{ target = function(t, s)
          while true do t:call(function(v) return v end, s) end
        end, args = { thing, big } }
        list[i]:start()
      end
      for _, p in ipairs(list) do
        for _ = 1, 5 do assert.equal(5, thing:call(function(v) return v end, 5)) end
        p:kill()
        p:join()
      end
      assert.equal(5, thing:call(function(v) return v end, 5))
    end)

    it("that is interrupted can go on", function()
      if method ~= "fork" then return end -- the client is one process
      for _, address in ipairs { '"127.0.0.1:0"', "nil" } do
        local output, status = helper.run(([[
          local mp = require "multiprocessing"
          local called = mp.Event()
          local My = mp.BaseManager:extend "My"
          My:register("T", function()
            return { f = function() return 2 end, wait = function()
              called:set()
              mp.sleep(0.3)
              return 1
            end }
          end)
          local address = %s
          local m <close> = My{ address = address, authkey = "k" }:start()
          local c = address and My{ address = m.address, authkey = "k" }:connect() or m
          local t = c:T()
          local p = mp.Process{ target = function(main)
            called:wait()
            mp.kill(main, "SIGINT")
          end, args = { mp.getpid() } }
          p:start()
          print(pcall(t.wait, t))
          p:join()
          print(t:f(), t:f())]]):format(address))
        assert.matches("^false\t.-interrupted!\n2\t2\n$", output)
        assert.equal(0, status)
      end
    end)
  end)
end)
