-- udp_echo_test.lua: examples/udp_echo.lua with our clients and somebody else's.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local socket = require 'socket'
local test = require 'test'

local function new_client()
  local s = assert(socket('AF_INET', 'SOCK_DGRAM', 'udp'))
  assert(s:bind('127.0.0.1', 0))
  return s
end

example.server_cases('udp_echo.lua', 7003)

test.case('a datagram comes back from where it was sent to', function()
  local server <close>, port = example.server('udp_echo.lua')
  local s <close> = new_client()
  test.equal(s:sendto('127.0.0.1', port, 'hello'), 5)
  local data, from = s:recvfrom(nil, 10)
  test.equal({ data, from }, { 'hello', { host = '127.0.0.1', port = port, family = 'AF_INET' } })
end)

test.case('datagrams of every size come back whole, the empty one, too', function()
  local server <close>, port = example.server('udp_echo.lua')
  local s <close> = new_client()
  for _, size in ipairs { 1, 0, 1472, 9000, 60000, 65507 } do
    local text = ('x'):rep(size)
    test.equal(s:sendto('127.0.0.1', port, text), size)
    test.ok(s:recvfrom(nil, 10) == text, size)
  end
end)

test.case('each client gets its own', function()
  local server <close>, port = example.server('udp_echo.lua')
  local clients = {}
  for i = 1, 20 do clients[i] = new_client() end
  for i = 1, 20 do clients[i]:sendto('127.0.0.1', port, 'for ' .. i) end
  for i = 1, 20 do test.equal(clients[i]:recv(nil, 10), 'for ' .. i) end
end)

test.case('a client that has gone meanwhile harms nobody', function()
  local server <close>, port = example.server('udp_echo.lua')
  for _ = 1, 10 do
    local s <close> = new_client()
    s:sendto('127.0.0.1', port, 'and away')
  end
  local s <close> = new_client()
  s:sendto('127.0.0.1', port, 'still there?')
  test.equal(s:recv(nil, 10), 'still there?')
end)

example.case_with('python3', 'a client in Python is answered', function()
  local server <close>, port = example.server('udp_echo.lua')
  local client <close> = example.start('python3', '-c', [[
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b'from python', ('127.0.0.1', int(sys.argv[1])))
print(s.recv(100).decode())]], port)
  test.equal({ client:wait() }, { 0, 'from python\n', '' })
end)

test.finish()
