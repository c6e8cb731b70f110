--- link.lua: the way from a client to a manager's server
-- MIT licence, see LICENSE
--
-- A process of the server's family has a pipe in shared memory to it, and announces each request in
-- the server's one queue, its *door*; all others have a socket. A link is per process: a forked
-- child makes its own at its first call. Requests and answers are lists:
--
--    request   seq, object, method, n, arguments...    fields: p, proxies among the arguments;
--                                                       r, references given up
--    answer    seq, true, n, results...                 field x: the first result is an object
--              seq, false, kind, value, traceback
--
-- `object` 0 is the server itself; a request with `seq` 0 gets no answer.

local connection = require "multiprocessing.connection"
local errors = require "multiprocessing.errors"
local listener = require "multiprocessing.listener"
local process = require "multiprocessing.core.process"
local system = require "multiprocessing.core.system"
local task = require "multiprocessing.core.task"
local wait = require "multiprocessing.core.wait"

local M = {}

local LOOK_AGAIN <const> = 0.1 -- seconds between two looks whether the server lives

M.VERSION = 1

-- Links by their server's number: two proxies of one server use one link.
local links = setmetatable({}, { __mode = "v" })

local function lost(self, why)
  self.lost = why
  errors.raise("ManagerLostError", why)
end

-- Where the values of a message stand, as the user counts them.
local function rename(e)
  if not errors.iserror(e, "SerializationError") then return e end
  e.message = e.message:gsub("%[(%d+)%]", function(i)
    return tonumber(i) > 4 and ("argument %d"):format(i - 4) or nil
  end, 1)
  return e
end

-- Where in a value there is a proxy.
local function find_proxy(v, path, seen)
  if M.is_proxy(v) then return path end
  if type(v) ~= "table" or seen[v] then return nil end
  seen[v] = true
  for k, x in next, v do
    local name = type(k) == "string" and "." .. k or ("[%s]"):format(tostring(k))
    local found = find_proxy(x, path .. name, seen)
    if found then return found end
  end
end

local function explain(e, request)
  if not errors.iserror(e, "SerializationError") then return e end
  for i = 5, 4 + request[4] do
    local place = find_proxy(request[i], "argument " .. i - 4, {})
    if place then
      e.message = ("cannot serialize the proxy at %s: a remote server takes its own proxies, as "
        .. "arguments and not inside of tables"):format(place)
      return e
    end
  end
  return rename(e)
end

-- Answers to calls that were interrupted are nobody's.
local function await(self, seq)
  local answer
  repeat answer = self:_receive() until answer[1] == seq or not answer[1]
  return answer
end

local function send(conn, request)
  local ok, e = pcall(conn.send, conn, request)
  if not ok then error(explain(e, request), 0) end
end

-- within the family ---------------------------------------------------------------------------

-- A link has a *channel*, a pipe, for each call that is under way: more than one only where tasks
-- of a server call another. One whose answer was not waited for (Ctrl-C) is given up.
local Family = {}
Family.__index = Family

--- The link to the server `sid`, whose door is the queue `door`, in the process of that slot.
function M.family(sid, door, slot)
  local link = links[sid]
  if not link then
    link = setmetatable({ sid = sid, door = door, slot = slot, free = {},
      proxies = setmetatable({}, { __mode = "v" }) }, Family)
    links[sid] = link
  end
  return link
end

function Family:_check()
  if self.lost or not process.alive(self.slot) then
    lost(self, self.lost or "the manager's server has died")
  end
end

function Family:_receive(pipe)
  while not pipe:poll(LOOK_AGAIN) do self:_check() end
  local ok, answer = pcall(pipe.recv, pipe)
  if ok then return answer end
  if errors.iserror(answer, "EOFError") then lost(self, "the manager's server has gone") end
  error(answer, 0)
end

function Family:_join()
  self:_check()
  local here, there = connection.Pipe()
  self.door:put{ there, process.self() }
  there:close()
  local welcome = self:_receive(here)
  self.types, self.server_pid = welcome.types, welcome.pid
  return { pipe = here, number = welcome.number }
end

-- What a forked child has inherited is its parent's.
local function forget_parents(self)
  for _, channel in ipairs(self.free) do channel.pipe:close() end
  self.free, self.pid = {}, system.getpid()
end

function Family:_channel()
  if self.lost then errors.raise("ManagerLostError", self.lost) end
  if self.pid ~= system.getpid() then forget_parents(self) end
  return table.remove(self.free) or self:_join()
end

