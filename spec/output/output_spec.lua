--- Specs of output: what a call writes, up to whole lines, is not torn by other processes' lines.

local helper = require "spec.helper"

-- Eight processes write lines of 10 bytes, 5 and 100 kB, each in a way of its own; line n of
-- process i is "i n i...i|", so that a torn one is seen. A line that several calls write stays
-- whole as long as it has room in the buffer.
local WRITERS <const> = [[
local mp = require "multiprocessing"
local ctx = mp.get_context "%s"
local ways = {
  function(i, n, s) print(i, n, s .. "|") end,
  function(i, n, s) io.write(i, "\t", n, "\t", s, "|\n") end,
  function(i, n, s) io.stdout:write(i .. "\t" .. n .. "\t" .. s .. "|\n") end,
  function(i, n, s) io.write(i .. "\t" .. n) io.write("\t", s) io.write("|\n") end,
}
local buffers = { "full", "full", "line", "line", "no", "no", "full", "full" }
local function run(i)
  local way = ways[(i - 1) %% 4 + 1]
  io.stdout:setvbuf(i %% 4 == 0 and "full" or buffers[i])
  for n = 1, 200 do
    local size = n %% 50 == 0 and 100000 or n %% 10 == 0 and 5000 or 10
    way(i, n, tostring(i):rep(i %% 4 == 0 and size %% 997 or size))
  end
end
local all = {}
for i = 1, 8 do all[i] = ctx.Process{ target = run, args = { i } } all[i]:start() end
for i = 1, 8 do all[i]:join() assert(all[i].exitcode == 0) end
]]

local function lines_of(path)
  local file <close> = assert(io.open(path))
  local text = file:read("a"):gsub("\r\n", "\n")
  os.remove(path)
  return text
end

-- Every line whole, and each process's lines in order and complete.
local function check_lines(text)
  local last = {}
  for line in text:gmatch("([^\n]*)\n") do
    local i, n, s = line:match("^(%d)\t(%d+)\t(%d+)|$")
    assert(i, "a torn line: " .. line:sub(1, 60) .. " ... " .. line:sub(-60))
    i, n = math.tointeger(i), tonumber(n)
    local size = n % 50 == 0 and 100000 or n % 10 == 0 and 5000 or 10
    assert.is_true(tostring(i):rep(i % 4 == 0 and size % 997 or size) == s)
    assert.equal((last[i] or 0) + 1, n)
    last[i] = n
  end
  for i = 1, 8 do assert.equal(200, last[i]) end
end

local sinks <const> = {
  ["a file"] = ">%s",
  ["a file, appended to"] = ">>%s",
  ["a pipe"] = "| cat >%s",
  ["a pipe that is read slowly"] = "| (sleep 0.3; dd bs=3000 2>/dev/null) >%s",
}

local function has_script()
  return os.execute("command -v script >/dev/null") == true
end

