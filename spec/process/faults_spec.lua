--- Specs of what goes wrong around processes: limits, closed streams, kills, hosts that reap.

local helper = require "spec.helper"
local mp = require "multiprocessing"

local interpreter = helper.interpreter
if interpreter:sub(1, 1) ~= "/" then
  local pwd <close> = io.popen("pwd")
  interpreter = pwd:read("l") .. "/" .. interpreter
end

-- a script that has ctx, a context of the method
local function script(method, body, options)
  return helper.run(('local mp = require "multiprocessing"\nlocal ctx = mp.get_context "%s"\n')
    :format(method) .. body, options)
end

helper.each_method(function(_, method)
  it("tells exit codes where SIGCHLD is ignored", function()
    local out = script(method, [[
      for _, code in ipairs { 0, 1, 255 } do
        local p = ctx.Process{ target = os.exit, args = { code } }
        p:start()
        io.write(tostring(p:join(10)), " ", tostring(p.exitcode), ", ")
      end
      local p = ctx.Process{ target = mp.sleep, args = { 100 } }
      p:start()
      p:terminate()
      print(p:join(10), p.exitcode)
    ]], { command = "env --ignore-signal=CHLD " .. helper.interpreter }) -- timeout(1) undoes a trap
    assert.equal("true 0, true 1, true 255, true\t-15\n", out)
  end)

  it("works with 0, 1 and 2 closed", function()
    local path = os.tmpname()
    script(method, ([[
      local p = ctx.Process{ target = function(path)
        local out = io.open(path, "w")
        out:write("done ", tostring(io.read("a")))
        out:close()
      end, args = { %q } }
      p:start()
      p:join(10)
      os.exit(p.exitcode)
    ]]):format(path), { redirect = "<&- >&- 2>&-" })
    local file <close> = assert(io.open(path))
    assert.equal("done ", file:read("a"))
    os.remove(path)
  end)

  it("starts no process without descriptors, and works again with some", function()
    local out = script(method, [[
      local p = ctx.Process{ target = print } -- so that all is loaded
      p:start()
      p:join()
      local files = {}
      local ok, e
      for i = 1, 100 do
        files[i] = io.open("/dev/null")
        if not files[i] then break end
      end
      p = ctx.Process{ daemon = true, target = mp.sleep, args = { 100 } }
      ok, e = pcall(p.start, p)
      print(ok, mp.iserror(e, "ProcessError"), (tostring(e):gsub(".*: ", "")))
      print(#mp.active_children())
      for _, f in ipairs(files) do f:close() end
      p = ctx.Process{ target = os.exit, args = { 3 } }
      p:start()
      p:join(10)
      print(p.exitcode)
    ]], { setup = "ulimit -n 40" })
    assert.equal("\nfalse\ttrue\tToo many open files\n0\n3\n", out)
  end)

  it("keeps descriptors and zombies flat over many starts", function()
    local out = script(method, [[
      local helper = dofile "spec/helper.lua"
      local function cycle(n)
        for _ = 1, n do
          local p = ctx.Process{ target = os.time }
          p:start()
          p:join()
        end
        local fds = 0
        for _ in pairs(helper.descriptors()) do fds = fds + 1 end
        return fds
      end
      local before = cycle(5)
      print(cycle(tonumber(arg[1])) - before, #helper.children())
    ]], { args = method == "spawn" and "50" or "500", deadline = 60 })
    local fds, children = out:match("^(%-?%d+)\t(%d+)\n$")
    assert.equal("0", fds, out)
    assert.equal(method == "forkserver" and "1" or "0", children)
  end)

  it("leaves no orphan when the parent is killed while it starts daemons", function()
    for _ = 1, method == "spawn" and 4 or 12 do
      local tag = os.tmpname()
      os.remove(tag)
      local command = "timeout 30 %s -e '%s' >/dev/null 2>&1 &"
      os.execute(command:format(interpreter, ([[
        local mp = require "multiprocessing"
        local ctx = mp.get_context "%s"
        while true do
          ctx.Process{ daemon = true, target = mp.sleep, args = { 60, "%s" } }:start()
        end
      ]]):format(method, tag):gsub("\n", " ")))
      local function family()
        local pattern = "mplua.*[" .. tag:sub(1, 1) .. "]" .. tag:sub(2)
        local list <close> = io.popen("pgrep -f '" .. pattern .. "'")
        local pids = {}
        for pid in list:lines() do pids[#pids + 1] = pid end
        return pids
      end
      mp.sleep(0.05 + math.random() * 0.2)
      os.execute(("pkill -KILL -P $(pgrep -o -f 'timeout 30 .*%s')"):format(tag))
      helper.eventually(function() return #family() == 0 end, 3)
    end
  end)
end)

describe("forkserver", function()
  it("is started again when it was killed; running children keep their status", function()
    local out = script("forkserver", [[
      local p = ctx.Process{ target = os.exit, args = { 1 } }
      p:start()
      p:join(10)
      local q = ctx.Process{ target = function()
        mp.sleep(0.3)
        os.exit(5)
      end }
      q:start()
      local list = io.popen("pgrep -P " .. mp.getpid() .. " -f multiprocessing-child")
      mp.kill(tonumber(list:read("l")), "SIGKILL")
      list:close()
      p = ctx.Process{ target = os.exit, args = { 4 } }
      p:start()
      print(p:join(10), p.exitcode, q:join(10), q.exitcode)
    ]])
    assert.equal("true\t4\ttrue\t5\n", out)
  end)

  it("preloads modules", function()
    local out = script("forkserver", [[
      mp.set_forkserver_preload { "cjson" }
      local p = ctx.Process{ target = function() print(package.loaded.cjson ~= nil) end }
      p:start()
      p:join(10)
    ]])
    assert.equal("true\n", out)
  end)
end)

describe("spawn", function()
  it("says which program cannot be started", function()
    local out = script("spawn", [[
      mp.set_executable("/nonexistent/mplua")
      local p = ctx.Process{ target = print }
      local ok, e = pcall(p.start, p)
      print(ok, e)
      print(#mp.active_children())
    ]])
    assert.equal("false\tProcessError: cannot start /nonexistent/mplua: "
      .. "No such file or directory\n0\n", out)
  end)

  it("holds nothing but 0 to 2 and what was sent", function()
    local out = script("spawn", [[
      local file <close> = io.open("/dev/null")
      local p = ctx.Process{ target = function()
        local open = {}
        for fd = 0, 100 do
          local info <close> = io.open("/proc/self/fdinfo/" .. fd)
          if info then open[#open + 1] = fd end
        end
        print(table.concat(open, " "))
      end }
      p:start()
      p:join(10)
    ]])
    assert.equal("0 1 2 3\n", out) -- 3 is the arena's
  end)

  it("does not run LUA_INIT or the main script again", function()
    local out = script("spawn", [[
      io.stdout:write("main ")
      local p = ctx.Process{ target = print, args = { "child" } }
      p:start()
      p:join(10)
    ]], { setup = "export LUA_INIT='io.write[[init ]]'" })
    assert.equal("init main child\n", out)
  end)

  it("is like its parent: directory, path, arg", function()
    local out = script("spawn", [[
      package.path = "/tmp/?.abc;" .. package.path
      arg[1] = "changed"
      local p = ctx.Process{ target = function()
        print(package.path:match("^[^;]*"), arg[1], arg[0] ~= nil)
      end }
      p:start()
      p:join(10)
    ]])
    assert.equal("/tmp/?.abc\tchanged\ttrue\n", out)
  end)
end)

describe("fork", function()
  it("happens once, from coroutines, pcall and __gc too", function()
    local out = script("fork", [[
      local function start(tag)
        local p = ctx.Process{ target = function() io.write(tag, " child\n") end }
        p:start()
        p:join(10)
        io.write(tag, " parent\n")
      end
      coroutine.wrap(function() start("coroutine") end)()
      pcall(start, "pcall")
      table.sort({ 2, 1 }, function(a, b) if b == 1 then start("sort") end return a < b end)
      do setmetatable({}, { __gc = function() start("gc") end }) end
      collectgarbage()
      local closing = { __close = function() start("close") end }
      pcall(function() local c <close> = setmetatable({}, closing) end)
    ]])
    for _, tag in ipairs { "coroutine", "pcall", "gc", "close" } do
      local _, n = out:gsub(tag .. " child\n" .. tag .. " parent\n", "")
      assert.equal(1, n, out)
    end
  end)

  it("runs no finalizer of what the parent holds", function()
    local out = script("fork", [[
      local held = setmetatable({}, { __gc = function()
        io.write("collected in ", mp.getpid(), "\n")
      end })
      local function child()
        for i = 1, 50 do collectgarbage() end
      end
      local p = ctx.Process{ target = child }
      p:start()
      p:join(10)
      io.write("main ", mp.getpid(), "\n")
      return held
    ]])
    local pid = out:match("main (%d+)")
    assert.equal(("main %s\ncollected in %s\n"):format(pid, pid), out)
  end)

  it("leaves a script on stdin to the parent", function()
    local lines = {}
    for i = 1, 60 do
      lines[i] = ("do local p = mp.Process{ target = function() io.read('a') end } "
        .. "p:start() p:join(10) n = n + %d end"):format(i)
    end
    local out = helper.run("", { command = interpreter .. " - ",
      redirect = "2>&1 <<'END'\nmp = require 'multiprocessing' n = 0\n"
      .. table.concat(lines, "\n") .. "\nprint(n)\nEND" })
    assert.equal("1830\n", out)
  end)
end)

it("reaches a limit on processes with a clear error", function()
  local out = helper.run([[
    local mp = require "multiprocessing"
    local started, failure = {}
    for i = 1, 50 do
      local p = mp.Process{ target = mp.sleep, args = { 100 } }
      local ok, e = pcall(p.start, p)
      if not ok then failure = e break end
      started[i] = p
    end
    print(#started > 0, #started < 50, mp.iserror(failure, "ProcessError"),
      tostring(failure):match("Resource temporarily unavailable"))
    for _, p in ipairs(started) do p:kill() p:join() end
    local p = mp.Process{ target = os.exit, args = { 2 } }
    p:start()
    p:join(10)
    print(p.exitcode)
  ]], {
    command = "prlimit --nproc=20 setpriv --reuid 54321 --clear-groups " .. interpreter,
    redirect = "2>&1 </dev/null" })
  assert.equal("true\ttrue\ttrue\tResource temporarily unavailable\n2\n", out)
end)

it("keeps a thousand processes alive at once, small ones", function()
  if helper.is_sanitized then return pending "their size cannot be measured" end
  local out = helper.run([[
    local mp = require "multiprocessing"
    local ps = {}
    local function start(n)
      for i = #ps + 1, n do
        ps[i] = mp.Process{ target = mp.sleep, args = { 100 } }
        ps[i]:start()
      end
    end
    start(100)
    mp.sleep(0.2)
    local sizes = {} -- the middle one counts: a few are born while the parent collects its garbage
    for i = 1, 100, 5 do
      local file <close> = io.open("/proc/" .. ps[i].pid .. "/smaps_rollup")
      table.insert(sizes, tonumber(file:read("a"):match("\nPss: *(%d+) kB")))
    end
    table.sort(sizes)
    local pss = sizes[#sizes // 2]
    start(1000)
    print(#mp.active_children(), pss <= 200 and "small" or pss)
    for _, p in ipairs(ps) do p:kill() end
    for _, p in ipairs(ps) do p:join() end
    print(#mp.active_children())
  ]], { deadline = 60 })
  assert.equal("1000\tsmall\n0\n", out)
end)
