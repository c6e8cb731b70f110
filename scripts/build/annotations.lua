--- annotations.lua: reads the LuaCATS annotations of lua/ into a table
-- MIT licence, see LICENSE
--
-- A comment of lines that begin with three dashes belongs to the line of code behind it, or to what
-- a tag of it names (objects whose methods are C have no other line):
--
--   ---@function Lock:acquire      a method of a class
--   ---@function mp.Pool           a function of the module
--
-- Text comes first, then an example, which is indented by four more spaces, then the tags. A
-- comment says nothing about the public interface when what follows it is nobody's, or when it has
-- the tag ---@package.
--
--   read(paths) -> { classes = { class... }, functions = { item... }, problems = { text... } }
--   class: name, base, text, example, fields, methods, file, line
--   item:  name, class, text, example, params, returns, file, line; is_method
--   param, field, return: name, optional, type, text

local M = {}

local PREFIX <const> = "multiprocessing."

-- types -----------------------------------------------------------------------------------------
-- Each reader takes a string and a position, and returns the position behind what it has read, or
-- nil. A type may have spaces in it: only reading it tells where its description begins.

local read_type

local function skip(s, at) return (s:match("^ *()", at)) end

local function expect(s, at, text)
  at = at and skip(s, at)
  return at and s:sub(at, at + #text - 1) == text and at + #text or nil
end

-- item, item ... up to the closing bracket
local function read_list(s, at, read_item, closing)
  local done = expect(s, at, closing)
  while not done do
    at = at and read_item(s, skip(s, at))
    if not at then return nil end
    done = expect(s, at, closing)
    at = done or expect(s, at, ",")
  end
  return done
end

local function read_param(s, at)
  local behind = s:match("^%.%.%.()", at) or s:match("^[%a_][%w_]*%??()", at)
  local colon = behind and expect(s, behind, ":")
  return colon and read_type(s, skip(s, colon)) or behind
end

local function read_field(s, at)
  local behind = s:match("^[%a_][%w_]*%??()", at) or s:match("^%[%a+%]()", at)
  local colon = behind and expect(s, behind, ":")
  return colon and read_type(s, skip(s, colon))
end

local function read_function(s, at)
  local open = expect(s, at, "(")
  if not open then return at end
  at = read_list(s, open, read_param, ")")
  local colon = at and s:match("^ *:()", at)
  while colon do -- results
    at = read_type(s, skip(s, colon))
    colon = at and s:match("^,()", at)
  end
  return at
end

local function read_name(s, at, names)
  local name, behind = s:match("^([%a_][%w_%.]*)()", at)
  if not name then return nil end
  if name == "fun" then return read_function(s, behind) end
  names[#names + 1] = name
  local open = s:match("^<()", behind)
  return open and read_list(s, open, read_type, ">") or behind
end

local names_seen = {} -- by the type that is being read

local function read_unit(s, at)
  local behind = s:match('^"[^"]*"()', at) or s:match("^%.%.%.()", at) or s:match("^%d+()", at)
  if not behind and s:find("^{", at) then behind = read_list(s, at + 1, read_field, "}") end
  if not behind and s:find("^%(", at) then
    behind = read_type(s, skip(s, at + 1))
    behind = behind and expect(s, behind, ")")
  end
  behind = behind or read_name(s, at, names_seen)
  while behind and s:find("^%[%]", behind) do behind = behind + 2 end
  return behind and s:match("^%??()", behind)
end

function read_type(s, at)
  at = read_unit(s, at)
  while at and s:find("^ *|", at) do at = read_unit(s, s:match("^ *| *()", at)) end
  return at
end

--- The type at the beginning of a string, what follows it, and the names that stand in it; nil
-- where there is no type.
function M.type_of(s)
  names_seen = {}
  local behind = read_type(s, 1)
  if not behind or s:find("^%S", behind) then return nil end
  return s:sub(1, behind - 1), (s:sub(behind):gsub("^%s+", "")), names_seen
end

-- one comment -----------------------------------------------------------------------------------

local function join(text, line) return text == "" and line or text .. "\n" .. line end

-- "name? type text" -> a table
local function entry(rest)
  local name, optional, behind = rest:match "^([%w_%.]+)(%??)%s+(.*)$"
  local type_text, text, names = M.type_of(behind or "")
  if not type_text then return nil end
  return { name = name, optional = optional == "?", type = type_text, text = text, names = names }
end

local tags = {}

function tags.param(item, rest)
  local param = entry(rest)
  table.insert(item.params, param)
  return param
end

function tags.field(item, rest)
  local field = entry(rest)
  table.insert(item.fields, field)
  return field
end

tags["return"] = function(item, rest)
  local type_text, behind, names = M.type_of(rest)
  if not type_text then return nil end
  local name, text = behind:match "^([%a_%.][%w_%.]*)%s*(.*)$"
  local result = { type = type_text, name = name, text = text or behind, names = names }
  table.insert(item.returns, result)
  return result
end

function tags.class(item, rest)
  local name, base = rest:match "^([%w_%.]+)%s*:?%s*([%w_%.]*)$"
  if not name then return nil end
  item.is_class, item.name = true, name:gsub("^" .. PREFIX, "")
  item.base = base ~= "" and base:gsub("^" .. PREFIX, "") or nil
  return item
end

-- Seen by the library's own files only.
function tags.package(item)
  item.is_internal = true
  return item
end

tags["function"] = function(item, rest)
  item.named = rest:match "^[%w_%.:]+$"
  return item.named and item
end

-- Lines of text, without their dashes -> an item; and what is wrong with them.
local function parse(lines)
  local item = { text = "", example = "", params = {}, returns = {}, fields = {} }
  local problem, last
  for _, line in ipairs(lines) do
    local tag, rest = line:match "^@(%a+)%s*(.*)$"
    if tag then
      last = tags[tag] and tags[tag](item, rest)
      if not last then problem = "cannot be read: ---" .. line end
    elseif last and last ~= item then -- a description goes on
      last.text = join(last.text, (line:gsub("^%s+", "")))
    elseif line:find "^     " then
      item.example = join(item.example, line:sub(6))
    elseif item.example ~= "" and line:find "%S" then
      problem = "text stands behind the example: " .. line
    else
      item.text = join(item.text, (line:gsub("^ ", "")))
    end
  end
  item.text = item.text:gsub("\n+$", "")
  return item, problem
end

-- the code behind it ----------------------------------------------------------------------------

-- What a line of code defines: owner, separator, name, parameters.
local function defined(code)
  local owner, separator, name, params = code:match "^function ([%w_]+)([.:])([%w_]+)%((.-)%)"
  if owner then return owner, separator, name, params end
  owner, name = code:match "^([%a_][%w_]*)%.([%w_]+)%s*="
  return owner, ".", name
end

local Reader = {}
Reader.__index = Reader

function Reader:complain(line, text)
  table.insert(self.problems, ("%s:%d: %s"):format(self.file, line, text))
end

function Reader:add_class(item, code)
  item.methods, item.file = {}, self.file
  local alias = code:match "^local ([%w_]+)"
  if alias then self.aliases[alias] = item end
  self.by_name[item.name] = item
  table.insert(self.classes, item)
end

-- The owner's class, or nil for the module, or false when it is nobody's.
function Reader:class_of(owner)
  if owner == "mp" or owner == "M" or owner == "Context" then return nil end
  return self.aliases[owner] or self.by_name[owner] or false
end

function Reader:add_item(item, code)
  local owner, separator, name, arguments
  if item.named then
    owner, separator, name = item.named:match "^(.-)([.:])([%w_]+)$"
    if owner == "mp.futures" then owner, name = "mp", "futures." .. name end
  else
    owner, separator, name, arguments = defined(code)
  end
  if not owner or name:find "^_" or item.is_internal then return end
  local class = self:class_of(owner)
  if class == false then
    if item.named then self:complain(item.line, "there is no class " .. owner) end
    return
  end
  item.name, item.file, item.arguments = name, self.file, arguments
  item.is_method = separator == ":" or class ~= nil and not item.named and not arguments
  item.class = class
  table.insert(class and class.methods or self.functions, item)
end

-- A method may stand before its class, in another file: it is looked at when all has been read.
function Reader:block(lines, first, code)
  local item, problem = parse(lines)
  item.line = first
  if problem then self:complain(first, problem) end
  if item.is_class then return self:add_class(item, code) end
  table.insert(self.waiting, { item = item, code = code, file = self.file,
    aliases = self.aliases })
end

function Reader:finish()
  for _, w in ipairs(self.waiting) do
    self.file, self.aliases = w.file, w.aliases
    self:add_item(w.item, w.code)
  end
end

function Reader:read(path)
  self.file, self.aliases = path, {}
  local lines, first, number = {}, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local comment = line:match "^%s*%-%-%-([^%-].*)$" or line:match "^%s*%-%-%-()$" and ""
    if comment then
      if not lines[1] then first = number end
      lines[#lines + 1] = comment
    elseif lines[1] then
      self:block(lines, first, (line:gsub("^%s+", "")))
      lines = {}
    end
  end
end

--- Reads files of Lua.
function M.read(paths)
  local reader = setmetatable({ classes = {}, functions = {}, problems = {}, by_name = {},
    waiting = {} }, Reader)
  for _, path in ipairs(paths) do reader:read(path) end
  reader:finish()
  return { classes = reader.classes, functions = reader.functions, problems = reader.problems,
    class = reader.by_name }
end

return M
