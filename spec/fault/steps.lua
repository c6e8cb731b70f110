--- steps.lua: a little of everything, each part to be run again and again while calls fail
-- MIT licence, see LICENSE
--
-- Each function gets a context (a start method) and either raises an error or has seen right
-- results only: a wrong one is raised as "WRONG: ...". No part may wait for what a process that
-- has failed would have had to do: it looks at the exit code first.

local steps = {} -- and `patience`: seconds to wait for a child, nil for ever

local function right(ok, what)
  if not ok then error("WRONG: " .. what, 0) end
end

local function finished(p)
  p:join()
  if p.exitcode ~= 0 then error("a child failed: " .. tostring(p.exitcode), 0) end
  p:close()
end

-- A forked child's first objects lie in a few pages that it has already: those are filled first, so
-- that what comes then can fail.
local function outgrow_nursery()
  local list = {}
  for i = 1, 400 do list[i] = { i } end
  return list
end

-- A daemon: it goes with this process when that is killed for a hang.
local function run(ctx, f, ...)
  local p = ctx.Process{ args = { ... }, daemon = true, target = function(...)
    outgrow_nursery()
    f(...)
  end }
  p:start()
  return p
end

-- --- processes -------------------------------------------------------------------------------

function steps.process(ctx)
  local answer = ctx.SimpleQueue()
  local factor = 3
  local p = run(ctx, function(q, list) q:put(#list * factor) end, answer, { 1, 2, 3 })
  right(p.pid ~= nil, "no pid")
  finished(p)
  right(answer:get() == 9, "answer of the child")
  local bad = ctx.Process{ target = function() os.exit(7) end }
  bad:start()
  bad:join()
  if bad.exitcode ~= 7 then error("exit code " .. tostring(bad.exitcode), 0) end
end

function steps.kinds(ctx)
  local Child = ctx.Process:extend("Child")
  function Child:run() os.exit(self.code) end
  local c = Child{}
  c.code = 0
  c:start()
  local d = ctx.Process{ target = function(mp) mp.sleep(1) end, args = { ctx }, daemon = true }
  d:start()
  right(not d:join(0) or d.exitcode ~= 0, "the sleeper ended well")
  finished(c)
  d:kill()
  d:join()
  right(#ctx.active_children() == 0 or ctx.active_children()[1] ~= d, "dead and active")
end

-- --- messages --------------------------------------------------------------------------------

function steps.codec(ctx)
  local shared = { 1, 2 }
  local v = { 1, 2.5, "text", shared, again = shared, f = string.format, deep = {} }
  v.self = v
  local at = v.deep
  for i = 1, 200 do
    at[1] = { i }
    at = at[1]
  end
  local up = 5
  v.g = function(x) return x + up, #shared end
  local w = ctx.loads(ctx.dumps(v))
  right(w.self == w and w[4] == w.again and w.f == string.format, "identity")
  local x, n = w.g(2)
  right(x == 7 and n == 2 and w[3] == "text", "values")
  right(not pcall(ctx.loads, "rubbish"), "rubbish was loaded")
end

local function put_all(q, n)
  for i = 1, n do q:put{ i, ("x"):rep(i * 700) } end
end

function steps.queue(ctx)
  local q = ctx.Queue()
  finished(run(ctx, put_all, q, 12))
  for i = 1, 12 do
    local m = q:get(true, 0)
    right(m[1] == i and #m[2] == i * 700, "message " .. i)
  end
  q:put_many{ 1, 2, { 3, ctx.SimpleQueue() } } -- not q: a circle would keep itself alive
  local list = q:get_many(10)
  right(list.n == 3 and list[3][1] == 3, "get_many")
  right(q:empty() and not q:try_get(), "empty")
  q:put(("y"):rep(300000))
  right(#q:get() == 300000, "a large message")
  q:shutdown()
end

function steps.tasks(ctx)
  local q = ctx.JoinableQueue(3)
  q:put(1)
  q:put(2)
  finished(run(ctx, function(work)
    for _ = 1, 2 do
      work:get()
      work:task_done()
    end
  end, q))
  right(q:join(5), "not all is done")
end

function steps.pipe(ctx)
  local a, b = ctx.Pipe()
  b:send{ "hello", 2 }
  right(a:poll() and a:recv()[1] == "hello", "a message")
  local p = run(ctx, function(c)
    if not c:poll(steps.patience or 60) then error "nothing came" end
    c:send_bytes(c:recv_bytes():rep(2))
  end, b)
  a:send_bytes(("z"):rep(5000))
  finished(p)
  right(#a:recv_bytes() == 10000, "bytes")
  b:send(1)
  right(a:fileno() > 2 and a:poll(1), "its descriptor")
  local ready = ctx.wait({ a }, 5)
  right(ready[1] == a, "wait")
  b:close()
  right(a:recv() == 1, "the last message")
  right(not pcall(a.recv, a), "no end of file")
  a:close()
end

function steps.waiting(ctx)
  local q, a, b = ctx.Queue(), ctx.Pipe(false)
  local p = run(ctx, function(queue, conn)
    queue:put(1)
    conn:send(2)
  end, q, b)
  local deadline = ctx.now() + 10
  while #ctx.wait({ q, a, p }, 0.2) < 3 and ctx.now() < deadline do
    if not p:is_alive() and p.exitcode ~= 0 then error("a child failed", 0) end
  end
  finished(p)
  right(q:get(true, 0) == 1 and a:recv() == 2, "what was waited for")
end

-- --- shared state ----------------------------------------------------------------------------

function steps.shared(ctx)
  local value, array = ctx.Value("i", 5), ctx.Array("d", { 1, 2, 3 })
  local raw, text = ctx.RawValue("q", 1), ctx.Array("c", "text")
  finished(run(ctx, function(v, a)
    v:add(2)
    a[2] = 20
  end, value, array))
  right(value.value == 7 and array[2] == 20, "what the child wrote")
  right(raw:add(4) == 5 and text.value == "text", "raw")
  right(value:update(function(x) return x * 2 end) == 14, "update")
  array:set({ 7, 8 }, 2)
  right(table.concat(array:totable(), " ") == "1.0 7.0 8.0", "totable")
end

function steps.memory(ctx)
  local name = ("mplua-fault-%d"):format(ctx.getpid())
  local there, old = pcall(ctx.SharedMemory, name) -- of a run that could not even call unlink
  if there then
    old:unlink()
    old:close()
  end
  local m <close> = ctx.SharedMemory{ name = name, create = true, size = 5000 }
  local ok, err = pcall(function()
    m:write(1, "shared")
    local again <close> = ctx.SharedMemory{ name = name }
    right(again:read(1, 6) == "shared", "by name")
    local unnamed <close> = ctx.SharedMemory{ create = true, size = 100000 }
    unnamed:pack("i4", 9, 77)
    right(unnamed:unpack("i4", 9) == 77, "unnamed")
    local list = ctx.ShareableList{ 1, "two", 3.5, true }
    right(list[2] == "two" and #list == 4 and list:index(3.5) == 3, "list")
    list:close()
    list:unlink()
  end)
  m:unlink()
  if not ok then error(err, 0) end
end

function steps.store(ctx)
  local m = ctx.Manager()
  local d, l = m:dict{ a = 1, t = { ("x"):rep(3000) } }, m:list{ 1, { 2 }, ("y"):rep(2000) }
  right(#d.t[1] == 3000 and d:copy().a == 1 and l:copy()[2][1] == 2, "first contents")
  for i = 1, 100 do d[i] = ("v"):rep(i * 13) end
  d:update{ a = 2, b = m:dict{ deep = { l } } }
  right(d.a == 2 and d.b.deep[1] == l, "update of a table")
  right(d:update("a", function(n) return n + 1 end) == 3 and d:incr("a") == 4, "update")
  l:extend{ 5, { 6 }, 4 }
  l:remove{ 6 }
  l:reverse()
  right(l[1] == 4 and #l == 5 and l:index{ 2 } == 4, "the list")
  finished(run(ctx, function(dict, list)
    for i = 1, 100 do dict[i] = nil end
    list:append(dict:pop "t")
  end, d, l))
  right(#d == 2 and #l[6][1] == 3000, "what the child did")
  d:clear()
  right(#d == 0, "clear")
end

function steps.locks(ctx)
  local lock, rlock, event = ctx.Lock(), ctx.RLock(), ctx.Event()
  local units, bounded = ctx.Semaphore(2), ctx.BoundedSemaphore(2)
  local cond, barrier = ctx.Condition(), ctx.Barrier(2)
  local p = run(ctx, function(l, r, e, s, b, bar)
    l:with(function() end)
    r:with(function() end)
    e:set()
    s:acquire()
    b:acquire()
    b:release()
    bar:wait(steps.patience)
  end, lock, rlock, event, units, bounded, barrier)
  local ok, err = pcall(barrier.wait, barrier, steps.patience)
  finished(p)
  if not ok then error(err, 0) end
  right(event:is_set() and event:wait(0), "event")
  right(units:get_value() == 1 and bounded:get_value() == 2, "units")
  do
    local _ <close> = cond:hold()
    cond:notify_all()
    right(not cond:wait(0), "nobody notifies")
  end
  right(lock:acquire(false) and not lock:acquire(false), "lock")
  lock:release()
end

-- --- pools -----------------------------------------------------------------------------------

local function square(x) return x * x end

function steps.map(ctx)
  local pool <close> = ctx.Pool(2, outgrow_nursery)
  local items = {}
  for i = 1, 30 do items[i] = i end
  local list = pool:map(square, items)
  for i = 1, 30 do right(list[i] == i * i, "item " .. i) end
  right(pool:apply(square, { 9 }) == 81, "apply")
  for i, r in pool:imap(function(s) return s .. "!" end, { "a", "b", ("c"):rep(5000) }) do
    right(r:sub(-1) == "!" and (i < 3 or #r == 5001), "imap")
  end
  local r = pool:apply_async(error, { { "mine" } })
  local ok, err = pcall(r.get, r)
  if not ok and ctx.iserror(err, "RemoteError") and type(err.value) == "table" then
    right(err.value[1] == "mine", "the error's value")
  elseif ok then
    right(false, "an error was no error")
  else
    error(err, 0)
  end
end

function steps.deaths(ctx)
  local pool <close> = ctx.Pool{ processes = 2, initializer = function(n)
    outgrow_nursery()
    Seen = n -- luacheck: ignore
  end,
    initargs = { 3 }, maxtasksperchild = 4 }
  local function f(i)
    if i == 5 then os.exit(3) end
    return Seen + i -- luacheck: ignore
  end
  local results = {}
  for i = 1, 8 do results[i] = pool:apply_async(f, { i }) end
  local bad
  for i, r in ipairs(results) do
    local ok, v = pcall(r.get, r, 20)
    if i == 5 then
      right(not ok, "the dead answered")
    elseif ok then
      right(v == i + 3, "result " .. i)
    else
      bad = bad or v
    end
  end
  if bad then error(bad, 0) end
end

function steps.futures(ctx)
  local executor <close> = ctx.ProcessPoolExecutor{ max_workers = 2 }
  local a, b = executor:submit(square, 4), executor:submit(square, 5)
  local done = ctx.futures.wait({ a, b }, 20)
  right(#done == 2 and a:result() + b:result() == 41, "futures")
  local sum = 0
  for _, r in executor:map(square, { 1, 2, 3 }) do sum = sum + r end
  right(sum == 14, "map")
end

-- --- managers --------------------------------------------------------------------------------

function steps.manager(ctx)
  local m <close> = ctx.Manager()
  local d, list, ns = m:dict{ a = 1 }, m:list{ 1, 2 }, m:Namespace{ x = 5 }
  finished(run(ctx, function(dict, l)
    for i = 1, 20 do dict:set("key" .. i, { i }) end
    dict:incr("a", 4)
    l:append{ "three" }
  end, d, list))
  right(d.a == 5 and #d == 21 and d.key7[1] == 7, "dict")
  right(#list == 3 and list[3][1] == "three", "list")
  right(d:update("a", function(n) return n * 2 end) == 10 and d:pop("a") == 10, "update, pop")
  list:sort(function(x, y) return type(x) == "number" and (type(y) ~= "number" or x > y) end)
  right(list[1] == 2 and list:pop(2) == 1, "sort")
  ns.y = { d }
  right(ns.x == 5 and ns.y[1]:get("key3")[1] == 3, "Namespace")
end

function steps.server(ctx)
  local Counter = { __name = "Counter" }
  Counter.__index = Counter
  function Counter:add(n)
    self.n = self.n + n
    return self.n
  end
  local Mine = ctx.BaseManager:extend "Mine"
  Mine:register("counter", function(n) return setmetatable({ n = n }, Counter) end)
  local m <close> = Mine{}
  m:start()
  local c = m:counter(3)
  right(c:add(2) == 5, "a call")
  finished(run(ctx, function(proxy)
    if proxy:add(1) ~= 6 then os.exit(1) end
  end, c))
  right(c:add(0) == 6, "what the child did")
end

-- --- sockets ---------------------------------------------------------------------------------

local function served(ctx, listener, key)
  local p = run(ctx, function(mp, address, authkey)
    local c <close> = mp.Client(address, { authkey = authkey, timeout = steps.patience })
    c:send{ "question", 6 }
    if c:recv() ~= 42 then os.exit(1) end
  end, ctx, listener.address, key)
  local ok, err = pcall(function()
    local c <close> = listener:accept(steps.patience)
    local m = c:recv()
    right(m[1] == "question", "question")
    c:send(m[2] * 7)
  end)
  listener:close()
  p:join()
  if not ok then error(err, 0) end
  finished(p)
end

function steps.unix(ctx)
  local listener <close> = ctx.Listener{}
  served(ctx, listener)
end

function steps.tcp(ctx)
  local listener <close> = ctx.Listener{ address = "127.0.0.1:0", authkey = "secret" }
  served(ctx, listener, "secret")
end

return steps
