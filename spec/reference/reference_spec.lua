--- reference_spec.lua: the annotations are complete, true to what there is, and written down
-- MIT licence, see LICENSE

require "spec.helper"
local mp = require "multiprocessing"
package.path = "scripts/build/?.lua;" .. package.path
local annotations = require "annotations"
local reference = require "reference"

local model = reference.read()

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function set(words)
  local s = {}
  for word in words:gmatch "%S+" do s[word] = true end
  return s
end

-- Every public item of the annotations: title, item.
local function items()
  local list = {}
  for _, f in ipairs(model.functions) do list[#list + 1] = { "mp." .. f.name, f } end
  for _, class in ipairs(model.classes) do
    for _, f in ipairs(class.methods) do list[#list + 1] = { class.name .. ":" .. f.name, f } end
  end
  return list
end

local function where(title, item)
  return ("%s (%s:%d)"):format(title, item.file, item.line)
end

-- --- what there is at run time -------------------------------------------------------------------

-- An object of each class, and what is to be closed behind it.
local makers <const> = {
  Array = function() return mp.Array("i", 1) end,
  AsyncResult = function() return mp.Pool(0):apply_async(math.sqrt, { 4 }) end,
  Barrier = function() return mp.Barrier(1) end,
  BoundedSemaphore = function() return mp.BoundedSemaphore() end,
  BaseManager = function() return mp.BaseManager() end,
  Condition = function() return mp.Condition() end,
  Connection = function() return (mp.Pipe()) end,
  Error = function() return select(2, pcall(mp.loads, "")) end,
  Event = function() return mp.Event() end,
  Future = function()
    local executor <close> = mp.ProcessPoolExecutor(1)
    return executor:submit(math.sqrt, 4)
  end,
  Held = function() return mp.Lock():hold() end,
  JoinableQueue = function() return mp.JoinableQueue() end,
  Listener = function() return mp.Listener() end,
  Lock = function() return mp.Lock() end,
  Logger = function() return mp.get_logger() end,
  Manager = function() return mp.Manager() end,
  Namespace = function() return mp.Manager():Namespace() end,
  Pool = function() return mp.Pool(0) end,
  PoolIterator = function() return (mp.Pool(0):imap(math.sqrt, { 4 })) end,
  Process = function() return mp.Process() end,
  ProcessPoolExecutor = function()
    local executor <close> = mp.ProcessPoolExecutor(1)
    return executor
  end,
  Queue = function() return mp.Queue() end,
  RLock = function() return mp.RLock() end,
  RawArray = function() return mp.RawArray("i", 1) end,
  RawValue = function() return mp.RawValue("i") end,
  Semaphore = function() return mp.Semaphore() end,
  ShareableList = function() return mp.ShareableList{ 1 } end,
  SharedMemory = function() return mp.SharedMemory{ size = 1 } end,
  Value = function() return mp.Value("i") end,
  dict = function() return mp.Manager():dict() end,
  list = function() return mp.Manager():list() end,
}

-- The names of the functions in a table of methods, and in those that it goes on to.
local function add_names(names, methods)
  while type(methods) == "table" do
    for name, v in pairs(methods) do
      if type(name) == "string" and type(v) == "function" and not name:find "^_" then
        names[name] = true
      end
    end
    local meta = getmetatable(methods)
    methods = meta and meta.__index
  end
end

-- The names of an object's methods. Where __index is a function they are in one of its upvalues.
local function methods_of(object)
  local names = {}
  local meta = getmetatable(object)
  add_names(names, meta.__index)
  add_names(names, meta)
  if type(meta.__index) == "function" then
    local i = 1
    while true do
      local name, v = debug.getupvalue(meta.__index, i)
      if not name then break end
      if type(v) == "table" and name ~= "_ENV" then add_names(names, v) end
      i = i + 1
    end
  end
  return names
end

-- The names that a class has by its annotations, its bases' included.
local function documented(class)
  local names = {}
  while class do
    for _, method in ipairs(class.methods) do names[method.name] = true end
    class = class.base and model.class[class.base]
  end
  return names
end

-- Queues of all kinds are of one class of C; what only some may do is misuse for the others.
local more <const> = { Queue = set "task_done join",
  Process = set "construct get_field set_field" }

-- --- what was promised -------------------------------------------------------------------------

local promised <const> = {
  mp = [[Process Queue SimpleQueue JoinableQueue Pipe Listener Client Pool ProcessPoolExecutor
    parallel Value Array RawValue RawArray SharedMemory ShareableList Lock RLock Semaphore
    BoundedSemaphore Event Condition Barrier current_process parent_process active_children
    cpu_count getpid kill sleep now at_exit iserror wait get_logger log_to_stderr dumps loads
    get_all_start_methods set_start_method get_start_method get_context set_executable
    set_forkserver_preload futures.wait futures.as_completed Manager BaseManager]],
  Process = [[start run join is_alive terminate kill interrupt close extend init .name .daemon .pid
    .ident .exitcode .authkey .sentinel .super]],
  Queue = [[put put_nowait get get_nowait try_get put_many get_many qsize empty full shutdown iter
    close join_thread cancel_join_thread]],
  JoinableQueue = "task_done join put get",
  Connection = [[send recv poll send_bytes recv_bytes fileno close .closed .readable .writable]],
  Listener = "accept close .address .last_accepted",
  Value = "get_lock acquire release hold add cas update .value",
  Array = "slice totable set fill get_lock hold acquire release .value .raw",
  RawValue = "add cas .value",
  RawArray = "slice totable set fill add cas",
  SharedMemory = "read write pack unpack close unlink .name .size",
  ShareableList = "index count close unlink .name",
  Lock = "acquire release hold with locked",
  RLock = "acquire release hold with locked",
  Semaphore = "acquire release hold with locked get_value",
  BoundedSemaphore = "acquire release hold with locked get_value",
  Event = "set clear is_set wait",
  Condition = "wait wait_for notify notify_all acquire release hold with locked",
  Barrier = "wait reset abort .parties .n_waiting .broken",
  Held = ".abandoned",
  Pool = [[apply apply_async map starmap map_async starmap_async imap imap_unordered close
    terminate join poll fileno stats]],
  AsyncResult = "get wait ready successful cancel",
  PoolIterator = "next close",
  ProcessPoolExecutor = "submit map shutdown",
  Future = "result exception done running cancelled cancel add_done_callback",
  Logger = "debug info warning error set_level",
  Manager = [[dict list Namespace Queue JoinableQueue Lock RLock Semaphore BoundedSemaphore Event
    Condition Barrier Value Array Pool shutdown]],
  dict = [[get set pop setdefault update incr has keys values items copy clear]],
  list = [[append extend insert pop remove index count slice sort reverse copy clear]],
  Namespace = "",
  BaseManager = "extend register start connect get_server shutdown .address",
  Server = "serve_forever",
  Error = "is .name .message .value .traceback .pid",
}

local function names_of(key)
  if key ~= "mp" then
    local names = documented(model.class[key])
    local class = model.class[key]
    while class do
      for _, f in ipairs(class.fields) do names["." .. f.name] = true end
      class = class.base and model.class[class.base]
    end
    return names
  end
  local names = {}
  for _, f in ipairs(model.functions) do names[f.name] = true end
  return names
end

-- --- types ---------------------------------------------------------------------------------------

local builtin <const> = set [[nil any boolean number integer string table function thread userdata
  lightuserdata true false]]

local function check_type(title, entry)
  for _, name in ipairs(entry.names) do
    local class = name:match "^multiprocessing%.(.*)$"
    assert.truthy(builtin[name] or name == "multiprocessing" or class and model.class[class],
      ("%s: unknown type '%s'"):format(title, name))
  end
end

describe("the annotations", function()
  it("can be read", function()
    assert.same({}, model.problems)
    assert.truthy(#model.classes > 20 and #model.functions > 40)
  end)

  it("have a sentence and an example for each public name", function()
    for _, entry in ipairs(items()) do
      local title, item = entry[1], entry[2]
      assert.truthy(item.text:find "%S", where(title, item) .. " says nothing")
      assert.truthy(item.example ~= "", where(title, item) .. " has no example")
    end
    for _, class in ipairs(model.classes) do
      assert.truthy(class.text:find "%S", where(class.name, class) .. " says nothing")
    end
  end)

  it("name the parameters as the functions do", function()
    for _, entry in ipairs(items()) do
      local title, item = entry[1], entry[2]
      local names = {}
      for i, p in ipairs(item.params) do names[i] = p.name end
      if item.arguments and item.arguments ~= "..." then
        assert.equal(item.arguments:gsub("%s", ""), table.concat(names, ","), where(title, item))
      end
    end
  end)

  it("use types that there are", function()
    for _, entry in ipairs(items()) do
      for _, p in ipairs(entry[2].params) do check_type(entry[1], p) end
      for _, r in ipairs(entry[2].returns) do check_type(entry[1], r) end
    end
    for _, class in ipairs(model.classes) do
      for _, f in ipairs(class.fields) do check_type(class.name .. "." .. f.name, f) end
      assert.truthy(not class.base or model.class[class.base], where(class.name, class))
    end
  end)

  it("describe each name of the module", function()
    local described = names_of "mp"
    local function check(prefix, t)
      for name, v in pairs(t) do
        if name == "futures" then
          check("futures.", v)
        elseif not name:find "^_" then
          assert.truthy(described[prefix .. name], "mp." .. prefix .. name .. " has no annotation")
        end
      end
    end
    check("", mp)
    check("", getmetatable(mp))
    check("", mp.get_context "spawn")
  end)

  it("describe each method of each class, and none that it has not", function()
    for name, make in pairs(makers) do
      local object = make()
      local class = assert(model.class[name], name .. " has no annotation")
      local has, described = methods_of(object), documented(class)
      local fields = names_of(name) -- some are read by a function
      for method in pairs(has) do
        assert.truthy(fields[method] or fields["." .. method] or more[name] and more[name][method],
          ("%s:%s has no annotation"):format(name, method))
      end
      for method in pairs(described) do
        assert.truthy(has[method], ("there is no %s:%s"):format(name, method))
      end
      if name == "Listener" then object:close() end
    end
  end)

  it("describe all that was promised", function()
    for key, words in pairs(promised) do
      local names = names_of(key)
      for word in words:gmatch "%S+" do
        assert.truthy(names[word], ("%s of %s has no annotation"):format(word, key))
      end
    end
  end)
end)

describe("the reference", function()
  it("is written down (else: make docs)", function()
    assert.truthy(reference.write "markdown" == read "docs/reference.md",
      "docs/reference.md is not what the annotations say: run make docs, and commit it")
  end)

  it("has each link's target", function()
    local text = read "docs/reference.md"
    local targets = {}
    for heading in text:gmatch "\n#+ ([^\n]+)" do
      targets[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
    end
    local links = 0
    for target in text:gmatch "%]%(#([^)]+)%)" do
      assert.truthy(targets[target], "no heading for #" .. target)
      links = links + 1
    end
    assert.truthy(links > 60)
  end)

  it("has a form for editors, which is Lua and names what there is", function()
    local text = reference.write "meta"
    assert.truthy(text:find "^%-%-%-@meta multiprocessing\n")
    local definitions = assert(load(text, "=meta"))()
    for _, f in ipairs(model.functions) do
      local v = definitions
      for key in f.name:gmatch "[^.]+" do v = assert(v[key], f.name) end
    end
    for line in text:gmatch "%-%-%-@[pr]e?[at][ru][ar][mn] ([^\n]*)" do
      local rest = line:match "^[%w_]+%?? (.*)$"
      assert.truthy(annotations.type_of(line) or annotations.type_of(rest), line)
    end
  end)

  it("has a form for man, at which groff does not complain", function()
    if not os.execute "command -v groff >/dev/null" then return pending "no groff" end
    local path = os.tmpname()
    do
      local file <close> = assert(io.open(path, "w"))
      file:write(reference.write("man", "0"))
    end
    local pipe <close> = assert(io.popen("groff -man -Tutf8 -ww -z " .. path
      .. " docs/mplua.1 2>&1"))
    assert.equal("", pipe:read "a")
    os.remove(path)
  end)
end)

describe("reading an annotation", function()
  local function types(text)
    local found, rest = annotations.type_of(text)
    return found, rest
  end

  it("finds where a type ends", function()
    for text, type_text in pairs {
      ["integer the rest"] = "integer",
      ["string[] list"] = "string[]",
      ["integer|string its number"] = "integer|string",
      ["integer | nil or so"] = "integer | nil",
      ['"a"|"b" one of them'] = '"a"|"b"',
      ["fun(a: integer, b?: string): any, any then"] = "fun(a: integer, b?: string): any, any",
      ["fun() called"] = "fun()",
      ["{ limit: integer, [string]: any } options"] = "{ limit: integer, [string]: any }",
      ["table<string, integer> counts"] = "table<string, integer>",
      ["(integer|string)[] mixed"] = "(integer|string)[]",
      ["multiprocessing.Error? e"] = "multiprocessing.Error?",
    } do
      assert.equal(type_text, (types(text)))
    end
  end)

  it("finds what is no type", function()
    for _, text in ipairs { "", "|", "fun(", "{ limit integer }", "integer| ", "a..b[", "<x>",
      "table<string", "(integer" } do
      assert.is_nil(types(text), text)
    end
  end)

  it("finds mistakes", function()
    local function problems(text)
      local path = os.tmpname()
      do
        local file <close> = assert(io.open(path, "w"))
        file:write(text)
      end
      local found = annotations.read{ path }.problems
      os.remove(path)
      return found[1] and found[1]:match ":(%d+: .*)$"
    end
    assert.equal("1: cannot be read: ---@param x {",
      problems "---@param x {\nfunction M.f(x) end\n")
    assert.equal("2: cannot be read: ---@see g", problems "\n---@see g\nfunction M.f(x) end\n")
    assert.equal("1: there is no class Lok",
      problems "--- Text.\n---@function Lok:acquire\nx = 1\n")
    assert.equal("1: text stands behind the example:  more",
      problems "--- Text.\n---     x()\n--- more\nfunction M.f() end\n")
    assert.is_nil(problems "--- Text.\n---     x()\n---@param x integer\nfunction M.f(x) end\n")
  end)
end)
