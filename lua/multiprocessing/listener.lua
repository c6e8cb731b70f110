--- listener.lua: Listener and Client: connections between programs
-- MIT licence, see LICENSE
--
-- What comes over a socket is data: functions, and what could call one, are refused, but for a
-- path's socket whose listener and client both said `code = true`; shared objects never pass.
-- Format "json" speaks lines of JSON, so that the other program may be written in anything.

local core = require "multiprocessing.core.listener"
local ending = require "multiprocessing.ending"
local errors = require "multiprocessing.errors"
local options = require "multiprocessing.options"
local system = require "multiprocessing.core.system"

local M = {}

local DEFAULT_LIMIT <const> = 256 * 1024 * 1024
local formats <const> = { frames = true, json = true }

-- connections that speak JSON -------------------------------------------------------------------

local Json = { __name = "multiprocessing.JsonConnection" }

function Json:__index(key)
  local raw = rawget(self, "_raw")
  if key == "closed" or key == "readable" or key == "writable" then return raw[key] end
  return Json[key]
end

function Json:send(v)
  local ok, text = pcall(require("cjson").encode, v)
  if not ok then errors.raise("SerializationError", "cannot be said in JSON: " .. text) end
  self._raw:send_bytes(text)
end

function Json:recv()
  local line = self._raw:recv_bytes()
  local ok, v = pcall(require("cjson").decode, line)
  if ok then return v end
  self._raw:close()
  errors.raise("SerializationError", "the other end sent no JSON: " .. tostring(v))
end

function Json:poll(timeout) return self._raw:poll(timeout) end
function Json:fileno() return self._raw:fileno() end
function Json:close() self._raw:close() end
Json.__close = Json.close

local function dress(raw, format)
  return format == "json" and setmetatable({ _raw = raw }, Json) or raw
end

-- options ---------------------------------------------------------------------------------------

local function check_option(o, name, caller, wanted)
  local v = o[name]
  if v == nil or type(v) == wanted or math.type(v) == wanted then return end
  error(("bad option '%s' to '%s' (%s expected, got %s)"):format(name, caller, wanted, type(v)), 4)
end

local function check_options(o, known, caller)
  for name in pairs(o) do
    if not known[name] then
      error(("unknown option '%s' to '%s'%s"):format(tostring(name), caller,
        options.there_are(known)), 3)
    end
  end
  for name, wanted in pairs(known) do check_option(o, name, caller, wanted) end
  if o.format and not formats[o.format] then
    error(("bad option 'format' to '%s' ('frames' or 'json' expected)"):format(caller), 3)
  end
end

local function terms_of(o, is_tcp)
  return {
    authkey = o.authkey,
    json = o.format == "json",
    code = o.code and not is_tcp,
    limit = o.limit or DEFAULT_LIMIT,
  }
end

-- listeners -------------------------------------------------------------------------------------

--- Accepts connections of clients.
---
---     local listener <close> = mp.Listener{ authkey = "secret" }
---     local function client(address)
---       local conn <close> = mp.Client(address, { authkey = "secret" })
---       conn:send("hello")
---     end
---@class multiprocessing.Listener
---@field address string the port filled in
---@field last_accepted? string "host:port" or the path of the last client
local Listener = {}
Listener.__index = Listener
Listener.__name = "multiprocessing.Listener"

local function check_self(self, method)
  options.check_self(self, Listener.__name, method, 1)
end

local listener_options <const> = {
  address = "string", backlog = "integer", authkey = "string", code = "boolean",
  format = "string", limit = "integer",
}

-- A listener that is open when its process ends normally must not leave its path behind; no
-- finalizer runs then.
local open_listeners = setmetatable({}, { __mode = "k" })
local registered_in -- pid

local function close_at_exit(listener)
  open_listeners[listener] = true
  if registered_in == system.getpid() then return end
  registered_in = system.getpid()
  ending.at_exit(function()
    for l in pairs(open_listeners) do l:close() end
  end)
end

local function fresh_path()
  local ok, name = pcall(os.tmpname)
  if not ok then errors.raise("ProcessError", "cannot make a path to listen on: " .. name) end
  os.remove(name)
  return name .. ".mplua"
end

