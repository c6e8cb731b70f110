--- peers.lua: whom a manager's server talks to
-- MIT licence, see LICENSE
--
-- Members of the family come by the door, a queue: a list {pipe, slot} is a new one, a number says
-- that this one's pipe has a request, a string is an order. All others come by the listener's
-- socket and send data only; none of them is ever waited for.

local errors = require "multiprocessing.errors"
local core = require "multiprocessing.core.server"
local listener = require "multiprocessing.listener"
local link = require "multiprocessing.manager.link"
local process = require "multiprocessing.core.process"
local system = require "multiprocessing.core.system"
local wait = require "multiprocessing.core.wait"

local M = {}

-- as they are outside of any task, see waiting.lua
local try_get <const> = require("multiprocessing.core.queue").methods.try_get

local HANDSHAKE <const> = 6 -- seconds after which the listener has thrown out who is silent
local BUSY_MAX <const> = 32 -- requests of one client at a time
local LISTENER <const> = 0  -- its number in the poller

local Peers = {}
Peers.__index = Peers

function M.new(server, door)
  return setmetatable({ server = server, door = door, family = {}, remote = {}, last = 0,
    care_until = 0 }, Peers)
end

-- members of the family -----------------------------------------------------------------------

local Family = { is_family = true }
Family.__index = Family

function Family:send(answer) self.pipe:send(answer) end

function Peers:_welcome(pipe, slot)
  self.last = self.last + 1
  local peer = setmetatable({ number = self.last, pipe = pipe, slot = slot }, Family)
  self.family[peer.number] = peer
  local welcome = self.server:welcome()
  welcome.number = peer.number
  if not pcall(peer.send, peer, welcome) then self:remove(peer) end
end

-- All requests in the pipe, whatever was announced of them.
function Peers:_hear(peer)
  while peer.pipe and not peer.gone and peer.pipe:poll(0) do
    local ok, request = pcall(peer.pipe.recv, peer.pipe)
    if ok then
      self.server:request(peer, request)
    elseif errors.iserror(request, "EOFError") then
      self.server:_forget(peer)
    else -- it cannot be decoded here, whatever it was: this client waits for one answer only
      self.server:_answer_error({ peer = peer }, { value = request })
    end
  end
end

function Peers:_told(message)
  if type(message) == "number" then
    local peer = self.family[math.abs(message)]
    if peer and message < 0 then
      self.server:_forget(peer)
    elseif peer then
      self:_hear(peer)
    end
  elseif type(message) == "table" then
    self:_welcome(message[1], message[2])
  elseif message == "stop" then
    self.server:stop()
  elseif message == "unowned" then
    self.unowned, self.server.keep_at = true, system.now()
  end
end

--- Takes up to `max` messages from the door; false if there was none.
function Peers:take(max)
  local door = self.door
  if not door then return false end
  for i = 1, max do
    local ok, message = try_get(door)
    if not ok then return i > 1 end
    self:_told(message)
    if self.server.stopping then return true end
  end
  return true
end

-- strangers -------------------------------------------------------------------------------------

local Remote = {}
Remote.__index = Remote

