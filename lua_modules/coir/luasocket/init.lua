--- init.lua: `require 'socket'`: the module coir.socket with all that LuaSocket's module has.
---
--- It is one table: LuaSocket's functions are added to that of coir.socket, whose own names differ
--- from them.
--- The program coir answers with it to `socket`, `socket.core` and, for `unix`, `socket.unix`. An
--- embedder who does not require coir.luasocket has a coir.socket without them.
local dns = require 'coir.luasocket.dns'
local fiber = require 'coir.fiber'
local ltn12 = require 'coir.luasocket.ltn12'
local object = require 'coir.luasocket.object'
local socket = require 'coir.socket'
local tcp = require 'coir.luasocket.tcp'
local udp = require 'coir.luasocket.udp'

socket._VERSION = 'LuaSocket 3.0.0' -- as LuaSocket 3.1 says, too
socket._SETSIZE = math.maxinteger
socket._SOCKETINVALID = -1
socket._DATAGRAMSIZE = udp.datagram_size
socket.BLOCKSIZE = ltn12.block_size

socket.dns = dns
socket.select = require 'coir.luasocket.select'
socket.unix = require 'coir.luasocket.unix'

function socket.__unload() end -- there is nothing to unload

-- -- Objects --------------------------------------------------------------------------------------

function socket.tcp() return tcp.new(nil) end
function socket.tcp4() return tcp.new('inet') end
function socket.tcp6() return tcp.new('inet6') end
function socket.udp() return udp.new(nil) end
function socket.udp4() return udp.new('inet') end
function socket.udp6() return udp.new('inet6') end

socket.connect = tcp.connect

function socket.connect4(host, port, local_host, local_port)
  return socket.connect(host, port, local_host, local_port, 'inet')
end

function socket.connect6(host, port, local_host, local_port)
  return socket.connect(host, port, local_host, local_port, 'inet6')
end

--- A server at the first address of the name that can be had.
function socket.bind(host, port, backlog)
  local rows, problem = dns.getaddrinfo(host == '*' and '0.0.0.0' or host)
  for _, row in ipairs(rows or {}) do
    local server, ok
    server, problem = tcp.new(row.family)
    if not server then return nil, problem end
    server:setoption('reuseaddr', true)
    ok, problem = server:bind(row.addr, port)
    if ok then ok, problem = server:listen(backlog) end
    if ok then return server end
    server:close()
  end
  return nil, problem
end

-- -- Time -----------------------------------------------------------------------------------------

socket.gettime = fiber.time

function socket.sleep(seconds)
  seconds = object.check_number(seconds, 1)
  fiber.sleep(seconds)
end

-- -- Exceptions -----------------------------------------------------------------------------------

-- The metatable of what a `try` throws and a `protect` catches: a table with the message.
local exception = { __metatable = false }

--- A function that returns its arguments, unless the first is false or nil: then it calls
--- `finalizer` and throws the second, for protect.
function socket.newtry(finalizer)
  return function(...)
    if ... then return ... end
    if finalizer ~= nil then finalizer() end
    error(setmetatable({ (select(2, ...)) }, exception), 0)
  end
end

local function caught(ok, ...)
  if ok then return ... end
  local problem = ...
  if debug.getmetatable(problem) == exception then return nil, problem[1] end
  error(problem, 0)
end

--- `f` as a function that returns nil and the message where `f` throws by a `try`. Other errors
--- pass.
function socket.protect(f)
  return function(...) return caught(pcall(f, ...)) end
end

socket.try = socket.newtry()

--- Its arguments but the first `count`.
function socket.skip(count, ...)
  count = math.tointeger(object.check_number(count, 1))
  return select(count + 1, ...)
end

-- -- Sources and sinks ----------------------------------------------------------------------------

socket.choose = ltn12.choose
socket.sourcet = ltn12.sources(socket)
socket.sinkt = ltn12.sinks
socket.source = ltn12.choose(socket.sourcet)
socket.sink = ltn12.choose(socket.sinkt)

return socket
