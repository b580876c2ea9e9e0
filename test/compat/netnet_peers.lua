-- netnet_peers.lua: sockets of NetNet for its tests.
local netnet = require 'coir.compat.netnet'
local ffi = netnet.ffi

local M = {}

--- A listener on a free port, and the port. The article has fixed ports, tests have not.
function M.server(options)
  local s = assert(netnet.CreateTcpServerSocket(options or 0, 128))
  return s, s:GetLocalPort()
end

function M.client(port) return assert(netnet.CreateTcpClientSocket('127.0.0.1', port)) end

function M.pair()
  local listener, port = M.server()
  local c = M.client(port)
  local s = assert(listener:Accept())
  listener:Close()
  return c, s
end

function M.receive(s, n)
  local buff = ffi.new('uint8_t[?]', n or 100)
  local got, err = s:Receive(buff, n or 100)
  if not got then return nil, err end
  return ffi.string(buff, got)
end

return M
