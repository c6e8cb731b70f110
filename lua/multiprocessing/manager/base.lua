--- base.lua: BaseManager: objects of the user's own classes in a server process
-- MIT licence, see LICENSE
--
--    made --start--> started --shutdown--> shut down
--      \---connect--> connected (again, when the connection is lost)
--       \--get_server--> (serves in this process)
--
-- A manager can be sent to other processes of its family, and makes objects there, too. What only
-- the process has that started it is kept apart, so that the rest can travel.

local connection = require "multiprocessing.connection"
local core = require "multiprocessing.core.process"
local ending = require "multiprocessing.ending"
local errors = require "multiprocessing.errors"
local links = require "multiprocessing.manager.link"
local options = require "multiprocessing.options"
local process = require "multiprocessing.process"
local proxies = require "multiprocessing.manager.proxy"
local queue = require "multiprocessing.queue"
local servers = require "multiprocessing.manager.server"
local system = require "multiprocessing.core.system"

local M = {}

local PATIENCE <const> = 2 -- seconds for a server to end by itself

-- what is not sent: process, link
local own = setmetatable({}, { __mode = "k" })

--- A manager: makes objects of registered types, which live in a server process.
---
---     local Counter = {}
---     function Counter.new(n)
---       return setmetatable({ n = n }, { __index = Counter })
---     end
---     function Counter:add(k)
---       self.n = self.n + k
---       return self.n
---     end
---     local MyManager = mp.BaseManager:extend "MyManager"
---     MyManager:register("Counter", Counter)
---@class multiprocessing.BaseManager
---@field address? string where its server listens: nil before `start`, the port filled in
local BaseManager = { _class_name = "BaseManager" }
M.BaseManager = BaseManager

local function check(ok, level, format, ...)
  if not ok then error(format:format(...), level + 1) end
end

-- fields ----------------------------------------------------------------------------------------

-- Without an address given, the server begins to listen when somebody wants to know where.
local function address_of(self)
  if not self._address and self._state == "started" then
    local link = links.family(self._sid, self._door, self._slot)
    self._address = proxies.results(link, link:call(0, "listen"), 3)
  end
  return self._address
end

-- Types of the module's own classes: apart, lest the user's classes be sent by a name in there.
local base_types = setmetatable({}, { __mode = "k" })

local function registry_of(class) return rawget(class, "_registry") or base_types[class] end

local function find_type(class, typeid)
  while class do
    local registry = registry_of(class)
    if registry and registry[typeid] then return registry[typeid] end
    class = rawget(class, "super")
  end
end

local makers = setmetatable({}, { __mode = "v" })

local function maker_of(typeid)
  local make = makers[typeid]
  if not make then
    make = function(self, ...) return M.create(self, typeid, ...) end
    makers[typeid] = make
  end
  return make
end

--- Reachable by name, so that classes can travel by value.
function M.get_field(self, key)
  if key == "address" then return address_of(self) end
  local class = getmetatable(self)
  local v = class[key]
  if v == nil and type(key) == "string" and find_type(class, key) then return maker_of(key) end
  return v
end

function M.construct(class, ...)
  local self = setmetatable({ _state = "made" }, class)
  self:init(...)
  return self
end

local function make_class(class, base)
  class.__index, class.__close = M.get_field, BaseManager.__close
  class.__tostring, class.__name = BaseManager.__tostring, "multiprocessing.BaseManager"
  return setmetatable(class, { __index = base, __call = M.construct })
end

--- Makes a subclass, to register types with.
---
--- *Python*: `class MyManager(BaseManager)`.
---
---     local Special = MyManager:extend "Special" -- has its types, too
---     local m <close> = Special():start()
---     print(m:Counter(1):add(2)) --> 3
---@param name string
---@return table class
function BaseManager:extend(name)
  check(type(name) == "string", 2,
    "bad argument #1 to 'extend' (string expected, got %s)", type(name))
  return make_class({ _class_name = name, super = self, _registry = {} }, self)
end

