--- forkserver.lua: the start method that forks from a clean, preloaded server
-- MIT licence, see LICENSE
--
-- The server is started with the first process, again if it has died, and is a daemon of this
-- process. A forked child of this process has no server yet.

local core = require "multiprocessing.core.process"
local sent = require "multiprocessing.start.sent"
local start = require "multiprocessing.core.start"
local system = require "multiprocessing.core.system"

local M = {}

local server -- handle
local server_of -- pid of the process that it serves

local function start_server(context)
  server, server_of = core.new(), system.getpid()
  start.serve(server, sent.command(context.executable()),
    sent.settings(context, "forkserver"),
    { preload = context.preload() })
end

local function ensure_server(context)
  if server_of ~= system.getpid() or server:wait(0) then start_server(context) end
end

-- What a fresh process has from its parent by itself, the server's children must be told.
local function settings_of_now(context, name)
  return sent.settings(context, name, { cwd = start.getcwd(), environment = start.environment() })
end

function M.launch(self, handle, context)
  local settings, payload = settings_of_now(context, self.name), sent.payload(self)
  ensure_server(context)
  if start.request(handle, server, settings, payload, self._daemon) then return end
  server:wait(1) -- it died between two requests: no zombie is left
  start_server(context)
  if start.request(handle, server, settings, payload, self._daemon) then return end
  local program = context.executable()
  require("multiprocessing.errors").raise("ProcessError",
    "cannot start a process: the forkserver died twice" .. (program and
    ("; set_executable named %s, which may be no program that can be a child"):format(program)
    or ""))
end

return M