helper.each_method(function(_, method)
  local script <const> = WRITERS:format(method)

  describe("lines of eight processes stay whole on", function()
    for sink, redirect in pairs(sinks) do
      it(sink, function()
        local out = os.tmpname()
        local text, status = helper.run(script, { redirect = redirect:format(out) })
        assert.same({ "", 0 }, { text, status })
        check_lines(lines_of(out))
      end)
    end

    it("a terminal", function()
      if not has_script() then return pending "no script(1) here" end
      local out = os.tmpname()
      local _, status = helper.run(script, {
        command = "script -qec \"" .. helper.interpreter,
        redirect = ("\" /dev/null >%s </dev/null"):format(out),
      })
      assert.equal(0, status)
      check_lines(lines_of(out))
    end)

    it("a pipe, from a stock lua5.4", function()
      local out = os.tmpname()
      local text, status = helper.run(script, {
        command = "env LUA_CPATH='./?.so;;' lua5.4", redirect = sinks["a pipe"]:format(out) })
      assert.same({ "", 0 }, { text, status })
      check_lines(lines_of(out))
    end)
  end)

  it("tracebacks of several children stay whole", function()
    local text, status = helper.run(([[
      local mp = require "multiprocessing"
      local ctx = mp.get_context "%s"
      local function fail(i) error(("e"):rep(9000) .. i) end
      local all = {}
      for i = 1, 8 do all[i] = ctx.Process{ target = fail, args = { i } } all[i]:start() end
      for i = 1, 8 do all[i]:join() assert(all[i].exitcode == 1) end
    ]]):format(method))
    assert.equal(0, status)
    local seen = 0
    for i in (text .. "Process"):gmatch("Process %g+:\n%g+: e+(%d)\nstack traceback:\n%f[P\t]") do
      seen = seen + tonumber(i)
    end
    assert.equal(36, seen)
    for line in text:gmatch("[^\n]+") do
      local e = line:match "eeee+"
      assert.is_true(e == nil or #e == 9000)
    end
  end)

  it("a function that is sent has the receiver's print", function()
    local text = helper.run(([[
      local print, write = print, io.write
      local mp = require "multiprocessing"
      local ctx = mp.get_context "%s"
      local p = ctx.Process{ target = print, args = { "sent" } }
      p:start() p:join()
      p = ctx.Process{ target = function() print(1, 2.0, nil) write("w", 2.0, "\n") end }
      p:start() p:join()
    ]]):format(method))
    assert.equal("sent\n1\t2.0\tnil\nw2\n", text)
  end)
end)

-- Standard output is a pipe that is not read for a while, or not at all when `reader` says so; what
-- comes out of it, less the many x, is in `out`. Standard error is what helper.run returns.
local function run_on_pipe(script, reader)
  local fifo, out = os.tmpname(), os.tmpname()
  os.remove(fifo)
  local text, status, seconds = helper.run(script, {
    setup = ("mkfifo %s; trap '' PIPE; (exec 5<%s; %s) >%s 2>&1 &"):format(fifo, fifo, reader, out),
    redirect = "2>&1 >" .. fifo,
  })
  os.remove(fifo)
  return text, status, seconds, lines_of(out)
end

describe("a writer in the middle of a line", function()
  -- It is blocked, for nobody reads; then `fate` happens to it, and three others write.
  for fate, exitcode in pairs { SIGKILL = "-9", SIGSTOP = "0" } do
    it("does not hold up the others after " .. fate, function()
      local text, _, seconds, out = run_on_pipe(([[
        local mp = require "multiprocessing"
        local w = mp.Process{ target = function() print(("x"):rep(1000000)) end }
        w:start()
        local function blocked()
          local f <close> = assert(io.open("/proc/" .. w.pid .. "/stat"))
          return f:read("a"):match("%%) (.)") == "S"
        end
        mp.sleep(0.1)
        local deadline = mp.now() + 5
        while not blocked() and mp.now() < deadline do mp.sleep(0.01) end
        mp.kill(w.pid, "%s")
        local all = {}
        for i = 1, 3 do
          all[i] = mp.Process{ target = function() print("small", i) end }
          all[i]:start()
        end
        for i = 1, 3 do assert(all[i]:join(10), "a writer waits for ever") end
        if w:is_alive() then mp.kill(w.pid, "SIGCONT") end
        assert(w:join(10))
        io.stderr:write(tostring(w.exitcode))
      ]]):format(fate), "sleep 1; tr -d x <&5")
      assert.equal(exitcode, text)
      assert.is_true(seconds < 8)
      for i = 1, 3 do assert.is_truthy(out:find("small\t" .. i .. "\n", 1, true)) end
    end)
  end

  for where, call in pairs {
    ["the main thread"] = "pcall(print, big)",
    ["a coroutine"] = "pcall(coroutine.wrap(function() io.write(big) end))",
  } do
    it("is ended by an interrupt, in " .. where, function()
      local text, _, seconds = run_on_pipe(([[
        local mp = require "multiprocessing"
        local big = ("x"):rep(1000000)
        local p = mp.Process{ target = function()
          mp.sleep(0.2)
          mp.kill(mp.parent_process().pid, "SIGINT")
        end }
        p:start()
        local start = mp.now()
        local ok, e = %s
        io.stderr:write(tostring(ok), " ", tostring(e):match "interrupted!", " ",
          mp.now() - start < 1.5 and "at once" or "late")
        p:join()
      ]]):format(call), "sleep 2; tr -d x <&5")
      assert.equal("false interrupted! at once", text)
      assert.is_true(seconds < 8)
    end)
  end
end)

describe("as the standard library does,", function()
  -- the same script before and after there is a family, and by a stock lua5.4
  local script <const> = [[
    if arg[1] == "family" then require("multiprocessing").Queue() end
    local function show(...)
      local t = table.pack(...)
      for i = 1, t.n do t[i] = tostring(t[i]):gsub("0x%x+", "PTR") end
      io.stderr:write(table.concat(t, " | "), "\n")
    end
    local f = assert(io.open(arg[2], "w"))
    io.output(f)
    show(pcall(io.write, "a", nil))
    show(pcall(io.write, "x", {}))
    show(pcall(f.write, 1, 2))
    show(pcall(f.write))
    show(pcall(function() f:write("b", true) end))
    show(io.write() == f, io.write(1, " ", 1.0, " ", -0.0, " ", 2^63, " ", math.mininteger) == f)
    show(pcall(io.write, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17))
    show(pcall(io.write, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, {}))
    show(f:seek("cur"), f:write(("k"):rep(9000), "\n"), f:seek("cur"), f:write("Z"), f:seek("end"))
    show(f:setvbuf("full", 100), pcall(f.setvbuf, f, "x"))
    show(f:write(("z"):rep(250), "\n", ("y"):rep(30), "\n", "tail"), f:write(("w"):rep(60), "\nq"))
    show(io.flush(), f:flush(), f:seek("set", 1), f:write("!"), io.close())
    show(pcall(io.write, "x"))
    show(pcall(io.flush))
    show(pcall(f.write, f, "x"))
    io.output(io.stdout)
    for _, mode in ipairs { "full", "no" } do
      local full = io.open("/dev/full", "w")
      full:setvbuf(mode)
      show(full:write(("x"):rep(10000)))
      show(full:write("a\n"))
      show(full:flush())
      show(full:close())
    end
    local both = io.open(arg[2], "r+")
    show(both:read(2), both:seek("cur", 0), both:write("MM"), both:seek("cur", 0), both:read(3))
    both:close()
    both = io.open(arg[2])
    show(both:write("x"))
    show(pcall(print, setmetatable({}, { __tostring = function() return 1 end })))
    print(nil, true, 1.0, "s\0s", setmetatable({}, { __tostring = function() return "T" end }))
    print(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    print()
    io.write("end")
    io.stdout:close()
    show(pcall(io.write, "x"))
  ]]

  local function run(command, how)
    local path = os.tmpname()
    local text, status = helper.run(script, { command = command, args = how .. " " .. path })
    return text, status, lines_of(path)
  end

  it("arguments, results, errors and bytes are the same", function()
    local expected = { run("lua5.4", "stock") }
    assert.equal(0, expected[2])
    assert.same(expected, { run(nil, "stock") })
    assert.same(expected, { run(nil, "family") })
    assert.same(expected, { run("env LUA_CPATH='./?.so;;' lua5.4", "family") })
  end)

  it("a broken pipe is an error where SIGPIPE is ignored", function()
    local text = run_on_pipe([[
      require("multiprocessing").Queue()
      local deadline = os.time() + 5
      local ok, message, code
      repeat ok, message, code = io.write(("x"):rep(100000)) until not ok or os.time() > deadline
      io.stderr:write(tostring(ok), " ", tostring(message), " ", tostring(code))
    ]], "sleep 0.1")
    assert.equal("nil Broken pipe 32", text)
  end)
end)