local take <const> = options.taker("BaseManager", "address", "authkey")

--- Prepares a manager; a subclass's own `init` calls this one.
---
--- *Python*: `BaseManager(address, authkey)`.
---
---     local m <close> = MyManager{ address = "127.0.0.1:0", authkey = "abracadabra" }
---     m:start()
---     print(m.address:match "^127.0.0.1:%d+$" ~= nil) --> true
---@param address? string "host:port" (port 0: any) or a path; default: a fresh path
---@param authkey? string default: that of this process
function BaseManager:init(...)
  local ok, address, authkey = pcall(take, ...)
  check(ok, 3, "%s", tostring(address):gsub("^[^:]*:%d+: ", "")) -- not at this line
  check(address == nil or type(address) == "string", 3,
    "bad option 'address' to '%s' (string expected, got %s)", self._class_name, type(address))
  check(authkey == nil or type(authkey) == "string", 3,
    "bad option 'authkey' to '%s' (string expected, got %s)", self._class_name, type(authkey))
  self._address, self._authkey = address, authkey or process.current_process().authkey
end

-- types -----------------------------------------------------------------------------------------

local known_options <const> = { exposed = "table", method_to_typeid = "table", serial = "boolean" }

local function is_maker(v)
  if type(v) == "function" then return true end
  if type(v) ~= "table" and type(v) ~= "userdata" then return false end
  local meta = getmetatable(v)
  return type(meta) == "table" and meta.__call ~= nil
    or type(v) == "table" and type(v.new) == "function"
end

local function check_registration(typeid, callable, o)
  check(type(typeid) == "string" and typeid ~= "", 3,
    "bad argument #1 to 'register' (name of a type expected, got %s)", type(typeid))
  check(BaseManager[typeid] == nil and typeid:sub(1, 1) ~= "_" and typeid ~= "address", 3,
    "bad argument #1 to 'register' ('%s' is a manager's own name)", typeid)
  check(callable == nil or is_maker(callable), 3, "bad argument #2 to 'register' "
    .. "(function, callable object or class with 'new' expected, got %s)", type(callable))
  check(o == nil or type(o) == "table", 3,
    "bad argument #3 to 'register' (table of options expected, got %s)", type(o))
  for name, v in pairs(o or {}) do
    check(known_options[name], 3, "unknown option '%s' to 'register'%s", tostring(name),
      options.there_are(known_options))
    check(type(v) == known_options[name], 3, "bad option '%s' to 'register' (%s expected, got %s)",
      name, known_options[name], type(v))
  end
end

local function set_of(list)
  if not list then return nil end
  local set = {}
  for i, name in ipairs(list) do
    check(type(name) == "string", 3,
      "bad option 'exposed' to 'register' (name expected at item %d, got %s)", i, type(name))
    set[name] = true
  end
  return set
end

local function check_map(map)
  for name, typeid in pairs(map or {}) do
    check(type(name) == "string" and type(typeid) == "string", 3,
      "bad option 'method_to_typeid' to 'register' (names of methods and types expected)")
  end
end

--- Makes a type known. The server needs all of it, a client that connects the name alone.
---
--- The callable makes an object from the arguments of `manager:typeid(...)`: a function, an object
--- that can be called, or a class: a table with `new`, called as `class:new(...)` when its first
--- parameter is `self`, `cls` or `class`, else as `class.new(...)`. It may give the same object
--- each time: then all proxies are of this one.
---
--- Calls of one object run side by side: each begins at once, and lets others run when it waits
--- and after some milliseconds of work; `serial` has them run one after the other.
---
--- *Python*: `BaseManager.register`; there is no `proxytype`.
---
---     local shared = Counter.new(0)
---     MyManager:register("shared", function() return shared end, { exposed = { "add" } })
---     local m <close> = MyManager():start()
---     m:shared():add(1)
---     print(m:shared():add(1)) --> 2
---@param typeid string
---@param callable? function|table
---@param o? table `exposed` list of the methods that there are, default: all whose names do not
--- begin with "_"; may name operators ("__len", "__call", "__index"...); `method_to_typeid` table
--- from a method's name to a type: its first result is not copied but becomes a proxy of that type
--- (a method that returns its own object gives the proxy back anyway); `serial` boolean
function BaseManager:register(typeid, callable, o)
  check(type(self) == "table" and registry_of(self), 2,
    "bad argument #1 to 'register' (a manager's class expected; call it with a colon)")
  check_registration(typeid, callable, o)
  o = o or {}
  check_map(o.method_to_typeid)
  registry_of(self)[typeid] = { callable = callable, exposed = set_of(o.exposed),
    method_to_typeid = o.method_to_typeid, serial = o.serial }
