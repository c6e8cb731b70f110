--- Specs of faults around managers' objects: storms of kills, readers that die, clients that block.
-- MIT licence, see LICENSE

local helper = require "spec.helper"
local mp = require "multiprocessing"

local start <const> = helper.starter(mp, true)

-- n processes that run `work` again and again; one is killed now and then and replaced.
local function storm(work, n, kills)
  local ps = {}
  for i = 1, n do ps[i] = start(work, i) end
  for k = 1, kills do
    mp.sleep(math.random() * 0.02)
    local i = 1 + k % n
    ps[i]:kill()
    assert(ps[i]:join(20))
    ps[i] = start(work, k + n)
  end
  for i = 1, n do
    ps[i]:kill()
    assert(ps[i]:join(20))
  end
end

describe("A dict", function()
  it("is whole after a storm of kills among its writers", function()
    local seed = os.time()
    math.randomseed(seed)
    local m <close> = mp.Manager()
    local d, tries = m:dict{ sum = 0 }, mp.Value("q", 0)
    local done = mp.RawArray("q", 200)
    storm(function(who)
      local n = 0
      while true do
        local k = math.random(1, 60)
        d[k] = { who, ("x"):rep(math.random(0, 3000)) }
        d["t" .. k] = k
        d[math.random(1, 60)] = nil
        tries:add(1)
        d:incr("sum")
        n = n + 1
        done[who] = n
        d:update("both", function(t)
          t = t or { 0, 0 }
          return { t[1] + 1, t[2] + 1 }
        end)
        if n % 50 == 0 then d:update { a = n, b = n } end
      end
    end, 3, 40)
    local finished = 0
    for i = 1, #done do finished = finished + done[i] end
    assert(d.sum >= finished and d.sum <= tries.value, "seed " .. seed)
    local count = 0
    for k, v in pairs(d) do
      count = count + 1
      if type(k) == "number" then assert(type(v[1]) == "number" and v[2]:find "^x*$") end
      if type(k) == "string" and k:find "^t%d" then assert.equal("t" .. v, k) end
    end
    assert.equal(count, #d)
    assert.equal(d.both[1], d.both[2])
    assert.equal(d.a, d.b)
  end)

  it("shows one moment to who walks through it", function()
    local m <close> = mp.Manager()
    local d, stop = m:dict(), mp.Event()
    local p = start(function()
      local n = 0
      repeat
        n = n + 1
        d:update { a = n, b = n, ["k" .. n % 7] = n }
      until stop:is_set()
    end)
    helper.eventually(function() return d.a ~= nil end)
    for _ = 1, 300 do
      local seen = {}
      for k, v in pairs(d) do seen[k] = v end
      assert.equal(seen.a, seen.b)
      seen = d:copy()
      assert.equal(seen.a, seen.b)
    end
    stop:set()
    assert.is_true(p:join(20))
  end)

  it("has its memory back from readers that were killed", function()
    local m <close> = mp.Manager()
    local d = m:dict()
    for i = 1, 50 do d[i] = ("x"):rep(20000) end
    helper.leaks_nothing(function()
      for _ = 1, 20 do
        local reading = mp.Event()
        local p = start(function()
          while true do
            local sum = 0
            for _, v in pairs(d) do sum = sum + #v end
            reading:set()
          end
        end)
        assert.is_true(reading:wait(20))
        mp.sleep(math.random() * 0.005)
        p:kill()
        p:join()
        d[math.random(50)] = ("y"):rep(20000)
      end
    end)
    for i = 1, 50 do assert.equal(20000, #d[i]) end
  end)

  it("gives copies: what is changed in one changes nothing, as in Python", function()
    local m <close> = mp.Manager()
    local d = m:dict{ t = { 1 } }
    d.t[1] = 2
    assert.equal(1, d.t[1])
    d.t = m:list{ 1 }
    d.t[1] = 2
    assert.equal(2, d.t[1])
  end)

  it("lives on without its manager and the process that made it", function()
    local q = mp.Queue()
    local p = start(function()
      local d = mp.Manager():dict{ a = 1 }
      q:put(d)
      mp.sleep(1000)
    end)
    local d = q:get(true, 20)
    p:kill()
    p:join()
    d.b = 2
    assert.same({ a = 1, b = 2 }, d:copy())
  end)
end)

describe("A list", function()
  it("is whole after a storm of kills among its writers", function()
    local seed = os.time()
    math.randomseed(seed)
    local m <close> = mp.Manager()
    local l = m:list()
    storm(function(who)
      while true do
        l:append { who, who }
        l:insert(1, { who, who })
        l:extend { { who, who }, { who, who } }
        if #l > 100 then l:sort(function(a, b) return a[1] < b[1] end) end
        pcall(l.pop, l)
        pcall(l.pop, l, 1)
        if #l > 200 then l:clear() end
      end
    end, 3, 40)
    local n = 0
    for _, v in ipairs(l) do
      n = n + 1
      assert(v[1] == v[2], "seed " .. seed)
    end
    assert.equal(#l, n)
  end)
end)

describe("The objects of a server", function()
  local Counter = {}
  Counter.__index = Counter
  function Counter:new() return setmetatable({ n = 0 }, self) end
  function Counter:add(who)
    self.n = self.n + 1
    return who, self.n
  end
  function Counter:value() return self.n end

  local function with_server(f)
    local My = mp.BaseManager:extend "My"
    My:register("Counter", Counter)
    local m <close> = My():start()
    f(m:Counter())
  end

  it("have each call of killed clients whole or not at all", function()
    with_server(function(c)
      local tries, answers = mp.Value("q", 0), mp.Value("q", 0)
      storm(function()
        while true do
          tries:add(1)
          c:add(1)
          answers:add(1)
        end
      end, 3, 40)
      local n = c:value()
      assert(n >= answers.value and n <= tries.value, n)
    end)
  end)

  it("never mix the answers of processes that share a proxy", function()
    with_server(function(c)
      local ps = {}
      for i = 1, 4 do
        ps[i] = start(function(who)
          for _ = 1, 500 do assert(c:add(who) == who) end
        end, i)
      end
      for _ = 1, 500 do assert.equal("main", (c:add "main")) end
      for i = 1, 4 do
        assert.is_true(ps[i]:join(30))
        assert.equal(0, ps[i].exitcode)
      end
      assert.equal(2500, c:value())
    end)
  end)

  it("are not held up by a client that is stopped", function()
    with_server(function(c)
      local p = start(function() while true do c:add(1) end end)
      for _ = 1, 20 do
        mp.sleep(math.random() * 0.005)
        helper.stop(p)
        assert.equal("live", (c:add "live"))
        mp.kill(p.pid, "SIGCONT")
      end
      p:kill()
      p:join()
    end)
  end)
end)
