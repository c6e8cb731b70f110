--- server.lua: the process in which a manager's objects live
-- MIT licence, see LICENSE
--
-- One loop: requests come from the door (family) and from sockets, each becomes a job of tasks.lua,
-- whose end is an answer. Nothing here waits for one client: sockets are never blocked on, a
-- handshake is a step of the listener's, an answer that a client does not take stays in its buffer.

local arena = require "multiprocessing.core.arena"
local calls = require "multiprocessing.manager.calls"
local core = require "multiprocessing.core.server"
local errors = require "multiprocessing.errors"
local objects = require "multiprocessing.manager.objects"
local peers = require "multiprocessing.manager.peers"
local process = require "multiprocessing.core.process"
local process_class = require "multiprocessing.process"
local proxies = require "multiprocessing.manager.proxy"
local system = require "multiprocessing.core.system"
local task = require "multiprocessing.core.task"
local tasks = require "multiprocessing.manager.tasks"
local wait = require "multiprocessing.core.wait"
local waiting = require "multiprocessing.manager.waiting"

local M = {}

local SPIN <const> = 40e-6   -- seconds: what waking a sleeper would take
local LOOK <const> = 1e-3    -- between two looks at what is not looked at for each request
local KEEP <const> = 0.2     -- between two sweeps of objects
local KEEP_IDLE <const> = 1  -- the same when nothing happens
local AT_ONCE <const> = 64   -- requests taken in a row

--- Serves the objects of a manager's types. `manager:get_server()` makes one.
---
---     local MyManager = mp.BaseManager:extend "MyManager"
---     local server
---     local control = { stop = function() server:stop() return "stopping" end }
---     MyManager:register("control", function() return control end)
---     server = MyManager{ address = "127.0.0.1:0", authkey = "abracadabra" }:get_server()
---@class multiprocessing.Server
---@field address string where it listens, the port filled in
local Server = {}
Server.__index = Server
Server.__name = "multiprocessing.Server"
M.Server = Server

-- jobs ----------------------------------------------------------------------------------------

local Job = {}
Job.__index = Job

local function describe(e)
  if type(e) == "string" then return e end
  if errors.iserror(e) then return e.name .. ": " .. tostring(e.message) end
  local ok, text = pcall(tostring, e)
  return ok and text or ("(error object is a %s value)"):format(type(e))
end

-- without the server's own frames
local function trim(text)
  local from = text:find("\n%s*%[C%]: in function 'xpcall'")
  return from and text:sub(1, from - 1) or text
end

local function with_traceback(e)
  if calls.mistake(e) then return e end
  return { value = e, text = trim(debug.traceback(nil, 2)) }
end

local function keep(job, ok, ...)
  if ok then
    job.answer = { job.seq, true, select("#", ...), ... }
  else
    job.failure = { (...) }
  end
end

function Job:run()
  keep(self, xpcall(self.call, with_traceback, table.unpack(self, 1, self.n)))
end

--- `crash`: the coroutine itself has failed, for lack of memory.
function Job:finish(crash)
  local server = self.server
  if self.answer then
    server:_answer(self)
  else
    local e = self.failure and self.failure[1] or crash
    server:_answer_error(self, e)
    if type(e) == "table" and process_class.was_interrupted(e.value) then server:stop() end
  end
  if self.record then server:_leave(self.record) end
end

-- The receiver of a value that cannot be sent is told why, and nothing is lost but the value.
local function unsent(e)
  e.message = e.message:gsub("%[(%d+)%]", function(i)
    return tonumber(i) > 3 and ("result %d"):format(i - 3) or nil
  end, 1)
  return { value = e }
end

-- The type of what the first result is to be a proxy of; nil: it is copied. A method that returns
-- its object gives the proxy back, so that calls can be chained.
local function type_of_result(job)
  local result, record = job.answer[4], job.record
  if result == nil then return nil end
  if record and job.name ~= "#value" and rawequal(result, record.object)
    and (type(result) == "table" or type(result) == "userdata") then return record.typeid end
  return job.becomes