end

-- All types of a class and of those that it extends.
local function all_types(class)
  local types = {}
  while class do
    for typeid, entry in pairs(registry_of(class) or {}) do
      types[typeid] = types[typeid] or entry
    end
    class = rawget(class, "super")
  end
  for typeid, entry in pairs(types) do
    for method, other in pairs(entry.method_to_typeid or {}) do
      check(types[other], 3, "type '%s' (of results of method '%s' of '%s') is not registered",
        other, method, typeid)
    end
  end
  return types
end

-- starting --------------------------------------------------------------------------------------

local function check_self(self, method)
  check(type(self) == "table" and rawget(self, "_state"), 3,
    "bad argument #1 to '%s' (manager expected; call it with a colon)", method)
end

local function check_new(self, method)
  check_self(self, method)
  check(self._state == "made", 3, "cannot %s this manager: it %s", method,
    ({ started = "has been started", connected = "is connected",
      ["shut down"] = "was shut down; make another" })[self._state])
end

local function new_sid()
  return ("%d.%016x"):format(system.getpid(), core.seed())
end

-- What the server's process says when it is ready, or that it has died.
local function await_server(p, ready)
  while not ready:poll(0.1) do
    if p:join(0) and not ready:poll(0) then
      errors.raise("ProcessError", ("cannot start a manager: its server has died (exit code %s)")
        :format(p.exitcode))
    end
  end
  local ok, news = pcall(ready.recv, ready)
  if ok then return news end
  if not errors.iserror(news, "EOFError") then error(news, 0) end
  p:join()
  errors.raise("ProcessError", ("cannot start a manager: its server has died (exit code %s)")
    :format(p.exitcode))
end

-- What the listener says is the caller's own affair, what an initializer raises is not.
local function raise_failure(news, pid)
  if errors.iserror(news.error, "ProcessError") and not news.in_initializer then
    error(news.error, 0)
  end
  errors.raise("RemoteError", news.text, { value = news.error, traceback = news.trace, pid = pid })
end

-- A server that is up at the normal end of its owner ends normally, too, and writes out what it has
-- printed.
local running = setmetatable({}, { __mode = "k" })
local registered_in -- pid

local function shut_down_at_exit(manager)
  running[manager] = true
  if registered_in == system.getpid() then return end
  registered_in, running = system.getpid(), setmetatable({ [manager] = true }, { __mode = "k" })
  ending.at_exit(function()
    for m in pairs(running) do
      if not pcall(m.shutdown, m) then own[m].process:kill() end -- a further Ctrl-C
    end
  end)
end

local Owner = { __name = "multiprocessing.BaseManager.owner" }

-- The last of this process's ways to the server is gone: it ends with its last object.
function Owner:__gc()
  if self.ended or self.pid ~= system.getpid() then return end
  pcall(self.link.tell, self.link, "unowned")
end

-- If starting fails so that not even this can be said (there is no memory), the collector says it.
local Newborn = { __name = "multiprocessing.BaseManager.newborn" }

function Newborn:__gc()
  if self.manages or self.pid ~= system.getpid() then return end
  if pcall(self.process.kill, self.process) then pcall(self.process.join, self.process) end
end

