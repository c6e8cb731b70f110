--- from_python_spec.lua: the page for those who come from Python names what there is
-- MIT licence, see LICENSE
--
-- Every Lua name in a table of docs/from-python.md and of the README exists: `mp.NAME`, and
-- `VAR:method` or `VAR.field` of the objects below. No public name that this machine's Python has
-- is missing on the page.

require "spec.helper"
local errors = require "multiprocessing.errors"
local mp = require "multiprocessing"

local PAGE <const> = "docs/from-python.md"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- --- tables --------------------------------------------------------------------------------------

local function cells_of(line)
  local cells = {}
  for cell in line:gmatch "|%s?([^|]*)" do cells[#cells + 1] = cell end
  return cells
end

-- -> list of rows {python = , lua = }, of the tables whose first two columns are headed so
local function rows_of(text)
  local rows, inside = {}, false
  for line in text:gmatch "[^\n]*" do
    local cells = cells_of(line)
    if #cells < 2 then
      inside = false
    elseif cells[1]:find "^Python%s*$" and cells[2]:find "^Lua%s*$" then
      inside = true
    elseif inside and not cells[1]:find "^%-%-%-" then
      rows[#rows + 1] = { python = cells[1], lua = cells[2] }
    end
  end
  return rows
end

-- --- Lua names -----------------------------------------------------------------------------------

-- The objects that the page's variables stand for, and what has to be ended.
local function samples()
  local pool = mp.Pool(1)
  local executor = mp.ProcessPoolExecutor{ max_workers = 1 }
  local listener = mp.Listener{ authkey = "key" }
  local p = mp.Process{ target = function()
    mp.Client(listener.address, { authkey = "key" }):close()
  end }
  p:start()
  listener:accept():close()
  p:join()
  local MyManager = mp.BaseManager:extend "MyManager"
  MyManager:register("Box", function(v) return { get = function() return v end } end)
  local manager, m = MyManager():start(), mp.Manager()
  local name = ("mplua_spec_%d"):format(mp.getpid())
  local named = mp.SharedMemory{ name = name, create = true, size = 8 }
  named:unlink()
  return {
    mp = mp, ctx = mp.get_context "fork", p = p, pool = pool, executor = executor,
    listener = listener, q = mp.Queue(), sq = mp.SimpleQueue(), jq = mp.JoinableQueue(),
    conn = (mp.Pipe()), lock = mp.Lock(), rlock = mp.RLock(), sem = mp.Semaphore(),
    bounded = mp.BoundedSemaphore(), event = mp.Event(), cond = mp.Condition(),
    barrier = mp.Barrier(1), v = mp.Value("i", 0), a = mp.Array("i", 1), s = mp.Array("c", "x"),
    shm = mp.SharedMemory{ size = 8 }, named = named, sl = mp.ShareableList{ 1 },
    result = pool:apply_async(mp.getpid), it = (pool:imap(mp.getpid, { 1 })),
    future = executor:submit(mp.getpid), logger = mp.get_logger(), manager = manager,
    server = MyManager():get_server(), proxy = manager:Box(1), m = m, d = m:dict(),
    l = m:list(), My = mp.Process:extend "My", MyManager = MyManager,
  }
end

local function finish(sample)
  sample.result:wait()
  sample.it:close()
  sample.pool:terminate()
  sample.pool:join()
  sample.executor:shutdown()
  sample.listener:close()
  sample.manager:shutdown()
  sample.server:stop()
  sample.server:serve_forever()
end

-- what stands in backquotes, without strings
local function code_of(cell)
  local spans = {}
  for span in cell:gmatch "`([^`]+)`" do
    spans[#spans + 1] = span:gsub('"[^"]*"', '""')
  end
  return spans
end

-- Calls f(names, is_method) for each `a.b.c` or `a.b:c` in a piece of code.
local function each_chain(code, f)
  for chain in code:gmatch "%f[%w_.:][%a_][%w_]*[.:][%w_.:]*" do
    local names = {}
    for name in chain:gmatch "[%w_]+" do names[#names + 1] = name end
    f(names, chain:find(":", 1, true) ~= nil, chain)
  end
end

local library <const> = { string = true, table = true, math = true, io = true, os = true }

local function check_chain(sample, names, is_method, chain)
  local object = sample[names[1]]
  if library[names[1]] then return end
  assert(object ~= nil, ("'%s' is not known in '%s'"):format(names[1], chain))
  for i = 2, #names do
    local ok, value = pcall(function() return object[names[i]] end)
    assert(ok and value ~= nil, ("there is no '%s'"):format(chain))
    object = value
  end
  if is_method then assert.equal("function", type(object), chain) end
end

local function check_conditions(code)
  for name in code:gmatch "%f[%w]%u%w+Error%f[%W]" do
    local found = false
    for _, known in ipairs(errors.names) do found = found or known == name end
    assert(found, "there is no condition " .. name)
  end
end

describe("Lua names", function()
  local sample = samples()
  teardown(function() finish(sample) end)

  for _, page in ipairs { PAGE, "README.md" } do
    it("of " .. page .. " exist", function()
      local rows = rows_of(read(page))
      assert(#rows > 10)
      for _, row in ipairs(rows) do
        for _, code in ipairs(code_of(row.lua)) do
          each_chain(code, function(...) check_chain(sample, ...) end)
          check_conditions(code)
        end
      end
    end)
  end

  it("that do not exist are found", function()
    local function check(code)
      each_chain(code, function(...) check_chain(sample, ...) end)
    end
    check "mp.futures.wait(list)"
    check "local x = q:get(), lock:hold()"
    assert.has_error(function() check "mp.Nonsense()" end)
    assert.has_error(function() check "q:put_all(list)" end)
    assert.has_error(function() check "p.colour" end)
    assert.has_error(function() check "queue:get()" end)
    assert.has_error(function() check_conditions "NonsenseError" end)
    assert.equal(1, #rows_of "| Python | Lua |\n|---|---|\n| `a` | `b` |\n\n| x | y |\n")
  end)
end)

-- --- Python names ------------------------------------------------------------------------------

-- Prints "section name" for each public name. What is only there because it is imported is not.
local LIST <const> = [[
import importlib, concurrent.futures
def public(o): return [n for n in dir(o) if n[0] != '_']
def show(section, names):
    for n in names: print(section, n, sep='\t')
def module(section, name):
    m = importlib.import_module(name)
    show(section, m.__all__)
def classes(section, name, names):
    m = importlib.import_module(name)
    for n in names.split(): show(section, public(getattr(m, n)))
mp = 'multiprocessing'
module('multiprocessing', mp)
classes('Process', mp + '.process', 'BaseProcess')
module('Pool', mp + '.pool')
classes('Pool', mp + '.pool', 'Pool AsyncResult IMapIterator')
module('Queues', mp + '.queues')
classes('Queues', mp + '.queues', 'Queue SimpleQueue JoinableQueue')
module('Connections', mp + '.connection')
classes('Connections', mp + '.connection', 'Connection Listener')
module('Locks', mp + '.synchronize')
classes('Locks', mp + '.synchronize', 'Semaphore BoundedSemaphore Event Condition Barrier')
module('Shared memory', mp + '.sharedctypes')
classes('Shared memory', mp + '.sharedctypes', 'Synchronized SynchronizedArray SynchronizedString')
module('Shared memory', mp + '.shared_memory')
classes('Shared memory', mp + '.shared_memory', 'SharedMemory ShareableList')
module('Managers', mp + '.managers')
classes('Managers', mp + '.managers', 'BaseManager SyncManager SharedMemoryManager')
classes('Managers', mp + '.managers', 'BaseProxy DictProxy ListProxy')
show('concurrent.futures', concurrent.futures.__all__)
classes('concurrent.futures', 'concurrent.futures', 'Future ProcessPoolExecutor')
module('Logging and the rest', mp + '.util')
module('Logging and the rest', mp + '.heap')
module('Logging and the rest', mp + '.reduction')
]]

-- The first columns of one section.
local function section_of(text, title)
  local at = select(2, text:find("\n## " .. title .. "\n", 1, true))
  assert(at, "no section " .. title)
  local part = text:sub(at, (text:find("\n## ", at, true)))
  local cells = {}
  for _, row in ipairs(rows_of(part)) do cells[#cells + 1] = row.python end
  return table.concat(cells, "\n")
end

describe("Python names", function()
  it("are all on the page", function()
    local path = os.tmpname()
    do
      local file <close> = assert(io.open(path, "w"))
      file:write(LIST)
    end
    local pipe <close> = assert(io.popen("python3 " .. path .. " 2>&1"))
    local text, count, missing = read(PAGE), 0, {}
    for line in pipe:lines() do
      local section, name = line:match "^(.-)\t(.*)$"
      assert(section, line)
      count = count + 1
      if not section_of(text, section):find("%f[%w_]" .. name .. "%f[^%w_]") then
        missing[#missing + 1] = section .. ": " .. name
      end
    end
    os.remove(path)
    assert(count > 150, "Python told of few names: " .. count)
    assert.same({}, missing)
  end)
end)
