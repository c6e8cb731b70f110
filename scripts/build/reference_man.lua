--- reference_man.lua: the manual page multiprocessing(3)
-- MIT licence, see LICENSE

local HEAD <const> = [[
.\" multiprocessing.3: written from the annotations in lua/
.\" MIT licence, see LICENSE
.TH MULTIPROCESSING 3 "" "mplua %s" "Lua Modules"
.SH NAME
multiprocessing \- processes, pools, queues and shared memory for Lua 5.4
.SH SYNOPSIS
.nf
local mp = require "multiprocessing"
.fi
.SH DESCRIPTION
Python's
.I multiprocessing
for Lua 5.4.
The library is built into
.BR mplua (1),
and is a module for any other Lua 5.4.
.PP
An argument in brackets may be left out; a constructor also takes one table of named arguments.
Times are in seconds, and a wait without a timeout waits for ever.
In the examples, what stands behind
.B \-\->
is what the line prints; the example of a method goes on from the one of its class.
]]

local TAIL <const> = [[
.SH SEE ALSO
.BR mplua (1),
.BR lua (1)
]]

-- What is not ASCII gets groff's name of it.
local function escape(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1")
    :gsub("^([.'])", "\\&%1")
  return (text:gsub("[\xC2-\xF4][\x80-\xBF]+", function(c)
    return ("\\[u%04X]"):format(utf8.codepoint(c))
  end))
end

-- Paragraphs, and each of the notes (*Raises*, *Blocks*, *Python*) as one; `code` is bold.
local function prose(text)
  text = text:gsub("\n+(%*%u%l+%*)", "\n\n%1"):gsub("([%.;)]) (%*%u%l+%*)", "%1\n\n%2")
  text = escape(text):gsub("`([^`]+)`", "\\fB%1\\fR"):gsub("%*(%u%l+)%*", "\\fI%1\\fR")
  return (text:gsub("\n\n", "\n.PP\n"))
end

return function(reference, model, version)
  local out = {}
  local function put(format, ...) out[#out + 1] = format:format(...) end

  local function put_example(item)
    if item.example == "" then return end
    put(".PP\n.nf\n.RS\n%s\n.RE\n.fi\n", escape(item.example))
  end

  local function bold(name) return "\\fB" .. escape(name) .. "\\fR" end

  local function put_entry(head, entry, optional)
    local about = entry.optional and optional or ""
    if entry.text ~= "" then about = about .. (about ~= "" and ": " or "") .. prose(entry.text) end
    put(".TP\n%s \\fI%s\\fR\n%s\n", head, escape(reference.short(entry.type)),
      about ~= "" and about or "\\&")
  end

  local function put_item(item)
    put(".SS %s\n", escape(reference.signature(item)):gsub(" ", "\\ "))
    put("%s\n", prose(item.text))
    for _, p in ipairs(item.params) do put_entry(bold(p.name), p, "optional") end
    for _, r in ipairs(item.returns) do put_entry("returns", r) end
    put_example(item)
  end

  local function put_class(class)
    put(".SS %s\n%s\n", class.name, prose(class.text))
    if class.base then put(".PP\nHas all that %s has.\n", class.base) end
    for _, f in ipairs(class.fields) do put_entry(bold("." .. f.name), f, "may be nil") end
    put_example(class)
    if class.constructor then put_item(class.constructor) end
    for _, method in ipairs(class.methods) do put_item(method) end
  end

  put(HEAD, version)
  for _, chapter in ipairs(reference.chapters(model)) do
    put(".SH %s\n", chapter.title:upper())
    for _, class in ipairs(chapter.classes) do put_class(class) end
    for _, f in ipairs(chapter.functions) do put_item(f) end
  end
  put("%s", TAIL)
  return table.concat(out)
end
