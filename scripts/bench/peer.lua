--- peer.lua: a program beside us that measures rows on request
-- MIT licence, see LICENSE
--
-- It reads lines "ROW [ARGUMENT...] COUNT" and answers each by a line with a number: peer.py for
-- python3, limits.c for what the machine itself takes. One process a group of rows, so that rounds
-- can take turns at no cost.

local M = {}
M.__index = M

local function line_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "l"
end

--- Starts `command`; its rows stay empty when there is no such program.
function M.open(command)
  local folder = line_of "mktemp -d"
  local answers = folder .. "/answers"
  assert(os.execute("mkfifo " .. answers))
  command = ("timeout --foreground 900 %s >%s"):format(command, answers)
  local self = { requests = assert(io.popen(command, "w")), answers = assert(io.open(answers)) }
  os.execute("rm -r " .. folder)
  return setmetatable(self, M)
end

--- What it measures for `row`; nil when it cannot.
function M:ask(row, n)
  if not self.answers then return nil end
  self.requests:write(row, " ", n, "\n")
  self.requests:flush()
  local answer = self.answers:read "l"
  if not answer then self:close() end
  return answer and tonumber(answer)
end

--- Ends it, by a word: end of file it would not see while children of ours hold the pipe.
function M:close()
  if not self.answers then return end
  self.requests:write "quit\n"
  self.requests:close()
  self.answers:close()
  self.answers = nil
end

--- The version of python3, or nil where it lacks or has no multiprocessing.
function M.python_version()
  return line_of [[cd / && python3 -c "import multiprocessing.pool, pickle, platform
print(platform.python_version())" 2>/dev/null]]
end

--- python3's side of the rows of scripts/bench/MODULE.py
function M.python(folder, module)
  return M.open(("python3 -B %s/peer.py %s"):format(folder, module))
end

return M
