--- spawn.lua: the start method that begins with a fresh interpreter
-- MIT licence, see LICENSE
--
-- Target, arguments and the process object are serialized; the main script is not run again.

local sent = require "multiprocessing.start.sent"
local start = require "multiprocessing.core.start"

local M = {}

function M.launch(self, handle, context)
  start.spawn(handle, sent.command(context.executable()), sent.settings(context, self.name),
    sent.payload(self), self._daemon)
end

return M
