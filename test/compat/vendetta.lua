--- vendetta.lua: what the tests of coir.compat.vendetta share.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. here .. '../peers/?.lua;' .. package.path
local base = require 'coir.compat.base'
local compat = require 'coir.compat.vendetta'
local fiber = require 'fiber'
local socket = require 'socket'

local vendetta = {}

--- The port of a listening TCPSocket.
function vendetta.port(listening) return tonumber(listening:GetSockName():match(':(%d+)$')) end

--- A TCPSocket that listens on a free port, and the port.
function vendetta.listener()
  local tcp = compat.TCPSocket()
  assert(tcp:Listen(0))
  return tcp, vendetta.port(tcp)
end

--- A plain listening socket, and its port.
function vendetta.plain_listener()
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:bind('127.0.0.1', 0))
  assert(s:listen(1000))
  return s, s:name().port
end

--- A plain socket that is connected to the port.
function vendetta.plain(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:sysconnect('127.0.0.1', port, 10))
  return s
end

--- Ends a connection with a reset.
function vendetta.reset(s)
  s:linger(true, 0)
  s:close()
end

--- A port that nobody listens on.
function vendetta.dead_port()
  local s, port = vendetta.plain_listener()
  s:close()
  return port
end

--- A TCPSocket whose connection stands, and the plain socket at its other end.
function vendetta.pair()
  local listener, port = vendetta.plain_listener()
  local tcp, stands = compat.TCPSocket(), fiber.cond()
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    stands:signal()
  end)
  assert(tcp:Connect('127.0.0.1', port))
  assert(stands:wait(10))
  local other = assert(listener:accept(10))
  listener:close()
  return tcp, other
end

--- Runs `body` with what is logged meanwhile gathered. Returns the lines, each `LEVEL text`.
function vendetta.logged(body)
  local lines, sink = {}, base.log.sink
  base.log.sink = function(_, name, text) lines[#lines + 1] = name .. ' ' .. text end
  local ok, problem = pcall(body, lines)
  base.log.sink = sink
  if not ok then error(problem, 0) end
  return lines
end

return vendetta
