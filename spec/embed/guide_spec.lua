--- The programs in docs/embedding.md do what the page says

local function must(command, ...)
  command = command:format(...)
  local pipe <close> = assert(io.popen(("{ %s\n} 2>&1; echo status=$?"):format(command)))
  local text, status = pipe:read("a"):match("^(.*)status=(%d+)\n$")
  assert(status == "0", ("%s\nended with %s:\n%s"):format(command, status, text))
  return text
end

local FLAGS <const> = "-std=c11 -Wall -Wextra -Werror -Isrc $(pkg-config --cflags lua5.4)"
local LIBS <const> = "build/libmplua.a $(pkg-config --libs lua5.4) -lsodium -lm -ldl -pthread"

describe("docs/embedding.md", function()
  local file <close> = assert(io.open "docs/embedding.md")
  local page = file:read "a"
  local programs = {}
  for program in page:gmatch "\n```c\n(.-)\n```" do programs[#programs + 1] = program end
  local directory

  setup(function() directory = must "mktemp -d":match "%S+" end)
  teardown(function() must("rm -r %s", directory) end)

  local function run(program)
    local source <close> = assert(io.open(directory .. "/guide.c", "w"))
    source:write(program, "\n")
    source:close()
    must("gcc %s %s/guide.c -o %s/guide %s", FLAGS, directory, directory, LIBS)
    return must("timeout -k 1 60 %s/guide </dev/null", directory)
  end

  it("has programs that say what it says they do", function()
    assert.equal(3, #programs)
    local said = { "hello\n" }
    for text in page:gmatch "\nprints `(.-)`" do said[#said + 1] = text .. "\n" end
    for i, program in ipairs(programs) do assert.equal(said[i], run(program)) end
  end)

  it("speaks of functions and constants that there are", function()
    local header <close> = assert(io.open "src/mplua.h")
    local known = header:read "a"
    for name in page:gmatch "[mM][pP][lL][uU][aA]_[%w_]+" do
      assert(known:find(name, 1, true), name .. " is not in mplua.h")
    end
  end)
end)
