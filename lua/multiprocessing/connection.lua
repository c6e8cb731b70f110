--- connection.lua: Pipe, and what its ends can do
-- MIT licence, see LICENSE
--
-- The methods are C (src/bind/l_connection.c); this file makes the objects and documents them.

local core = require "multiprocessing.core.connection"
local options = require "multiprocessing.options"

local M = {}

--- One end of a pipe. Can be sent in messages, to processes that run already, too; messages stay
--- whole when several processes use one end.
---
---     local a, b = mp.Pipe()
---@class multiprocessing.Connection
---@field closed boolean   this handle was closed
---@field readable boolean `recv` can be used
---@field writable boolean `send` can be used
local Connection = core.methods

--- Sends a value to the other end.
---
--- *Raises* `EOFError` when nobody is left to receive; `SerializationError`, then nothing is sent.
--- *Blocks* while more than 64 MiB are under way.
--- *Python*: `Connection.send`; there BrokenPipeError, and it blocks from 64 KiB on.
---
---     a:send{ 42, "hello" }
---     print(b:recv()[2])                        --> hello
---@function Connection:send
---@param v any
Connection.send = Connection.send

--- Receives the next value.
---
--- *Raises* `EOFError` when the other end is closed in every process and all was received.
--- *Blocks* until there is one.
--- *Python*: `Connection.recv`.
---
---     a:send(nil)
---     print(b:recv())                           --> nil
---@function Connection:recv
---@return any
Connection.recv = Connection.recv

--- Sends a string as it is, or a part of it, counted as string.sub counts.
---
--- *Raises* and *blocks* as `send`.
--- *Python*: `Connection.send_bytes(buffer, offset, size)`.
---
---     a:send_bytes("hello", 2, 3)
---     print(b:recv_bytes())                     --> el
---@function Connection:send_bytes
---@param s string
---@param first? integer default 1
---@param last? integer default -1
Connection.send_bytes = Connection.send_bytes

--- Receives what `send_bytes` sent.
---
--- *Raises* `EOFError`; `BufferTooShort` when it is longer: the message is the error's `value`.
--- *Blocks* until there is one.
--- *Python*: `Connection.recv_bytes`.
---
---     a:send_bytes("too long")
---     local _, e = pcall(b.recv_bytes, b, 3)
---     print(e.name, e.value)                    --> BufferTooShort too long
---@function Connection:recv_bytes
---@param maxlength? integer bytes
---@return string
Connection.recv_bytes = Connection.recv_bytes

--- Would `recv` return at once? True also at end of file.
---
--- *Blocks* up to the timeout.
--- *Python*: `Connection.poll`; `poll(None)` is `poll(math.huge)`.
---
---     a:send("news")
---     print(b:poll(), a:poll(0.01))             --> true false
---@function Connection:poll
---@param timeout? number seconds, default 0
---@return boolean
Connection.poll = Connection.poll

--- A descriptor that is readable while messages wait, for event loops; it belongs to the
--- connection and is only to be watched.
---
--- *Python*: `Connection.fileno`.
---
---     a:send("news")
---     print(#mp.wait({ b:fileno() }, 5))        --> 1
---@function Connection:fileno
---@return integer
Connection.fileno = Connection.fileno

--- Closes this handle; the end is closed when all handles in all processes are. Also by `<close>`.
---
---     a:close()
---     local _, e = pcall(b.recv, b)
---     print(mp.iserror(e, "EOFError"))          --> true
---@function Connection:close
Connection.close = Connection.close

local take <const> = options.taker("Pipe", "duplex")

--- Makes a pipe: two connected ends.
---
--- *Python*: `multiprocessing.Pipe`.
---
---     local a, b = mp.Pipe()
---     mp.Process{ target = function() b:send("hello") end }:start()
---     print(a:recv())                           --> hello
---@param duplex? boolean default true; false: the first end receives, the second sends
---@return multiprocessing.Connection a
---@return multiprocessing.Connection b
function M.Pipe(...)
  local duplex = take(...)
  options.check(duplex == nil or type(duplex) == "boolean", 1, "Pipe", "boolean", duplex)
  return core.pipe(duplex ~= false)
end

return M