-- An answer for who has not taken the last one waits in line.
function Remote:send(answer)
  if self.is_full then
    self.line[#self.line + 1] = answer
    return
  end
  self.busy = self.busy - 1
  local ok, sent = pcall(self.conn._try_send, self.conn, answer)
  if not ok then
    self.busy = self.busy + 1 -- another answer will be tried
    error(sent, 0)
  end
  self:_watch(not sent)
end

-- Who does not take its answer, or asks too much at a time, is not listened to meanwhile.
function Remote:_watch(is_full)
  local deaf = is_full or self.busy >= BUSY_MAX
  if deaf == self.deaf and is_full == self.is_full then return end
  self.deaf, self.is_full = deaf, is_full
  self.poller:change(self.conn:fileno(), self.number, not deaf, is_full)
end

function Peers:listen(address, authkey)
  self.poller = core.poller()
  self.listener = listener.Listener{ address = address, authkey = authkey }
  self.is_tcp = self.listener._handle and require("multiprocessing.core.listener")
    .is_tcp(self.listener.address)
  self.poller:add(self.listener:fileno(), LISTENER)
  return self.listener.address
end

function Peers:_add(conn)
  self.last = self.last + 1
  local peer = setmetatable({ number = self.last, conn = conn, refs = {}, busy = 0, line = {},
    poller = self.poller, deaf = false, is_full = false }, Remote)
  self.remote[peer.number] = peer
  self.poller:add(conn:fileno(), peer.number)
end

-- All that have passed the handshake. Who did not know the key is told so by the listener; where
-- there is no descriptor left for another, the listener has to wait.
function Peers:_accept()
  self.care_until = system.now() + HANDSHAKE
  local ok, conn
  repeat
    ok, conn = pcall(self.listener.accept, self.listener, 0)
    if ok then self:_add(conn) end
  until not ok and not errors.iserror(conn, "AuthenticationError")
  if type(conn) == "string" then error(conn, 0) end -- interrupted!
  self:_close_ears(not errors.iserror(conn, "TimeoutError"))
end

function Peers:_close_ears(closed)
  if closed == (self.ears_closed or false) then return end
  self.ears_closed = closed
  self.poller:change(self.listener:fileno(), LISTENER, not closed, false)
end

function Peers:_greet(peer, request)
  peer.greeted = type(request) == "table" and request[3] == "hello" and request[5] == link.VERSION
  if not peer.greeted then return self.server:_forget(peer) end
  peer.busy = peer.busy + 1
  if not pcall(peer.send, peer, self.server:welcome()) then self.server:_forget(peer) end
end

-- One message at most: the others' turn comes before the next.
function Peers:_read(peer)
  local ok, whole, request = pcall(peer.conn._try_recv, peer.conn)
  if not ok then return self.server:_forget(peer) end
  if not whole then return end
  if not peer.greeted then return self:_greet(peer, request) end
  if type(request) == "table" and request[1] ~= 0 then
    peer.busy = peer.busy + 1
    if peer.busy >= BUSY_MAX then peer:_watch(peer.is_full) end
  end
  self.server:request(peer, request)
end

function Peers:_flush(peer)
  local ok, sent = pcall(peer.conn._try_flush, peer.conn)
  if not ok then return self.server:_forget(peer) end
  peer:_watch(not sent)
  while not peer.is_full and not peer.gone and peer.line[1] do
    if not pcall(peer.send, peer, table.remove(peer.line, 1)) then self.server:_forget(peer) end
  end
end

function Peers:_serve(number)
  if number == LISTENER then return self:_accept() end
  local peer = self.remote[number]
  if not peer then return end
  if peer.is_full then return self:_flush(peer) end
  self:_read(peer)
end

--- Deals with the sockets that are ready; false if there is none.
function Peers:look()
  if not self.poller then return false end
  local ready = { self.poller:ready() }
  for _, number in ipairs(ready) do self:_serve(number) end
  return ready[1] ~= nil
end

-- both ------------------------------------------------------------------------------------------

--- Sleeps until the door has a message or a socket is ready.
function Peers:sleep(timeout)
  if not self.door then
    wait.any({ self.poller:fileno() }, timeout)
  elseif self.poller then
    self.poller:sleep(self.door, timeout)
  else
    local ok, message = try_get(self.door, timeout)
    if ok then self:_told(message) end
  end
end

--- May it be worth while to ask again for a moment, before sleeping? (The door does it itself.)
function Peers:is_mixed() return self.poller ~= nil end

--- Adds to a list what is to be waited for.
function Peers:waits_for(things)
  things[#things + 1] = self.door
  things[#things + 1] = self.poller and self.poller:fileno()
end

function Peers:remove(peer)
  self.family[peer.number] = nil
  self.remote[peer.number] = nil
  if peer.pipe then peer.pipe:close() end
  if peer.conn then peer.conn:close() end
  peer.gone = true
end

--- Does somebody have to be looked after in a while?
function Peers:needs_care(now)
  return now < self.care_until or next(self.family) ~= nil
end

--- Forgets the dead, and lets the listener throw out who is silent.
function Peers:keep()
  for _, peer in pairs(self.family) do
    if not process.alive(peer.slot) then self.server:_forget(peer) end
  end
  if self.listener and system.now() < self.care_until + 1 then
    local until_then = self.care_until
    self:_accept()
    self.care_until = until_then
  end
  if self.unowned and self.server.objects.count == 0 and not next(self.remote) then
    self.server:stop()
  end
end

--- In a child that is a copy of the server: the clients must not think that it is still there.
function Peers:forget()
  for _, peer in pairs(self.family) do peer.pipe:close() end
  for _, peer in pairs(self.remote) do peer.conn:close() end
  if self.listener then self.listener:close() end
  if self.poller then self.poller:close() end
  self.family, self.remote = {}, {}
end

function Peers:close()
  for _, peer in pairs(self.family) do self:remove(peer) end
  for _, peer in pairs(self.remote) do self:remove(peer) end
  if self.listener then self.listener:close() end
  if self.poller then self.poller:close() end
end

return M
