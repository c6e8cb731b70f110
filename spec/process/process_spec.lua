--- Specs of Process, from the user's side; under every start method.

local helper = require "spec.helper"
local mp = require "multiprocessing"

helper.each_method(function(ctx)
  -- runs target in a child, returns the process when it has ended
  local function run(target, args, options)
    options = options or {}
    options.target, options.args = target, args
    local p = ctx.Process(options)
    p:start()
    assert.is_true(p:join(20))
    return p
  end

  -- what the child sees, by way of a file
  local function ask(f, ...)
    local path = os.tmpname()
    local args = table.pack(path, f, ...)
    run(function(out, g, ...)
      local file <close> = assert(io.open(out, "w"))
      file:write(tostring(g(...)))
    end, args)
    local file <close> = assert(io.open(path))
    local text = file:read("a")
    os.remove(path)
    return text
  end

  describe("Process", function()
    it("runs its target with arguments, nils among them", function()
      assert.equal("3 nil 5 3", ask(function(...)
        local a, b, c = ...
        return ("%s %s %s %d"):format(a, b, c, select("#", ...))
      end, 3, nil, 5))
    end)

    it("honours args.n", function()
      local path = os.tmpname()
      run(function(...)
        local file <close> = assert(io.open((...), "w"))
        file:write(select("#", ...))
      end, { path, nil, nil, n = 3 })
      local file <close> = assert(io.open(path))
      assert.equal("3", file:read("a"))
      os.remove(path)
    end)

    it("leaves nothing behind", function()
      run(function() end)
      helper.leaks_nothing(function()
        for _ = 1, 5 do run(function() end) end
        local d = ctx.Process{ target = mp.sleep, args = { 100 }, daemon = true }
        d:start()
        d:kill()
        d:join()
      end)
    end)

    it("is another process", function()
      assert.not_equal(tostring(mp.getpid()), ask(function()
        return require("multiprocessing").getpid()
      end))
    end)

    describe("exitcode", function()
      it("is 0 after return", function() assert.equal(0, run(function() end).exitcode) end)
      it("is what os.exit gives", function()
        for code, wanted in pairs { [0] = 0, [7] = 7, [255] = 255, [256] = 0 } do
          assert.equal(wanted, run(os.exit, { code }).exitcode)
        end
        assert.equal(0, run(os.exit, { true }).exitcode)
        assert.equal(1, run(os.exit, { false }).exitcode)
        assert.equal(3, run(os.exit, { 3, true }).exitcode)
      end)
      it("is right from inside pcall and coroutines", function()
        assert.equal(4, run(function()
          pcall(coroutine.wrap(function() pcall(os.exit, 4) end))
        end).exitcode)
      end)
      it("is -n after signal n", function()
        for _, signal in ipairs { 1, 9, 15, 11, 6 } do
          assert.equal(-signal, run(function(s)
            local m = require "multiprocessing"
            m.kill(m.getpid(), s)
            m.sleep(10)
          end, { signal }).exitcode)
        end
      end)
      it("is nil while it runs", function()
        local p = ctx.Process{ target = mp.sleep, args = { 100 } }
        assert.is_nil(p.exitcode)
        p:start()
        assert.is_nil(p.exitcode)
        p:kill()
        p:join()
        assert.equal(-9, p.exitcode)
      end)
    end)

    it("prints name and traceback of an error, and ends with 1", function()
      local out, status = helper.run(([[
        local mp = require "multiprocessing"
        local p = mp.get_context("%s").Process{ target = function() error("broken " .. 1) end }
        p:start()
        p:join()
        print(p.exitcode)
      ]]):format(ctx.get_start_method()))
      assert.equal(0, status)
      assert.matches("^Process Process%-1:\nSCRIPT:2: broken 1\nstack traceback:\n", out)
      assert.matches("\n1\n$", out)
    end)

    it("reports errors that are not strings", function()
      for value, text in pairs {
        ["{}"] = "%(error object is a table value%)",
        ["nil"] = "%(error object is a nil value%)",
        ["setmetatable({}, { __tostring = function() return 'TS' end })"] = "TS",
        ["setmetatable({}, { __tostring = error })"] = "%(error object is a table value%)",
      } do
        local out = helper.run(([[
          local mp = require "multiprocessing"
          local p = mp.get_context("%s").Process{ target = function() error(%s) end }
          p:start()
          p:join()
          print(p.exitcode)
        ]]):format(ctx.get_start_method(), value))
        assert.matches("^Process Process%-1:\n" .. text, out)
        assert.matches("\n1\n$", out)
      end
    end)

    describe("join", function()
      it("returns false on timeout, in time", function()
        local p = ctx.Process{ target = mp.sleep, args = { 100 } }
        p:start()
        local start = mp.now()
        assert.is_false(p:join(0.1))
        local took = mp.now() - start
        assert.is_true(took >= 0.1 and took < 1)
        assert.is_false(p:join(0))
        assert.is_false(p:join(-1))
        p:terminate()
        assert.is_true(p:join())
        assert.is_true(p:join())
        assert.equal(-15, p.exitcode)
      end)
    end)

    it("refuses misuse at the caller's line", function()
      local p = ctx.Process{ target = print }
      local function refuses(pattern, f, ...)
        local ok, e = pcall(f, ...)
        assert.is_false(ok)
        assert.matches(pattern, tostring(e))
      end
      for _, method in ipairs { "join", "terminate", "kill", "interrupt", "is_alive" } do
        local verb = method == "is_alive" and "look at" or method
        refuses("process_spec.lua:%d+: cannot " .. verb .. " Process%-[%d:]+: it has not been",
          function() p[method](p) end)
      end
      refuses("process_spec.lua:%d+: unknown option 'traget'",
        function() ctx.Process{ traget = print } end)
      refuses("process_spec.lua:%d+: bad option 'args'", function() ctx.Process{ args = 3 } end)
      refuses("process_spec.lua:%d+: bad argument #1 to 'Process'",
        function() ctx.Process(print) end)
      local q = run(function() end)
      refuses("process_spec.lua:%d+: cannot start .* started before", function() q:start() end)
      refuses("process_spec.lua:%d+: cannot change 'daemon'", function() q.daemon = true end)
      refuses("process_spec.lua:%d+: 'pid' of a process cannot be set",
        function() q.pid = 1 end)
    end)

    it("does nothing when it is signalled after its end", function()
      local p = run(function() end)
      p:terminate()
      p:kill()
      p:interrupt()
      assert.equal(0, p.exitcode)
    end)

    it("closes: not while it runs, and then it is closed", function()
      local p = ctx.Process{ target = mp.sleep, args = { 100 } }
      p:start()
      assert.has_error(function() p:close() end)
      p:kill()
      p:join()
      p:close()
      p:close()
      local ok, e = pcall(p.join, p)
      assert.is_false(ok)
      assert.is_true(mp.iserror(e, "ClosedError"))
      assert.matches("closed", tostring(p))
    end)

    describe("interrupt", function()
      it("ends the child silently with -2", function()
        local out = helper.run(([[
          local mp = require "multiprocessing"
          local p = mp.get_context("%s").Process{ target = mp.sleep, args = { 100 } }
          p:start()
          mp.sleep(0.3)
          p:interrupt()
          p:join()
          print(p.exitcode)
        ]]):format(ctx.get_start_method()))
        assert.equal("-2\n", out)
      end)
      it("raises interrupted! in it", function()
        local out = helper.run(([[
          local mp = require "multiprocessing"
          local p = mp.get_context("%s").Process{ target = function()
            local m = require "multiprocessing"
            local ok, e = pcall(m.sleep, 100)
            print(ok, e)
            os.exit(5)
          end }
          p:start()
          mp.sleep(0.3)
          p:interrupt()
          p:join()
          print(p.exitcode)
        ]]):format(ctx.get_start_method()))
        assert.equal("false\tinterrupted!\n5\n", out)
      end)
      it("reaches an endless loop", function()
        local p = ctx.Process{ target = function() while true do end end }
        p:start()
        assert.is_false(p:join(0.2))
        p:interrupt()
        assert.is_true(p:join(5))
        assert.equal(-2, p.exitcode)
      end)
    end)

    it("is subclassed", function()
      local My = ctx.Process:extend "My"
      function My:init(options)
        My.super.init(self, { name = options.name })
        self.path, self.number = options.path, 1
      end
      function My:run()
        local file <close> = assert(io.open(self.path, "w"))
        file:write(self.name, " ", self.number)
      end
      local path = os.tmpname()
      local p = My{ path = path }
      p.number = 42
      p:start()
      p:join()
      local file <close> = assert(io.open(path))
      assert.matches("^My%-%d+ 42$", file:read("a"))
      os.remove(path)
    end)

    it("names children of children after their parent", function()
      assert.matches("^Process%-%d+:1$", ask(function()
        return require("multiprocessing").Process{}.name
      end))
    end)

    it("has children of its own, started in a coroutine too", function()
      assert.equal("0 4", ask(function()
        local m = require "multiprocessing"
        local function exit_with(code)
          local p = m.Process{ target = os.exit, args = { code } }
          p:start()
          p:join()
          return p.exitcode
        end
        return exit_with(0) .. " " .. coroutine.wrap(function() return exit_with(4) end)()
      end))
    end)

    it("knows itself and its parent", function()
      assert.equal("true true MainProcess " .. mp.getpid() .. " true", ask(function()
        local m = require "multiprocessing"
        local self, up = m.current_process(), m.parent_process()
        return ("%s %s %s %d %s"):format(self.pid == m.getpid(), self:is_alive(), up.name, up.pid,
          up:is_alive())
      end))
      assert.is_nil(mp.parent_process())
      assert.equal("MainProcess", mp.current_process().name)
    end)

    it("inherits daemon", function()
      local path = os.tmpname()
      run(function(out)
        local file <close> = assert(io.open(out, "w"))
        file:write(tostring(require("multiprocessing").Process{}.daemon))
      end, { path }, { daemon = true })
      local file <close> = assert(io.open(path))
      assert.equal("true", file:read("a"))
      os.remove(path)
    end)

    it("limits memory", function()
      assert.equal("false not enough memory true", ask(function()
        local m = require "multiprocessing"
        local path = os.tmpname()
        local p = m.Process{ memory_limit = 20e6, target = function(out)
          local ok, e = pcall(string.rep, "x", 100e6)
          local small = #string.rep("x", 1e6) == 1000000
          local file <close> = assert(io.open(out, "w"))
          file:write(("%s %s %s"):format(ok, e, small))
        end, args = { path } }
        p:start()
        p:join()
        local file <close> = assert(io.open(path))
        return file:read("a"), os.remove(path)
      end))
    end)

    it("reads nothing from the parent's stdin", function()
      assert.equal("nil", ask(function() return io.read("a") ~= "" and "text" or io.read("l") end))
    end)

    it("has random numbers of its own", function()
      local seen = {}
      for _ = 1, 8 do
        local n = ask(function() return math.random(1 << 40) end)
        assert.is_nil(seen[n])
        seen[n] = true
      end
    end)

    it("ends with what it wrote, and the parent's buffers are written once", function()
      local out = helper.run(([[
        local mp = require "multiprocessing"
        io.stdout:setvbuf("full")
        io.write("parent ")
        local f = io.open(arg[0] .. ".out", "w")
        f:write("once ")
        local ps = {}
        for i = 1, 5 do
          ps[i] = mp.get_context("%s").Process{ target = function() io.write("child ") end }
          ps[i]:start()
        end
        for _, p in ipairs(ps) do p:join() end
        f:close()
        io.write(io.open(arg[0] .. ".out"):read("a"))
        os.remove(arg[0] .. ".out")
      ]]):format(ctx.get_start_method()))
      assert.equal("parent child child child child child once ", out)
    end)
  end)

  describe("active_children", function()
    it("lists those that run", function()
      assert.same({}, mp.active_children())
      local p = ctx.Process{ target = mp.sleep, args = { 100 } }
      p:start()
      assert.same({ p }, mp.active_children())
      p:kill()
      helper.eventually(function() return #mp.active_children() == 0 end)
      for _, pid in ipairs(helper.children()) do assert.not_equal(p.pid, pid) end
    end)
  end)

  describe("the end of the main script", function()
    local function script(body)
      return helper.run(('local mp = require("multiprocessing").get_context("%s")\n'):format(
        ctx.get_start_method()) .. body)
    end

    it("joins plain children and terminates daemons", function()
      local out, status, seconds = script [[
        mp.Process{ daemon = true, target = function() mp.sleep(100) end }:start()
        mp.Process{ target = function() mp.sleep(0.3) print("child ends") end }:start()
        print("main ends")
      ]]
      assert.equal("main ends\nchild ends\n", out)
      assert.equal(0, status)
      assert.is_true(seconds < 10)
    end)

    it("does so after an error", function()
      local out, status = script [[
        mp.Process{ target = function() mp.sleep(0.3) print("child ends") end }:start()
        error("main fails")
      ]]
      assert.matches("main fails", out)
      assert.matches("child ends\n$", out)
      assert.equal(1, status)
    end)

    it("does so after os.exit", function()
      local out, status = script [[
        mp.Process{ target = function() mp.sleep(0.3) print("child ends") end }:start()
        mp.Process{ daemon = true, target = function() mp.sleep(100) end }:start()
        os.exit(9, true)
      ]]
      assert.equal("child ends\n", out)
      assert.equal(9, status)
    end)

    it("runs at_exit functions, last first, in children too", function()
      local out = script [[
        mp.at_exit(function() print("main 1") end)
        mp.at_exit(function() print("main 2") end)
        local p = mp.Process{ target = function()
          local m = require("multiprocessing")
          m.at_exit(function() print("child 1") end)
          m.at_exit(function() error("bad") end)
          m.at_exit(function() print("child 3") end)
          os.exit(2)
        end }
        p:start()
        p:join()
        print(p.exitcode)
      ]]
      assert.matches("^child 3\nError in at_exit function:\nSCRIPT:%d+: bad\n", out)
      assert.matches("child 1\n2\nmain 2\nmain 1\n$", out)
    end)
  end)

  describe("a killed parent", function()
    it("takes its daemons along, not its plain children", function()
      local path = os.tmpname()
      helper.run(([[
        local mp = require("multiprocessing").get_context("%s")
        local d = mp.Process{ daemon = true, target = function() while true do end end }
        local s = mp.Process{ daemon = true, target = mp.sleep, args = { 100 } }
        local p = mp.Process{ target = mp.sleep, args = { 100 } }
        d:start() s:start() p:start()
        local out = io.open(%q, "w")
        out:write(d.pid, " ", s.pid, " ", p.pid)
        out:close()
        mp.kill(mp.getpid(), "SIGKILL")
      ]]):format(ctx.get_start_method(), path), { redirect = ">/dev/null 2>&1" })
      local pids <close> = assert(io.open(path))
      local d, s, p = pids:read("a"):match("(%d+) (%d+) (%d+)")
      os.remove(path)
      local function lives(pid)
        local file = io.open("/proc/" .. pid .. "/stat")
        local state = file and file:read("a"):match("%) (%a)")
        if file then file:close() end
        return state ~= nil and state ~= "Z"
      end
      helper.eventually(function() return not lives(d) and not lives(s) end, 2)
      assert.is_true(lives(p))
      mp.kill(tonumber(p), 9)
    end)
  end)
end)

describe("kill()", function()
  it("takes numbers and names, and knows when there is none", function()
    local p = mp.Process{ target = mp.sleep, args = { 100 } }
    p:start()
    mp.kill(p.pid, "SIGTERM")
    p:join()
    assert.equal(-15, p.exitcode)
    local ok, e = pcall(mp.kill, p.pid)
    assert.is_false(ok)
    assert.is_true(mp.iserror(e, "ProcessError"))
    assert.has_error(function() mp.kill(p.pid, "SIGNONE") end)
  end)
end)
