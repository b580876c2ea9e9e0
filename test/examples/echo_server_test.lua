-- echo_server_test.lua: examples/echo_server.lua with our clients and somebody else's.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

local function connect(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:sysconnect('127.0.0.1', port, 10))
  return s
end

example.server_cases('echo_server.lua', 7000)

test.case('what is sent comes back, byte for byte', function()
  local server <close>, port = example.server('echo_server.lua')
  local s <close> = connect(port)
  for _, text in ipairs { 'hello\n', '\0\1\2\255', ('x'):rep(100000) } do
    test.equal(s:write(text), #text)
    test.equal(s:read(#text, 10), text)
  end
end)

test.case('a client that has said all gets the rest, and then the end', function()
  local server <close>, port = example.server('echo_server.lua')
  local s <close> = connect(port)
  local text = ('0123456789abcdef'):rep(65536)
  local reader = fiber.spawn(function() return s:read() end)
  test.equal(s:write(text, 10), #text)
  test.ok(s:shutdown('W'))
  local _, back = reader:join(20)
  test.ok(back == text)
end)

test.case('200 clients are served at once', function()
  local server <close>, port = example.server('echo_server.lua')
  local clients = {}
  for i = 1, 200 do clients[i] = connect(port) end
  for i = 200, 1, -1 do assert(clients[i]:write(i .. '\n')) end
  for i = 1, 200 do test.equal(clients[i]:readline('\n', 10), i .. '\n') end
  for i = 1, 200 do clients[i]:close() end
end)

test.case('a client that resets its connection harms nobody', function()
  local server <close>, port = example.server('echo_server.lua')
  for _ = 1, 10 do
    local s <close> = connect(port)
    s:write(('x'):rep(10000))
    s:linger(true, 0)
  end
  local s <close> = connect(port)
  s:write('still there?\n')
  test.equal(s:readline('\n', 10), 'still there?\n')
  test.equal(server:err(), '')
end)

example.case_with('python3', 'a client in Python is answered', function()
  local server <close>, port = example.server('echo_server.lua')
  local client <close> = example.start('python3', '-c', [[
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10)
s.sendall(b'from python\n')
s.shutdown(socket.SHUT_WR)
print(s.makefile().read(), end='')]], port)
  test.equal({ client:wait() }, { 0, 'from python\n', '' })
end)

example.case_with('curl', 'curl is answered', function()
  local server <close>, port = example.server('echo_server.lua')
  local client <close> = example.shell(
    ('curl -s -m 20 --no-buffer telnet://127.0.0.1:%d'):format(port), 'from curl\n')
  client:expect('from curl\n')
end)

test.finish()
