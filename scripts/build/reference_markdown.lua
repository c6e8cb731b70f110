--- reference_markdown.lua: docs/reference.md
-- MIT licence, see LICENSE

local HEAD <const> = [[
# Reference

`local mp = require "multiprocessing"`. Every public name, as the annotations in `lua/` describe it:
`make docs` writes this page from them, and the specs run each example. What stands behind `-->` is
what the line prints; the example of a method goes on from the one at the head of its class. An
argument in brackets may be left out; a constructor also takes one table of named arguments:
`mp.Queue{ maxsize = 10 }`. Times are in seconds, and a wait without a timeout waits for ever.

]]

local function anchor(title)
  return (title:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-"))
end

-- Paragraphs, and each of the notes (*Raises*, *Blocks*, *Python*) as a line of its own.
local function prose(text)
  text = text:gsub("([^\n])\n(%*%u%l+%*)", "%1  \n%2"):gsub("([%.;)]) (%*%u%l+%*)", "%1  \n%2")
  return text == "" and "" or text .. "\n\n"
end

local function flat(text) return (text:gsub("\n", " ")) end

return function(reference, model)
  local out = {}

  local function put(format, ...)
    out[#out + 1] = select("#", ...) > 0 and format:format(...) or format
  end

  local function put_entries(list, describe)
    for _, entry in ipairs(list) do put(describe(entry) .. "\n") end
    if list[1] then put "\n" end
  end

  local function type_of(entry) return ("*%s*"):format(reference.short(entry.type)) end

  local function described(entry)
    return entry.text ~= "" and ": " .. flat(entry.text) or ""
  end

  local function put_tags(item)
    put_entries(item.params, function(p)
      return ("- `%s` %s%s%s"):format(p.name, type_of(p), p.optional and ", optional" or "",
        described(p))
    end)
    put_entries(item.returns, function(r)
      local name = r.name and r.name ~= "..." and " `" .. r.name .. "`" or ""
      return ("- →%s %s%s%s"):format(name, type_of(r), r.name == "..." and " ..." or "",
        described(r))
    end)
  end

  local function put_example(item)
    if item.example ~= "" then put("```lua\n%s\n```\n\n", item.example) end
  end

  local function put_item(level, item)
    put("%s `%s`\n\n", level, reference.signature(item))
    put(prose(item.text))
    put_tags(item)
    put_example(item)
  end

  local function put_fields(class)
    put_entries(class.fields, function(f)
      return ("- `.%s` %s%s%s"):format(f.name, type_of(f), f.optional and " or nil" or "",
        described(f))
    end)
  end

  local function put_class(class)
    put("### %s\n\n", class.name)
    put(prose(class.text))
    if class.base then
      put("Has all that [%s](#%s) has.\n\n", class.base, anchor(class.base))
    end
    put_fields(class)
    put_example(class)
    if class.constructor then put_item("####", class.constructor) end
    for _, method in ipairs(class.methods) do put_item("####", method) end
  end

  local chapters = reference.chapters(model)
  put(HEAD)
  for _, chapter in ipairs(chapters) do
    local names = {}
    for _, class in ipairs(chapter.classes) do
      names[#names + 1] = ("[%s](#%s)"):format(class.name, anchor(class.name))
    end
    for _, f in ipairs(chapter.functions) do
      names[#names + 1] = ("[%s](#%s)"):format(f.name, anchor(reference.signature(f)))
    end
    put("- [%s](#%s):\n  %s\n", chapter.title, anchor(chapter.title),
      table.concat(names, ",\n  "))
  end
  for _, chapter in ipairs(chapters) do
    put("\n## %s\n\n", chapter.title)
    for _, class in ipairs(chapter.classes) do put_class(class) end
    for _, f in ipairs(chapter.functions) do put_item("###", f) end
  end
  return (table.concat(out):gsub("\n\n+$", "\n"):gsub("\n\n\n+", "\n\n"))
end
