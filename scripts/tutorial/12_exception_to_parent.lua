--- A child's error in its parent: except Exception as e: conn.send((e, format_exc()))
--
-- Output:
--   the child failed: no such file: 404
--   its traceback names this script: true
--   exit code: 0

local mp = require "multiprocessing"

local function work(code)
  error({ "no such file", code = code })
end

local function report_errors(conn, f, ...)
  local ok, e = xpcall(f, function(value)
    return { value = value, traceback = debug.traceback() }
  end, ...)
  conn:send(not ok and e or false)
end

local conn, child_conn = mp.Pipe(false)
local p = mp.Process{ target = report_errors, args = { child_conn, work, 404 } }
p:start()
local e = conn:recv()
p:join()
print(("the child failed: %s: %d"):format(e.value[1], e.value.code))
print("its traceback names this script: " .. tostring(e.traceback:find "12_exception" ~= nil))
print("exit code: " .. p.exitcode)
