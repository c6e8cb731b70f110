--- Specs of faults in the life of processes: killed families, zombies, forgotten handles.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local lives = helper.lives

local function all_gone(pids)
  for _, pid in ipairs(pids) do
    if lives(pid) then return false end
  end
  return true
end

local function zombies()
  local n = 0
  for _, pid in ipairs(helper.children()) do
    if not lives(pid) then n = n + 1 end
  end
  return n
end

helper.each_method(function(ctx, method)
  local start = helper.starter(ctx)

  -- Daemons of a parent, in every state that one can be in; then the parent is killed.
  it("daemons end with a killed parent, whatever they are doing", function()
    local pids = ctx.Queue()
    local p = start(function()
      local lock, q, full = ctx.Lock(), ctx.Queue(), ctx.Queue(1)
      local a, b = ctx.Pipe()
      lock:acquire()
      full:put(1)
      local states = {
        function() while true do end end,
        function() mp.sleep(1000) end,
        function() q:get() end,
        function() full:put(2) end,
        function() lock:acquire() end,
        function() ctx.Event():wait() end,
        function() b:recv() end,
        function() mp.wait({ a, q }) end,
        function() os.execute("sleep 3") mp.sleep(1000) end,
        function() io.popen("sleep 3"):read("a") mp.sleep(1000) end,
        function() string.rep("a", 30):find(("a?"):rep(30) .. ("a"):rep(30)) end,
      }
      for _, f in ipairs(states) do
        local d = ctx.Process{ daemon = true, target = function()
          pids:put(mp.getpid())
          f()
        end }
        d:start()
      end
      pids:put "started"
      mp.sleep(1000)
    end)
    local list = {}
    while #list < 12 do list[#list + 1] = pids:get(true, 30) end
    for i = #list, 1, -1 do
      if list[i] == "started" then table.remove(list, i) end
    end
    p:kill()
    assert.is_true(p:join(20))
    helper.eventually(function() return all_gone(list) end, 8)
  end)

  it("nested pools end with the process that began it all", function()
    local pids = ctx.Queue()
    local function level(n)
      pids:put(mp.getpid())
      if n == 0 then return mp.sleep(1000) end
      local pool = ctx.Pool(1)
      pool:apply(level, { n - 1 })
    end
    local p = start(level, 5)
    local list = {}
    for i = 1, 6 do list[i] = pids:get(true, 30) end
    p:kill()
    assert.is_true(p:join(20))
    helper.eventually(function() return all_gone(list) end, 8)
  end)

  it("terminate takes daemonic grandchildren along, and leaves the others alone", function()
    local pids = ctx.Queue()
    local p = start(function()
      for _, daemon in ipairs { true, false } do
        ctx.Process{ daemon = daemon, target = function()
          pids:put { daemon, mp.getpid() }
          mp.sleep(1000)
        end }:start()
      end
      mp.sleep(1000)
    end)
    local of = {}
    for _ = 1, 2 do
      local got = pids:get(true, 30)
      of[got[1]] = got[2]
    end
    p:terminate()
    assert.is_true(p:join(20))
    assert.equal(-15, p.exitcode)
    helper.eventually(function() return not lives(of[true]) end, 8)
    assert.is_true(lives(of[false]))
    mp.kill(of[false], 9)
  end)

  it("a child killed at any moment of its start is joined, with its status", function()
    for i = 1, method == "spawn" and 20 or 60 do
      local p = start(os.exit, 0)
      local t = mp.now() + (i % 20) * 0.0001
      while mp.now() < t do end -- luacheck: ignore
      p:kill()
      assert.is_true(p:join(20))
      assert(p.exitcode == -9 or p.exitcode == 0, "exit code " .. tostring(p.exitcode))
    end
  end)

  it("a stopped child ends by kill, not by terminate", function()
    local p = start(mp.sleep, 1000)
    helper.stop(p)
    p:terminate()
    assert.is_false(p:join(0.2))
    assert.is_true(p:is_alive())
    assert.is_nil(p.exitcode)
    p:kill()
    assert.is_true(p:join(20))
    assert.equal(-9, p.exitcode)
  end)

  it("children that nobody joins leave no zombies when they are looked at", function()
    for _ = 1, method == "spawn" and 10 or 50 do start(os.exit, 0) end
    helper.eventually(function() return #ctx.active_children() == 0 end, 30)
    assert.equal(0, zombies())
  end)

  it("a process that was forgotten runs to its end, and leaves no descriptor", function()
    local done = ctx.Value("i", 0)
    local function count()
      local n = 0
      for _ in pairs(helper.descriptors()) do n = n + 1 end
      return n
    end
    local function round()
      local go = ctx.Event()
      local before = done.value
      for _ = 1, 5 do
        start(function()
          go:wait(30)
          done:add(1)
        end)
      end
      local began = mp.now()
      collectgarbage()
      collectgarbage()
      assert.is_true(mp.now() - began < 2) -- it does not wait for them
      go:set()
      helper.eventually(function() return done.value == before + 5 end, 30)
      helper.eventually(function() return #ctx.active_children() == 0 end, 30)
      return count()
    end
    local before = round()
    assert.equal(before, round())
  end)

  it("a child has no signal ignored or blocked that its parent had", function()
    local out = helper.run(([[
      local mp = require "multiprocessing"
      local p = mp.get_context("%s").Process{ target = function()
        local file <close> = io.open("/proc/self/status")
        local text = file:read("a")
        local ignored = tonumber(text:match("SigIgn:%%s*(%%x+)"), 16)
        io.write(text:match("SigBlk:%%s*(%%x+)"), " ", ignored & 0x7fffffff)
      end }
      p:start()
      p:join(20)
    ]]):format(method), { setup = "trap '' USR1 TERM CHLD PIPE" })
    assert.equal("0000000000000000 0", out)
  end)

  it("a child works from a directory that is gone", function()
    local out = helper.run(([[
      local mp = require "multiprocessing"
      local p = mp.get_context("%s").Process{ target = function() io.write("works ") end }
      p:start()
      print(p:join(20), p.exitcode)
      local pool <close> = mp.get_context("%s").Pool(1)
      print(pool:apply(math.abs, { -3 }))
    ]]):format(method, method), { command = ([[sh -c 'd=$(mktemp -d) && cd $d && rmdir $d &&
      exec %s "$0"']]):format(helper.interpreter:find("^/") and helper.interpreter
        or "$OLDPWD/" .. helper.interpreter) })
    assert.equal("works true\t0\n3\n", out)
  end)

  it("a target can nest as many C calls as its parent could", function()
    local said = ctx.Queue()
    local function nest(n, f)
      if n == 0 then return f() end
      string.gsub("x", "x", function() nest(n - 1, f) end)
    end
    nest(150, function()
      assert.is_true(start(function()
        said:put((pcall(nest, 150, function() end)))
      end):join(20))
    end)
    assert.is_true(said:get(true, 20))
  end)
end)

describe("A program that is none of ours", function()
  it("as executable is an error, or a child that ended", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      mp.set_executable "/bin/false"
      local p = mp.get_context("spawn").Process{ target = print }
      p:start()
      print(p:join(20), p.exitcode)
      p = mp.get_context("forkserver").Process{ target = print }
      local ok, e = pcall(p.start, p)
      print(ok, mp.iserror(e, "ProcessError"), e.message:find "forkserver" ~= nil)
      print(#mp.active_children())
    ]]
    assert.equal("true\t1\nfalse\ttrue\ttrue\n0\n", out)
  end)

  it("does not look like a target that returned", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      local ctx = mp.get_context "spawn"
      local function run()
        local p = ctx.Process{ target = function() os.exit(0) end }
        p:start()
        p:join(20)
        return p.exitcode
      end
      print(run())
      mp.set_executable "/bin/true"
      print(run())
      local p = mp.get_context("forkserver").Process{ target = print }
      local _, e = pcall(p.start, p)
      print(e.message:match "set_executable named (%S+),")
    ]]
    assert.equal("0\n127\n/bin/true\n", out)
  end)
end)

describe("As process 1 of a container", function()
  it("a program works, and waits for its own children only", function()
    local command = "unshare -rpf --mount-proc " .. helper.interpreter
    if not os.execute("unshare -rpf --mount-proc true 2>/dev/null") then
      return pending "no right to make a pid namespace"
    end
    local out, status = helper.run([[
      local mp = require "multiprocessing"
      assert(mp.getpid() == 1)
      os.execute "(sleep 0.1 &) ; true" -- an orphan: ours now
      local p = mp.Process{ target = os.exit, args = { 3 } }
      p:start()
      print(p:join(20), p.exitcode)
      local pool <close> = mp.Pool(2)
      print(table.concat(pool:map(math.abs, { -1, -2, -3 }), " "))
    ]], { command = command })
    assert.equal("true\t3\n1 2 3\n", out)
    assert.equal(0, status)
  end)
end)

describe("wait", function()
  it("takes descriptors beyond 1024", function()
    local out = helper.run([[
      local mp = require "multiprocessing"
      local list, files = {}, {}
      for i = 1, 1100 do files[i] = assert(io.open "/dev/null") end
      for i = 1, 20 do
        local a, b = mp.Pipe()
        list[i], files[#files + 1] = a, b
        assert(a:fileno() > 1024)
      end
      files[#files]:send "x"
      local ready = mp.wait(list, 20)
      print(#ready, ready[1] == list[20])
      list[1] = list[20]:fileno()
      ready = mp.wait({ list[1] }, 20)
      print(#ready, ready[1] == list[1])
    ]], { setup = "ulimit -n 4096" })
    assert.equal("1\ttrue\n1\ttrue\n", out)
  end)
end)

describe("A state that is closed in the midst of everything", function()
  for _, command in ipairs { "./mplua", "lua5.4" } do -- lua5.4 unloads the module, too
    it("ends in time and leaves nothing: " .. command, function()
      local out, status = helper.run([[
        package.cpath = "./?.so;" .. package.cpath
        local mp = require "multiprocessing"
        keep = { mp.Queue(), mp.Pipe(), mp.Lock(), mp.Array("d", 1000),
          mp.Manager():dict{ a = 1 } }
        listener = mp.Listener()
        keep[1]:put(keep)
        pool = mp.Pool(2)
        pool:map_async(function() while true do end end, { 1, 2 })
        p = mp.Process{ target = mp.sleep, args = { 1000 }, daemon = true }
        p:start()
        for _, w in ipairs(pool:stats().workers) do io.write(w.pid, " ") end
        print(p.pid)
        os.exit(7, true)
      ]], { command = command })
      assert.equal(7, status)
      for pid in out:gmatch "%d+" do
        helper.eventually(function() return not lives(pid) end, 8)
      end
    end)
  end
end)