end

function Server:_answer(job)
  local answer, peer = job.answer, job.peer
  local typeid = type_of_result(job)
  if typeid and not peer.gone then
    answer.x = self:_introduce(peer, answer[4], typeid)
    answer[4] = nil
  end
  local ok, e = pcall(peer.send, peer, answer)
  if ok then return end
  if not errors.iserror(e, "SerializationError") then return self:_forget(peer) end
  if answer.x and peer.refs then self:_release(peer, { [answer.x[1]] = 1 }) end
  self:_answer_error(job, unsent(e))
end

function Server:_answer_error(job, e)
  local answer
  local mistake = calls.mistake(e)
  if mistake then
    answer = { job.seq, false, "misuse", mistake }
  elseif type(e) == "table" then
    answer = { job.seq, false, "error", e.value, e.text }
  else
    answer = { job.seq, false, "error", e } -- no memory for the handler
  end
  if pcall(job.peer.send, job.peer, answer) then return end
  answer[4] = describe(answer[4])
  if not pcall(job.peer.send, job.peer, answer) then self:_forget(job.peer) end
end

-- An object that a client gets a proxy of.
function Server:_introduce(peer, object, typeid)
  local record = self.objects:record(object, typeid)
  if peer.is_family then return { record.id, typeid, self.objects:token(record) } end
  peer.refs[record.id] = (peer.refs[record.id] or 0) + 1
  record.remote = record.remote + 1
  return { record.id, typeid }
end

-- requests ------------------------------------------------------------------------------------

--- The object of that number: for proxies that come home.
---@package
function Server:object(id)
  local record = self.objects.by_id[id]
  if not record then calls.fail("the object that this proxy stands for is no longer there") end
  return record.object
end

local function entry_of(self, typeid)
  local entry = self.registry[typeid]
  if not entry then
    calls.fail("no type '%s' is registered at the manager's server", tostring(typeid))
  end
  return entry
end

-- Runs user's code, and so as a job.
local function create(self, job, typeid, ...)
  local callable = entry_of(self, typeid).callable
  if callable == nil then
    calls.fail("type '%s' is registered without a callable at the manager's server", typeid)
  end
  job.becomes = typeid
  local object = calls.construct(callable, ...)
  if object == nil then calls.fail("the callable of type '%s' returned nothing", typeid) end
  return object
end

local requests = {}

function requests.claim(self, peer, ids)
  for _, id in ipairs(ids) do
    local record = self.objects.by_id[id]
    if record and peer.refs then
      record.remote = record.remote + 1
      peer.refs[id] = (peer.refs[id] or 0) + 1
    end
  end
end

function requests.number_of_objects(self)
  self:_sweep()
  return self.objects.count
end

function requests.listen(self)
  self:listen()
  return self.address
end

function requests.ping() return true end

function Server:_release(peer, given_up)
  for id, count in pairs(given_up) do
    local record, held = self.objects.by_id[id], peer.refs[id]
    if record and held and math.type(count) == "integer" then
      count = math.max(0, math.min(count, held))
      peer.refs[id] = held > count and held - count or nil
      record.remote = record.remote - count
    end
  end
end

-- One call at a time where the type says `serial`.
function Server:_enter(record, job)
  record.busy = (record.busy or 0) + 1
  if record.busy > 1 and self.registry[record.typeid].serial then
    record.line = record.line or {}
    table.insert(record.line, job)
    return
  end
  self.tasks:start(job)
end

function Server:_leave(record)
  record.busy = record.busy > 1 and record.busy - 1 or nil
  local nextone = record.line and table.remove(record.line, 1)
  if nextone then self.tasks:start(nextone) end
end

local function bring_home(self, request)
  for place, id in pairs(request.p) do
    if math.type(place) == "integer" and place > 4 then request[place] = self:object(id) end
  end
end

