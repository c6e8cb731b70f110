--- reference_meta.lua: definitions for editors that know LuaCATS (lua-language-server)
-- MIT licence, see LICENSE
--
-- The file is never run: it says what `require "multiprocessing"` gives. Functions that take `...`
-- in order to be called in two ways are written with their named parameters, and once more as an
-- overload that takes one table.

local PREFIX <const> = "multiprocessing."

local function comment(text, indent)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = ("---" .. (indent or " ") .. line):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function with_text(tag, entry)
  local text = entry.text ~= "" and " " .. entry.text:gsub("\n", " ") or ""
  return ("---@%s%s\n"):format(tag, text)
end

local function name_of(p) return p.name .. (p.optional and "?" or "") end

-- `mp.Queue(10)` and `mp.Queue{ maxsize = 10 }`
local function overload(item)
  local fields = {}
  for i, p in ipairs(item.params) do
    fields[i] = ("%s?: %s"):format(p.name, p.type)
  end
  return ("---@overload fun(options: { %s }): %s\n"):format(table.concat(fields, ", "),
    item.returns[1].type)
end

-- Is it a class that the user calls and extends?
local function extends(class)
  for _, method in ipairs(class and class.methods or {}) do
    if method.name == "extend" then return true end
  end
  return false
end

return function(_, model)
  local out = {}
  local function put(format, ...) out[#out + 1] = format:format(...) end

  local function put_item(owner, item)
    put("%s", comment(item.text))
    if item.example ~= "" then put("---\n%s", comment(item.example, "     ")) end
    local names = {}
    for i, p in ipairs(item.params) do
      names[i] = p.name
      put("%s", with_text(("param %s %s"):format(name_of(p), p.type), p))
    end
    for _, r in ipairs(item.returns) do
      put("%s", with_text(("return %s %s"):format(r.type, r.name or ""):gsub(" $", ""), r))
    end
    if owner == "mp." and item.arguments == "..." and item.params[1] then
      put("%s", overload(item))
    end
    put("function %s%s(%s) end\n\n", owner, item.name, table.concat(names, ", "))
  end

  local function bases(class)
    return class.base and ": " .. PREFIX .. class.base or ""
  end

  put("---@meta multiprocessing\n\n")
  put("-- Written by `make docs` from the annotations in lua/; see LICENSE.\n\n")
  for _, class in ipairs(model.classes) do
    put("%s", comment(class.text))
    put("---@class %s%s%s\n", PREFIX, class.name, bases(class))
    for _, f in ipairs(class.fields) do
      put("%s", with_text(("field %s %s"):format(name_of(f), f.type), f))
    end
    put("local %s = {}\n\n", class.name)
    for _, method in ipairs(class.methods) do
      put_item(class.name .. (method.is_method and ":" or "."), method)
    end
  end
  put("%s", comment(model.class.multiprocessing.text))
  put("---@class multiprocessing\nlocal mp = {}\n\nmp.futures = {}\n\n")
  for _, f in ipairs(model.functions) do
    if extends(model.class[f.name]) then
      put("---@class multiprocessing.%sClass: multiprocessing.%s\n", f.name, f.name)
      put("---@overload fun(options?: table): multiprocessing.%s\n", f.name)
      put("mp.%s = {}\n\n", f.name)
    else
      put_item("mp.", f)
    end
  end
  put("return mp\n")
  return table.concat(out)
end
