--- proxy.lua: what stands for an object that lives in a manager's server
-- MIT licence, see LICENSE
--
-- A proxy has no state but who it stands for. It can be sent anywhere within the family; in the
-- server itself it becomes the object again. As long as one exists the object does.

local errors = require "multiprocessing.errors"
local links = require "multiprocessing.manager.link"

local M = {}

--- Stands for an object in a manager's server: its methods are called there.
---
--- All methods whose names do not begin with "_" are there, or those that `exposed` names when the
--- type was registered. `#p`, `p()`, `p[k]` and operators work when `exposed` names "__len",
--- "__call", "__index" (and so on). Two proxies of one object are equal.
---
--- *Raises* in every method: `RemoteError` with what the method raised; `ManagerLostError` when the
--- server has died; `SerializationError`, then nothing was called.
--- *Blocks* until the method has returned.
--- *Python*: `BaseProxy`.
---
---     local MyManager = mp.BaseManager:extend "MyManager"
---     MyManager:register("Box", function(v) return { get = function() return v end } end)
---     local m <close> = MyManager():start()
---     print(m:Box(15):get()) --> 15
---@class multiprocessing.Proxy
local Proxy = { __name = "multiprocessing.Proxy" }
M.Proxy = Proxy

local function is_proxy(v) return type(v) == "table" and getmetatable(v) == Proxy end
links.is_proxy = is_proxy

-- In a server: itself, by its number. Nothing of it is reachable from this module, lest the user's
-- classes be sent by a name in here.
local serving = setmetatable({}, { __mode = "v" })

function M.serve(sid, server) serving[sid] = server end

-- making --------------------------------------------------------------------------------------

-- The proxy of an object in this process: the one that there is, or a new one.
local function make(link, id, typeid, token)
  local known = link.proxies[id]
  if known then
    if token then token:close() end
    known._count = known._count + 1
    return known
  end
  local proxy = setmetatable({ _link = link, _id = id, _type = typeid, _token = token,
    _count = 1 }, Proxy)
  link.proxies[id] = proxy
  return proxy
end

local function describe(e)
  if errors.iserror(e) then return e.name .. ": " .. tostring(e.message) end
  local ok, text = pcall(tostring, e)
  return ok and text or ("(error object is a %s value)"):format(type(e))
end

--- The results of a call; its error is raised as the user's, `level` functions up (1: the caller
--- of this one; who has called it by a tail call is none).
function M.results(link, answer, level)
  if answer[2] then
    local x = answer.x
    if x then answer[4] = make(link, x[1], x[2], x[3]) end
    return table.unpack(answer, 4, 3 + answer[3])
  end
  if answer[3] == "misuse" then error(answer[4], level + 1) end
  error(errors.new("RemoteError", describe(answer[4]),
    { value = answer[4], traceback = answer[5], pid = link.server_pid }), 0)
end

-- sending -------------------------------------------------------------------------------------

-- The object itself where it lives.
local function at_home(sid, id)
  local server = serving[sid]
  if not server then return nil end
  return server, server:object(id)
end

--- What a proxy is rebuilt by, in a process of the server's family.
function M.rebuild(sid, door, slot, id, typeid, token)
  local server, object = at_home(sid, id)
  if server then
    token:close()
    return object
  end
  return make(links.family(sid, door, slot), id, typeid, token)
end

--- The same for one whose server is reached by a socket.
function M.rebuild_remote(address, authkey, sid, id, typeid)
  local server, object = at_home(sid, id)
  if server then return object end
  local link = links.remote(address, authkey, sid)
  local known = link.proxies[id]
  if known then return known end
  link.unclaimed = link.unclaimed or {}
  table.insert(link.unclaimed, id)
  return make(link, id, typeid)
end

function Proxy:__reduce()
  local link = self._link
  if link.is_remote then
    self._count = math.mininteger -- the receiver has to find it: it stays while we are connected
    return M.rebuild_remote, link.address, link.authkey, link.sid, self._id, self._type
  end
  return M.rebuild, link.sid, link.door, link.slot, self._id, self._type, self._token