-- Its process runs: waits until it is ready.
local function begin(self, p, here, there, door, sid)
  there:close()
  local news = await_server(p, here)
  here:close()
  if news.text then
    p:join()
    raise_failure(news, p.pid)
  end
  self._address, self._door, self._sid, self._slot = news.address, door, sid, news.slot
  local link = links.family(sid, door, news.slot)
  link.owner = setmetatable({ pid = system.getpid(), link = link }, Owner)
  own[self] = { process = p, link = link }
  self._state = "started"
  shut_down_at_exit(self)
end

--- Starts the server in a process of its own, by this context's start method. It ends with the
--- process that started it, at the latest.
---
--- *Raises* `RemoteError` with what the initializer raised; `ProcessError` when the address is in
--- use or no process can be started; `SerializationError` under spawn and forkserver when a
--- callable cannot be sent.
--- *Blocks* until the server is ready.
--- *Python*: `BaseManager.start`; returns nothing there.
---
---     local m <close> = MyManager():start()
---     local counter = m:Counter(5)
---     print(counter:add(1)) --> 6
---@param initializer? function run in the server's process first
---@param initargs? table
---@return multiprocessing.BaseManager self
function BaseManager:start(initializer, initargs)
  check_new(self, "start")
  options.check(initializer == nil or type(initializer) == "function", 1, "start", "function",
    initializer)
  options.check(initargs == nil or type(initargs) == "table", 2, "start", "table", initargs)
  local types = all_types(getmetatable(self))
  local here, there = connection.Pipe(false)
  local door, sid = queue.Queue(), new_sid()
  local p = self._context.Process{ target = servers.main, daemon = true, args = { types, {
    address = self._address, authkey = self._authkey, sid = sid, door = door,
    initializer = initializer, initargs = initargs, ready = there } } }
  local newborn = setmetatable({ process = p, pid = system.getpid(), manages = false }, Newborn)
  p:start()
  local ok, e = pcall(begin, self, p, here, there, door, sid)
  newborn.manages = ok
  if ok then return self end
  Newborn.__gc(newborn) -- or it would serve nobody
  error(e, 0)
end

--- Connects to a server that listens at the manager's address; again, if that connection is lost.
---
--- *Raises* `ManagerLostError` when no server can be reached; `AuthenticationError`.
--- *Blocks* until the server has answered, 30 s at most.
--- *Python*: `BaseManager.connect`; returns nothing there.
---
---     local m <close> = MyManager{ address = "127.0.0.1:0", authkey = "abracadabra" }:start()
---     local Client = mp.BaseManager:extend "Client" -- in another program: the names alone
---     Client:register "Counter"
---     local client = Client{ address = m.address, authkey = "abracadabra" }:connect()
---     print(client:Counter(1):add(1)) --> 2
---@return multiprocessing.BaseManager self
function BaseManager:connect()
  check_self(self, "connect")
  if self._state ~= "connected" then check_new(self, "connect") end
  check(self._address, 2, "cannot connect this manager: it has no address")
  local link = links.remote(self._address, self._authkey)
  link:ready()
  own[self], self._state = { link = link }, "connected"
  return self
end

--- A server of this manager's types for this process itself: it listens at once, and serves in
--- `serve_forever`.
---
--- *Raises* `ProcessError` when the address is in use.
--- *Python*: `BaseManager.get_server`.
---
---     local server = MyManager{ address = "127.0.0.1:0", authkey = "abracadabra" }:get_server()
---     print(server.address:match "^127.0.0.1:%d+$" ~= nil) --> true
---     -- server:serve_forever()
---@return multiprocessing.Server
function BaseManager:get_server()
  check_new(self, "get a server of")
  local server = servers.new(all_types(getmetatable(self)), { address = self._address,
    authkey = self._authkey, sid = new_sid() })
  self._address = server.address
  return server
end

-- using -----------------------------------------------------------------------------------------

local function link_of(self)
  if own[self] then return own[self].link end
  if self._state == "started" then return links.family(self._sid, self._door, self._slot) end
  local link = links.remote(self._address, self._authkey)
  own[self] = { link = link }
  return link