--- Listens on an address.
---
--- *Raises* `ProcessError` when it is in use or cannot be had; an error for TCP without a key.
--- *Python*: `multiprocessing.connection.Listener`; there is no `family`, the address says it.
---
---     local listener <close> = mp.Listener{ address = "127.0.0.1:0", authkey = "secret" }
---     print((listener.address:gsub("%d+$", "PORT")))   --> 127.0.0.1:PORT
---@param o? table `address` "host:port" (port 0: any) or a path (default: a fresh one); `backlog`
--- 64; `authkey` string; `code` boolean, functions may pass (path only); `format` "frames" or
--- "json"; `limit` bytes of a message, 256 MiB
---@return multiprocessing.Listener
function M.Listener(o)
  options.check(o == nil or type(o) == "table", 1, "Listener", "table", o)
  o = o or {}
  check_options(o, listener_options, "Listener")
  local address = o.address or fresh_path()
  local is_tcp = core.is_tcp(address)
  if is_tcp and (o.authkey or "") == "" then
    error("a Listener on a network address needs an authkey", 2)
  end
  if is_tcp and o.code then
    error("no code passes over a network: leave out 'code' or use a path", 2)
  end
  local terms = terms_of(o, is_tcp)
  local handle, bound = core.listen(address, o.backlog or 64, terms)
  local self = setmetatable({ address = bound, _handle = handle, _terms = terms,
    _format = o.format }, Listener)
  close_at_exit(self)
  return self
end

--- Waits for a client that has passed the handshake.
---
--- *Raises* `AuthenticationError` when one did not know the key: the listener lives on, call again;
--- `TimeoutError`.
--- *Blocks* up to the timeout; peers that are silent or talk rubbish delay nobody.
--- *Python*: `Listener.accept`, which serves one handshake at a time.
---
---     mp.Process{ target = client, args = { listener.address } }:start()
---     local conn <close> = listener:accept(60)
---     print(conn:recv())                        --> hello
---@param timeout? number seconds; nil waits for ever
---@return multiprocessing.Connection
function Listener:accept(timeout)
  check_self(self, "accept")
  options.check(timeout == nil or type(timeout) == "number", 1, "accept", "number", timeout)
  if timeout ~= timeout then
    error("bad argument #1 to 'accept' (timeout is not a number (NaN))", 2)
  end
  local raw, peer = self._handle:accept(timeout, self._terms)
  self.last_accepted = peer
  return dress(raw, self._format)
end

--- A descriptor that is readable when `accept(0)` has something to do: a client has come, or says
--- its part of the handshake (then `accept(0)` raises `TimeoutError`: it is not done yet).
---
---     mp.Process{ target = client, args = { listener.address } }:start()
---     print(#mp.wait({ listener:fileno() }, 60))   --> 1
---     listener:accept(60)
---@return integer
function Listener:fileno()
  check_self(self, "fileno")
  return self._handle:fileno()
end

--- Stops listening; removes the path. Also by `<close>`.
---
---     listener:close()
---     print(io.open(listener.address) == nil)   --> true
function Listener:close()
  check_self(self, "close")
  self._handle:close()
end
Listener.__close = Listener.close

-- clients ---------------------------------------------------------------------------------------

local client_options <const> = {
  authkey = "string", code = "boolean", format = "string", limit = "integer", timeout = "number",
}

--- Connects to a listener.
---
--- *Raises* `AuthenticationError` when one side does not know the other's key; `ProcessError` when
--- nobody listens; `TimeoutError`.
--- *Blocks* until the listener accepts.
--- *Python*: `multiprocessing.connection.Client`.
---
---     local listener <close> = mp.Listener{ authkey = "secret" }
---     local function client(address)
---       local conn <close> = mp.Client(address, { authkey = "secret" })
---       print(conn:recv())                      --> welcome
---     end
---     local p = mp.Process{ target = client, args = { listener.address } }
---     p:start()
---     listener:accept(60):send("welcome")
---     p:join()
---@param address string "host:port" or a path
---@param o? table `authkey` string; `code` boolean, functions may pass if the listener allows them
--- (path only), default true; `format`, `limit` as the listener's; `timeout` seconds
---@return multiprocessing.Connection
function M.Client(address, o)
  options.check(type(address) == "string", 1, "Client", "string", address)
  options.check(o == nil or type(o) == "table", 2, "Client", "table", o)
  o = o or {}
  check_options(o, client_options, "Client")
  local terms = terms_of(o, core.is_tcp(address))
  if o.code == nil then terms.code = true end
  return dress(core.connect(address, terms, o.timeout), o.format)
end

return M