end

function Proxy:__gc()
  if self._link and self._link.is_remote and self._count > 0 then
    self._link:release(self._id, self._count)
  end
end

-- using ---------------------------------------------------------------------------------------

local methods = {}

--- Calls a method by its name: for names that a variable holds.
---@param name string
---@return any ... its results
function methods:_callmethod(name, ...)
  if not is_proxy(self) then
    error("bad argument #1 to '_callmethod' (proxy expected; call it with a colon)", 2)
  end
  if type(name) ~= "string" then
    error(("bad argument #1 to '_callmethod' (string expected, got %s)"):format(type(name)), 2)
  end
  local link = self._link
  return M.results(link, link:call(self._id, name, ...), 1)
end

--- A copy of the object itself (it must be one that can be sent).
---@return any
function methods:_getvalue()
  local link = self._link
  return M.results(link, link:call(self._id, "#value"), 1)
end

local function forwarder(name)
  return function(self, ...)
    if not is_proxy(self) then
      error(("bad argument #1 to '%s' (proxy expected; call it with a colon)"):format(name), 2)
    end
    local link = self._link
    local answer = link:call(self._id, name, ...)
    if answer[2] and not answer.x then return table.unpack(answer, 4, 3 + answer[3]) end
    return M.results(link, answer, 1)
  end
end

local forwarders = setmetatable({}, { __mode = "v" })

-- The names that `exposed` has for this proxy's type; nil: all that are public.
local function exposed(self)
  local link = self._link
  if not link.types then link:ready() end
  local of = link.types[self._type]
  return of and of.exposed
end

local function is_hidden(self, name)
  if name:sub(1, 1) ~= "_" then return false end
  local names = exposed(self)
  return not (names and names[name])
end

function Proxy:__index(key)
  local own = methods[key]
  if own then return own end
  local names = (type(key) ~= "string" or rawget(self, "_link").types) and exposed(self)
  if names and names.__index and not names[key] then
    local link = self._link
    return (M.results(link, link:call(self._id, "__index", key), 2))
  end
  if type(key) ~= "string" then
    error(("a proxy of a %s has methods only, no field [%s]"):format(self._type, tostring(key)), 2)
  end
  if is_hidden(self, key) then
    error(("method '%s' of a %s is hidden: its name begins with '_'"):format(key, self._type), 2)
  end
  local f = forwarders[key]
  if not f then
    f = forwarder(key)
    forwarders[key] = f
  end
  return f
end

-- operators -----------------------------------------------------------------------------------

local function operate(self, name, what, ...)
  local names = exposed(self)
  if not (names and names[name]) then
    error(("cannot %s a proxy of a %s: '%s' is not exposed"):format(what, self._type, name), 3)
  end
  local link = self._link
  return M.results(link, link:call(self._id, name, ...), 2)
end

function Proxy:__newindex(key, value) operate(self, "__newindex", "set a field of", key, value) end
function Proxy:__len() return (operate(self, "__len", "take the length of")) end
function Proxy:__call(...)
  local results = table.pack(operate(self, "__call", "call", ...))
  return table.unpack(results, 1, results.n)
end
function Proxy:__unm() return (operate(self, "__unm", "negate")) end

for _, name in ipairs { "add", "sub", "mul", "div", "mod", "pow", "idiv", "concat", "lt", "le" } do
  local event = "__" .. name
  Proxy[event] = function(a, b)
    local self = is_proxy(a) and a or b
    return (operate(self, event, "use an operator on", rawequal(self, b) and "right" or "left",
      rawequal(self, b) and a or b))
  end
end

function Proxy.__eq(a, b)
  return is_proxy(a) and is_proxy(b) and a._link.sid == b._link.sid and a._id == b._id
end

function Proxy:__tostring()
  local names = self._link.types and exposed(self)
  if names and names.__tostring then return (operate(self, "__tostring", "show")) end
  return ("<%s proxy, object %d of %s>"):format(self._type, self._id, self._link.sid)
end

return M