function Server:_begin(peer, request)
  local job = setmetatable({ server = self, peer = peer, seq = request[1] }, Job)
  local n, object, name = request[4], request[2], request[3]
  if request.p then bring_home(self, request) end
  if object == 0 and name == "create" then
    job.call, job[1], job[2], job.n = create, self, job, n + 2
    table.move(request, 5, 4 + n, 3, job)
    return self.tasks:start(job)
  elseif object == 0 then
    local f = requests[name] or calls.fail("a manager's server knows no request '%s'", name)
    job.answer = { job.seq, true, 1, (f(self, peer, request[5])) }
    return job:finish()
  end
  local record = self.objects.by_id[object]
  if not record then calls.fail("the object that this proxy stands for is no longer there") end
  local entry = self.registry[record.typeid]
  job.call = calls.method(record, entry, name)
  job.becomes = entry.method_to_typeid and entry.method_to_typeid[name]
  job[1], job.n, job.record, job.name = record.object, n + 1, record, name
  table.move(request, 5, 4 + n, 2, job)
  self:_enter(record, job)
end

local function is_request(request)
  return type(request) == "table" and math.type(request[1]) == "integer"
    and math.type(request[2]) == "integer" and type(request[3]) == "string"
    and math.type(request[4]) == "integer" and request[4] >= 0 and request[4] <= 200000
    and (request.r == nil or type(request.r) == "table")
    and (request.p == nil or type(request.p) == "table")
end

--- Deals with what a client asked for.
---@package
function Server:request(peer, request)
  if not is_request(request) then return self:_forget(peer) end
  if request.r then self:_release(peer, request.r) end
  if request[1] == 0 then return end -- wants no answer
  local ok, e = pcall(self._begin, self, peer, request)
  if ok then return end
  if not calls.mistake(e) then e = { value = e } end
  self:_answer_error({ seq = request[1], peer = peer }, e)
end

--- What each client is told first.
---@package
function Server:welcome()
  local types = {}
  for typeid, entry in pairs(self.registry) do
    types[typeid] = { exposed = entry.exposed, creates = entry.callable ~= nil }
  end
  return { sid = self.sid, pid = system.getpid(), types = types }
end

function Server:_forget(peer)
  if peer.gone then return end
  peer.gone = true
  for id, count in pairs(peer.refs or {}) do
    local record = self.objects.by_id[id]
    if record then record.remote = record.remote - count end
  end
  self.peers:remove(peer)
end

-- the loop ------------------------------------------------------------------------------------

function Server:_sweep()
  self.peers:keep()
  if self.objects.count == 0 then return false end
  arena.sweep()
  local dropped = self.objects:sweep()
  if dropped > 0 then self.garbage = true end
  return dropped > 0
end

-- Is there anything that is not told but must be looked for?
function Server:_next_keep(now, worked)
  if self.objects.count == 0 and not self.peers:needs_care(now) then return nil end
  return now + (worked and KEEP or KEEP_IDLE)
end

function Server:_keep(now)
  if not self.keep_at or now < self.keep_at then return end
  local worked = self:_sweep() or self.active
  self.active = false
  self.keep_at = self:_next_keep(now, worked)
end

-- -> did something come?
function Server:_take(now)
  local came = self.peers:take(AT_ONCE)
  if now >= self.look_at or not self.tasks.ready[1] then
    came = self.peers:look() or came
    self.tasks:look()
    self.look_at = now + LOOK
  end
  return came
end

local function soonest(a, b)
  return a and b and math.min(a, b) or a or b
end

-- Asks again for as long as waking this process would take.
function Server:_spin(now)
  local tired = now + SPIN
  repeat
    if self.peers:take(1) or self.peers:look() then return true end
  until system.now() > tired
  return false
end

-- Nobody wants anything.
function Server:_rest(now)
  if self.garbage then
    self.garbage = not collectgarbage("step", 400)
    return
  end
  local at, things = self.tasks:waits_for()
  at = soonest(at, self.keep_at)
  local timeout = at and math.max(0, at - now) or math.huge
  if self.peers:is_mixed() and self:_spin(now) then return end
  local set = {}
  if things[1] then
    self.peers:waits_for(things)
    for _, place in ipairs(wait.any(things, timeout)) do set[things[place]] = true end
  else
    self.peers:sleep(timeout)
  end
  self.tasks:wake(set)
