--- reference.lua: the reference, written from the annotations of lua/
-- MIT licence, see LICENSE
--
-- usage: mplua scripts/build/reference.lua markdown|meta|man [VERSION]    (to standard output)
--
--   markdown   docs/reference.md
--   meta       definitions for editors, which LuaCATS calls a meta file
--   man        the manual page multiprocessing(3)
--
-- As a module it gives what is public, for the specs. Public is a function that the module has
-- under the name of its annotation, and every class without a dot in its name.

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
package.path = here .. "?.lua;" .. package.path

local annotations = require "annotations"
local mp = require "multiprocessing"

local M = {}

local CHAPTERS <const> = {
  { "Processes", "process.lua", "parent.lua", "ending.lua", "now", "sleep", "getpid",
    "cpu_count", "kill" },
  { "Start methods", "get_all_start_methods", "set_start_method", "get_start_method",
    "get_context", "set_executable", "set_forkserver_preload" },
  { "Pools", "pool/" },
  { "Executors and parallel loops", "futures.lua", "parallel.lua" },
  { "Queues", "queue.lua" },
  { "Pipes", "connection.lua" },
  { "Waiting for several things", "wait.lua" },
  { "Locks", "sync.lua", "hold.lua" },
  { "Shared values", "shared.lua" },
  { "Shared memory", "memory.lua" },
  { "Managers", "Manager", "dict", "list", "Namespace", "manager/" },
  { "Between programs", "listener.lua" },
  { "What can be sent", "dumps", "loads" },
  { "Errors", "errors.lua" },
  { "Logging", "log.lua" },
}

-- what is public --------------------------------------------------------------------------------

--- The files of lua/, in order.
function M.sources(root)
  local pipe <close> = assert(io.popen("find " .. root .. " -name '*.lua' | LC_ALL=C sort"))
  local paths = {}
  for path in pipe:lines() do paths[#paths + 1] = path end
  return paths
end

local function is_public(item)
  local v = mp
  for key in item.name:gmatch "[^.]+" do v = v ~= nil and v[key] or nil end
  return v ~= nil
end

local function filter(list, f)
  local chosen = {}
  for _, v in ipairs(list) do
    if f(v) then chosen[#chosen + 1] = v end
  end
  return chosen
end

--- The public part of what the annotations say, and all that is wrong with them.
function M.read(root)
  local model = annotations.read(M.sources(root or "lua"))
  model.functions = filter(model.functions, is_public)
  model.classes = filter(model.classes, function(class)
    return class.name ~= "multiprocessing" and not class.name:find(".", 1, true)
  end)
  return model
end

-- Where it belongs, by its name or by its file: the chapter's number, and the place therein.
local function chapter_of(item)
  local file = item.file:match "multiprocessing/(.*)"
  local by_file, place
  for i, chapter in ipairs(CHAPTERS) do
    for k = 2, #chapter do
      local key = chapter[k]
      if key == item.name then return i, k end
      if file == key or key:sub(-1) == "/" and file:sub(1, #key) == key then
        by_file, place = i, k
      end
    end
  end
  return by_file or #CHAPTERS + 1, place or 0
end

-- In the chapter's order; what stands at one place of it stays in the order of the files.
local function sort(list)
  local places = {}
  for i, item in ipairs(list) do
    local _, place = chapter_of(item)
    places[item] = place * 10000 + i
  end
  table.sort(list, function(a, b) return places[a] < places[b] end)
end

--- Chapters: title, functions, classes. A function that makes the objects of a class stands with
--- the class.
function M.chapters(model)
  local chapters = {}
  for i, chapter in ipairs(CHAPTERS) do
    chapters[i] = { title = chapter[1], functions = {}, classes = {} }
  end
  table.insert(chapters, { title = "Others", functions = {}, classes = {} })
  for _, f in ipairs(model.functions) do
    local class = model.class[f.name]
    if class then
      class.constructor = f
    else
      table.insert(chapters[(chapter_of(f))].functions, f)
    end
  end
  for _, class in ipairs(model.classes) do
    table.insert(chapters[(chapter_of(class))].classes, class)
  end
  for _, chapter in ipairs(chapters) do
    sort(chapter.functions)
    sort(chapter.classes)
  end
  return filter(chapters, function(c) return c.functions[1] or c.classes[1] end)
end

-- examples --------------------------------------------------------------------------------------

local function expected_of(code)
  local lines = {}
  for text in code:gmatch "%-%->%s*([^\n]*)" do lines[#lines + 1] = text end
  return lines
end

--- All examples: title, where, code (the class's example stands before its methods'), expected
--- lines; `says` tells whether it says itself what comes of it.
function M.examples(model)
  local list = {}
  local function add(title, item, setup)
    if item.example == "" then return end
    local code = "local mp = require \"multiprocessing\"\n" .. setup .. "\n" .. item.example .. "\n"
    table.insert(list, { title = title, where = item.file .. ":" .. item.line, code = code,
      expected = expected_of(code), says = item.is_class or item.example:find("-->", 1, true) })
  end
  for _, f in ipairs(model.functions) do add("mp." .. f.name, f, "") end
  for _, class in ipairs(model.classes) do
    add(class.name, class, "")
    for _, f in ipairs(class.methods) do
      add(class.name .. ":" .. f.name, f, class.example)
    end
  end
  return list
end

-- writing ---------------------------------------------------------------------------------------

--- "Queue:put(v [, block [, timeout]])", for readers.
function M.signature(item)
  local owner = item.class and item.class.name .. (item.is_method and ":" or ".") or "mp."
  local text, closing = "", ""
  for i, p in ipairs(item.params) do
    local name = (i > 1 and ", " or "") .. p.name
    if p.optional then
      text = text .. (i > 1 and " [" or "[") .. name
      closing = closing .. "]"
    else
      text = text .. name
    end
  end
  return owner .. item.name .. "(" .. text .. closing .. ")"
end

--- A type without the library's prefix.
function M.short(type_text)
  return (type_text:gsub("multiprocessing%.", ""))
end

local writers <const> = { markdown = "markdown", meta = "meta", man = "man" }

function M.write(kind, version)
  local model = M.read()
  if model.problems[1] then error(table.concat(model.problems, "\n"), 0) end
  return require("reference_" .. writers[kind])(M, model, version)
end

if arg and arg[0] and arg[0]:find "reference%.lua$" then
  if not writers[arg[1]] then
    io.stderr:write "usage: mplua scripts/build/reference.lua markdown|meta|man [VERSION]\n"
    os.exit(1)
  end
  io.write(M.write(arg[1], arg[2] or ""))
end

return M
