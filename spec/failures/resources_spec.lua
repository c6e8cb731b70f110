--- Specs of what may be left behind or given away: names, memory, descriptors, contents.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

describe("A family that is killed, root and branch,", function()
  it("leaves no name, no process and no shared memory", function()
    local function names() -- those of others come and go
      return output_of "ls /dev/shm /dev/mqueue 2>/dev/null"
    end
    local before = {}
    for name in names():gmatch "%S+" do before[name] = true end
    for _ = 1, 5 do
      local out = helper.run(([[
        local mp = require "multiprocessing"
        local q, array, memory = mp.Queue(), mp.Array("d", 100000), mp.SharedMemory{ size = 99999 }
        q:put(("x"):rep(1 << 20))
        local pool = mp.Pool(2)
        pool:map_async(function() while true do end end, { 1, 2 })
        local manager = mp.Manager()
        local d = manager:dict{ a = 1 }
        local p = mp.get_context("spawn").Process{ target = function()
          q:put(d.a)
          mp.sleep(1000)
        end }
        p:start()
        q:get()
        q:get()
        print "up"
        io.stdout:flush()
        os.execute("kill -9 -" .. mp.getpid())
      ]]), { command = "setsid -w " .. helper.interpreter })
      assert.matches("^up\n", out)
    end
    helper.eventually(function()
      for name in names():gmatch "%S+" do
        if not before[name] then return false end
      end
      return true
    end, 20)
  end)
end)

describe("An error message", function()
  it("tells places, not contents", function()
    local secret <const> = "4929-1234-5678-9012"
    local pool <close> = mp.Pool(1)
    local q, a = mp.Queue(), mp.Pipe()
    for _, f in ipairs {
      function() q:put { card = secret, co = coroutine.create(print) } end,
      function() a:send { { secret }, io.lines } end,
      function() mp.dumps { secret, function() return a, secret end } end,
      function() pool:apply(print, { secret, coroutine.create(print) }) end,
      function() mp.loads(mp.dumps { secret }:sub(1, -3)) end,
      function() mp.Process{ target = print, args = secret } end,
    } do
      local ok, e = pcall(f)
      assert.is_true(ok or tostring(e):find(secret, 1, true) == nil, tostring(e))
    end
  end)
end)

describe("A forked child of a large parent", function()
  it("copies little of its memory", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      local heap = {}
      for i = 1, 1000000 do heap[i] = { i } end
      local function private()
        local file <close> = io.open "/proc/self/smaps_rollup"
        return tonumber(file:read("a"):match "Private_Dirty: *(%d+)")
      end
      local before = collectgarbage "count"
      local p = mp.Process{ target = function()
        local mine, n = {}, 0
        for i = 1, 100000 do mine[i] = {} end
        for i = 1, #heap do n = n + heap[i][1] end
        print(private() < before / 3, before > 50000)
      end }
      p:start()
      p:join()
    ]]
    assert.equal("true\ttrue\n", out)
  end)
end)

describe("On a small C stack", function()
  it("values of any depth pass everywhere", function()
    local out = helper.run([[
      local mp = require "multiprocessing"
      local deep = {}
      for _ = 1, 200000 do deep = { deep } end
      local function depth(t)
        local n = 0
        while t[1] do t, n = t[1], n + 1 end
        return n
      end
      print(depth(mp.loads(mp.dumps(deep))))
      local q = mp.Queue()
      q:put(deep)
      print(depth(q:get()))
      local pool <close> = mp.Pool(1)
      print(pool:apply(depth, { deep }))
      local p = mp.get_context("spawn").Process{ target = function(t) print(depth(t)) end,
        args = { deep } }
      p:start()
      p:join()
    ]], { setup = "ulimit -s 256" })
    assert.equal("200000\n200000\n200000\n200000\n", out)
  end)
end)

describe("A fork child", function()
  it("holds no descriptor of its siblings", function()
    local out = helper.run [[
      local mp = require "multiprocessing"
      local helper = dofile "spec/helper.lua"
      local function count()
        local n = 0
        for _ in pairs(helper.descriptors()) do n = n + 1 end
        return n
      end
      local counts = mp.Queue()
      for i = 1, 5 do
        mp.Process{ daemon = i % 2 == 0, target = function()
          counts:put(count())
          mp.sleep(1000)
        end }:start()
      end
      local of = {}
      for i = 1, 5 do of[i] = counts:get(true, 20) end
      table.sort(of)
      print(of[5] - of[1] <= 1) -- a daemon has its lifeline
      for _, p in ipairs(mp.active_children()) do p:kill() end
    ]]
    assert.equal("true\n", out)
  end)
end)