end

-- Who answers a client in a pcall catches Ctrl-C with it: so it is looked for here, too.
function Server:_loop()
  self.look_at = 0
  local seen <const> = process.interrupt_seen()
  while not self.stopping and process.interrupt_seen() == seen do
    local now = system.now()
    local came = self:_take(now)
    if came and not self.active then
      self.active = true
      self.keep_at = soonest(self.keep_at, now + KEEP)
    end
    self:_keep(now)
    if self.tasks.ready[1] then
      self.tasks:step()
    elseif not came and not self.stopping then -- nobody would wake it
      self:_rest(now)
    end
  end
end

-- life ----------------------------------------------------------------------------------------

--- Makes a server; it listens when it has an address.
---@param registry table
---@param o table address, authkey, sid, door (the queue of the family's clients)
function M.new(registry, o)
  local self = setmetatable({ registry = registry, sid = o.sid, objects = objects.new(),
    tasks = tasks.new(), wanted_address = o.address, authkey = o.authkey }, Server)
  self.peers = peers.new(self, o.door)
  if not o.door or o.address then self:listen() end
  return self
end

--- Listens, if it does not yet.
---@package
function Server:listen()
  if self.address then return end
  self.address = self.peers:listen(self.wanted_address, self.authkey)
  if not self.peers.is_tcp then core.leave_no_path(self.address) end
end

-- A process that a method starts is no server.
local function forget_in_child(self)
  process_class.at_birth(function()
    if self.closed then return end
    self.closed = true
    proxies.serve(self.sid, nil)
    waiting.remove()
    self.peers:forget()
  end)
end

--- Serves until `stop` is called or Ctrl-C comes; then it returns.
---
--- *Blocks* until then.
--- *Python*: `Server.serve_forever`, which ends the process.
---
---     local Client = mp.BaseManager:extend "Client"
---     Client:register "control"
---     local function client(address)
---       local m = Client{ address = address, authkey = "abracadabra" }:connect()
---       print(m:control():stop())
---     end
---     mp.Process{ target = client, args = { server.address } }:start()
---     server:serve_forever() --> stopping
function Server:serve_forever()
  if self.closed then errors.raise("ClosedError", "this server has ended") end
  proxies.serve(self.sid, self)
  forget_in_child(self)
  waiting.install()
  task.start()
  local ok, e = pcall(self._loop, self)
  self.stopping = true
  task.stop()
  waiting.remove()
  self.peers:close()
  self.closed = true
  proxies.serve(self.sid, nil)
  if not ok and not process_class.was_interrupted(e) then error(e, 0) end
end

--- Lets `serve_forever` return; for methods of objects that end their server.
---
---     server:stop()
---     server:serve_forever()
---     print "stopped at once" --> stopped at once
function Server:stop()
  self.stopping = true
end

-- the process that manager:start() makes --------------------------------------------------------

local function initialize(o)
  local args = o.initargs or {}
  if o.initializer then o.initializer(table.unpack(args, 1, args.n or #args)) end
end

local function prepare(registry, o)
  core.ignore_interrupts()
  initialize(o)
  o.initialized = true
  return M.new(registry, o)
end

--- The target of a server's process.
---@param registry table
---@param o table as M.new's, and initializer, initargs, ready (a connection that is told)
function M.main(registry, o)
  local ok, server = xpcall(prepare, with_traceback, registry, o)
  if not ok then
    local text, value = describe(server.value), server.value
    if not pcall(o.ready.send, o.ready, { text = text, error = value, trace = server.text,
      in_initializer = not o.initialized }) then
      o.ready:send{ text = text, error = text, trace = server.text, in_initializer = true }
    end
    return
  end
  o.ready:send{ address = server.address, slot = process.self(), pid = system.getpid() }
  o.ready:close()
  o.ready = nil
  server:serve_forever()
end

return M