local function put_back(self, channel)
  self.free[#self.free + 1] = channel
end

--- Makes sure that `types` is there.
function Family:ready() put_back(self, self:_channel()) end

local function give_up(self, channel)
  channel.pipe:close()
  self.door:put(-channel.number)
end

-- A request that could not be sent leaves the channel as it was.
local function refuse(self, channel, e)
  if errors.iserror(e, "EOFError") then lost(self, "the manager's server has gone") end
  if errors.iserror(e, "SerializationError") then
    put_back(self, channel)
  else
    give_up(self, channel)
  end
  error(rename(e), 0)
end

--- Calls a method of an object there.
---@return table answer
function Family:call(object, method, ...)
  local channel = self:_channel()
  local pipe = channel.pipe
  local ok, answer = pcall(pipe.send, pipe, { 1, object, method, select("#", ...), ... })
  if not ok then refuse(self, channel, answer) end
  self.door:put(channel.number)
  ok, answer = pcall(self._receive, self, pipe)
  if ok then
    put_back(self, channel)
    return answer
  end
  if self.lost then
    pipe:close()
  elseif errors.iserror(answer, "SerializationError") then
    put_back(self, channel) -- it has come, only it cannot be made here
  else
    give_up(self, channel)
  end
  error(answer, 0)
end

--- A proxy has the object's token: nothing is to be said when it goes.
function Family.release() end

--- Tells the server, without waiting.
function Family:tell(what)
  if process.alive(self.slot) then self.door:put(what) end
end

function Family:close()
  forget_parents(self)
  self.lost = self.lost or "this manager was shut down"
end

-- over a socket -------------------------------------------------------------------------------

local Remote = {}
Remote.__index = Remote

--- A link to the server at that address. `sid`: which one it must be; nil: any.
function M.remote(address, authkey, sid)
  local link = sid and links[sid]
  if not link then
    link = setmetatable({ address = address, authkey = authkey, sid = sid, seq = 0,
      given_up = {}, is_remote = true, proxies = setmetatable({}, { __mode = "v" }) }, Remote)
    if sid then links[sid] = link end
  end
  return link
end

function Remote:_receive(deadline)
  local conn = self.conn
  if deadline and not conn:poll(deadline) then
    conn:close()
    lost(self, ("no manager's server answers at %s"):format(self.address))
  end
  if task.can_wait() then wait.any({ conn:fileno() }) end
  local ok, answer = pcall(conn.recv, conn)
  if ok and type(answer) == "table" then return answer end
  if not ok and type(answer) == "string" then error(answer, 0) end -- interrupted!
  conn:close()
  lost(self, ("the connection to the manager's server at %s is lost"):format(self.address))
end

local function open(self)
  local ok, conn = pcall(listener.Client, self.address,
    { authkey = self.authkey, code = false, timeout = 30 })
  if ok then return conn end
  if errors.iserror(conn) and not conn:is "AuthenticationError" then
    lost(self, "cannot reach the manager's server: " .. conn.message)
  end
  error(conn, 0)
end

-- Proxies that were not got from the server over this connection.
function Remote:_claim()
  local ids = self.unclaimed
  self.unclaimed = nil
  self:_exchange(0, "claim", ids)
  if self.parents then self.parents:close() end
  self.parents = nil
end

local function all_of(proxies)
  local ids = {}
  for id, proxy in pairs(proxies) do
    ids[#ids + 1], proxy._count = id, 1
  end
  return ids[1] and ids
end

function Remote:_connect()
  local parents = self.conn -- keeps what a forked child has inherited, until it claims its own
  self.conn, self.seq, self.given_up = open(self), 0, {}
  self.pid, self.parents = system.getpid(), parents
  self.conn:send{ 0, 0, "hello", 1, M.VERSION }
  local welcome = self:_receive(30)
  if type(welcome.types) ~= "table" then
    self.conn:close()
    lost(self, ("what listens at %s is no manager's server"):format(self.address))
  end
  if self.sid and self.sid ~= welcome.sid then
    self.conn:close()
    lost(self, ("the manager's server at %s has died; another is there now"):format(self.address))
  end
  self.sid, self.types, self.server_pid = welcome.sid, welcome.types, welcome.pid
  links[self.sid] = links[self.sid] or self
  self.unclaimed = all_of(self.proxies)
end

-- Tasks of a server take turns.
local function take_turn(self)
  while self.busy and task.can_wait() do coroutine.yield(task.waits, system.now() + 1e-3) end
  self.busy = true
end

function Remote:_ready()
  if self.lost then errors.raise("ManagerLostError", self.lost) end
  if self.pid ~= system.getpid() then self:_connect() end
  if self.unclaimed then self:_claim() end
end

--- Makes sure that it is connected, and `types` is there.
function Remote:ready()
  take_turn(self)
  local ok, e = pcall(self._ready, self)
  self.busy = false
  if not ok then error(e, 0) end
end

-- {[i] = object}: the proxies among the arguments, which are themselves replaced
local function replace_proxies(self, request)
  for i = 5, 4 + request[4] do
    local v = request[i]
    if M.is_proxy(v) and v._link == self then
      request.p = request.p or {}
      request.p[i], request[i] = v._id, nil
    end
  end
end

function Remote:_exchange(object, method, ...)
  local seq = self.seq + 1
  self.seq = seq
  local request = { seq, object, method, select("#", ...), ... }
  replace_proxies(self, request)
  if next(self.given_up) then request.r, self.given_up = self.given_up, {} end
  send(self.conn, request)
  return await(self, seq)
end

function Remote:call(object, method, ...)
  take_turn(self)
  local ok, answer = pcall(function(...)
    self:_ready()
    return self:_exchange(object, method, ...)
  end, ...)
  self.busy = false
  if ok then return answer end
  if errors.iserror(answer, "EOFError") then
    self.conn:close()
    lost(self, ("the connection to the manager's server at %s is lost"):format(self.address))
  end
  error(answer, 0)
end

--- The references of a proxy are given up; the server is told now, or with the next call.
function Remote:release(id, count)
  self.given_up[id] = (self.given_up[id] or 0) + count
  if self.busy or self.lost or self.pid ~= system.getpid() then return end
  local given_up = self.given_up
  self.given_up = {}
  pcall(self.conn._try_send, self.conn, { 0, 0, "release", 0, r = given_up })
end

function Remote:close()
  if self.conn and self.pid == system.getpid() then self.conn:close() end
  self.lost = self.lost or "this manager was closed"
end

return M