end

--- What `manager:typeid(...)` does.
function M.create(self, typeid, ...)
  check(type(self) == "table" and rawget(self, "_state"), 2,
    "bad argument #1 to '%s' (manager expected; call it with a colon)", typeid)
  check(self._state ~= "made", 2,
    "cannot make a %s: this manager is neither started nor connected", typeid)
  if self._state == "shut down" then
    errors.raise("ClosedError", ("cannot make a %s: this manager was shut down"):format(typeid))
  end
  local link = link_of(self)
  return proxies.results(link, link:call(0, "create", typeid, ...), 1)
end

--- How many objects there are that have proxies.
---
---     local m <close> = MyManager():start()
---     local a, b = m:Counter(1), m:Counter(2)
---     print(m:number_of_objects()) --> 2
---@return integer
function BaseManager:number_of_objects()
  check_self(self, "number_of_objects")
  local link = link_of(self)
  return proxies.results(link, link:call(0, "number_of_objects"), 1)
end

-- the end ---------------------------------------------------------------------------------------

local function end_process(self)
  local p, link = own[self].process, own[self].link
  link.owner.ended = true
  pcall(link.tell, link, "stop")
  if not p:join(PATIENCE) then
    p:terminate()
    if not p:join(PATIENCE) then p:kill() end
    p:join()
  end
  link:close()
  p:close()
end

--- Ends the server that `start` made, with all its objects; once. A manager that is connected only
--- gives up its connection. Also by `<close>`.
---
--- *Blocks* until the server has ended; calls that are under way there are given up.
--- *Python*: `BaseManager.shutdown`.
---
---     local m = MyManager():start()
---     local counter = m:Counter(1)
---     m:shutdown()
---     local _, e = pcall(counter.add, counter, 1)
---     print(mp.iserror(e)) --> true
function BaseManager:shutdown()
  check_self(self, "shutdown")
  if self._state == "shut down" then return end
  check(self._state ~= "made", 2, "cannot shut down this manager: it has not been started")
  if self._state == "started" then
    local mine = own[self] and own[self].process
    check(mine and own[self].link.owner.pid == system.getpid(), 2,
      "cannot shut down this manager: only the process that started it can")
    end_process(self)
  elseif own[self] then
    own[self].link:close()
  end
  own[self], running[self], self._state = nil, nil, "shut down"
end

function BaseManager:__close()
  if self._state == "made" or self._state == "shut down" then return end
  if self._state == "started" and not (own[self] and own[self].process) then return end
  self:shutdown()
end

--- Waits for the end of the server that `start` made.
---
---     local m <close> = MyManager():start()
---     print(m:join(0.01)) --> false
---@param timeout? number seconds; nil waits for ever
---@return boolean ended
function BaseManager:join(timeout)
  check_self(self, "join")
  if self._state == "shut down" then return true end
  check(own[self] and own[self].process, 2,
    "cannot join this manager's server: this process has not started it")
  return own[self].process:join(timeout)
end

function BaseManager:__tostring()
  return ("<%s%s %s>"):format(self._class_name,
    self._address and " at " .. self._address or "", self._state)
end

--- Makes a manager, whose server is not started yet; mostly of a class that extends this one.
---
--- *Python*: `multiprocessing.managers.BaseManager`.
---
---     local Lists = mp.BaseManager:extend "Lists"
---     Lists:register("words", function(...)
---       local list = { ... }
---       return { add = function(_, word) table.insert(list, word) return #list end }
---     end)
---     local m <close> = Lists():start()
---     print(m:words("a", "b"):add("c")) --> 3
---@function mp.BaseManager
---@param address? string "host:port" (port 0: any) or a path; default: a fresh path
---@param authkey? string default: that of this process
---@return multiprocessing.BaseManager

--- The class whose instances start by the method of the given context.
function M.bind(context)
  local class = make_class({ _class_name = "BaseManager", _context = context }, BaseManager)
  base_types[class] = {}
  return class
end

return M
