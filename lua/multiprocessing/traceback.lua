--- traceback.lua: the part of a traceback that is the user's
-- MIT licence, see LICENSE
--
-- Whoever reads the report of a failed target or callback looks for his own lines; below the
-- protected call stand only those of this library that called him.

local M = {}

local function is_ours(frame)
  return frame and frame:find("lua/multiprocessing/", 1, true)
end

local function is_protected_call(frames, i)
  return frames[i]:find("in function 'xpcall'", 1, true) and is_ours(frames[i + 1])
end

--- Without the frames below the first protected call that this library made.
---@param text string a message with a traceback, as debug.traceback makes it in an xpcall's handler
---@return string
function M.users_part(text)
  local head, tail = text:match "^(.*\nstack traceback:)\n(.*)$"
  if not head then return text end
  local frames, last = {}, nil
  for frame in tail:gmatch "[^\n]+" do frames[#frames + 1] = frame end
  for i = 1, #frames do
    if is_protected_call(frames, i) then
      last = i - 1
      break
    end
  end
  last = last or #frames
  while last > 1 and is_ours(frames[last]) do last = last - 1 end
  return head .. "\n" .. table.concat(frames, "\n", 1, last)
end

return M
