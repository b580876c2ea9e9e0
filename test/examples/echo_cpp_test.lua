-- echo_cpp_test.lua: examples/echo.cpp, the program at arg[1], with clients of ours.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

local program = example.absolute(arg[1])

local function start()
  local server = example.start(program, '127.0.0.1', 0)
  return server, tonumber((server:expect('^listening on 127%.0%.0%.1:(%d+)\n')))
end

local function connect(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:sysconnect('127.0.0.1', port, 10))
  return s
end

test.case('what is sent comes back, byte for byte', function()
  local server <close>, port = start()
  local s <close> = connect(port)
  local text = ('0123456789abcdef'):rep(65536)
  local reader = fiber.spawn(function() return s:read() end)
  test.equal(s:write(text, 10), #text)
  test.ok(s:shutdown('W'))
  local _, back = reader:join(20)
  test.ok(back == text)
end)

test.case('200 clients are served at once, and their descriptors come back', function()
  local server <close>, port = start()
  for _ = 1, 3 do
    local clients = {}
    for i = 1, 200 do clients[i] = connect(port) end
    for i = 200, 1, -1 do assert(clients[i]:write(i .. '\n')) end
    for i = 1, 200 do test.equal(clients[i]:readline('\n', 10), i .. '\n') end
    for i = 1, 200 do clients[i]:close() end
  end
  test.equal(server:err(), '')
end)

test.case('when it runs out of descriptors it says so and goes on', function()
  local server <close> = example.start('sh', '-c', 'ulimit -n 20; exec "$0" 127.0.0.1 0', program)
  local port = tonumber((server:expect('^listening on 127%.0%.0%.1:(%d+)\n')))
  local clients = {}
  for i = 1, 40 do clients[i] = connect(port) end
  test.eventually(function() return server:err():find('^server 127.0.0.1:%d+: Too many open files') end)
  for i = 1, 40 do clients[i]:close() end
  local s <close> = connect(port)
  s:write('still there?\n')
  test.equal(s:readline('\n', 10), 'still there?\n')
end)

test.case('bad addresses end it with a clear error', function()
  for address, problem in pairs {
    ['a..b 80'] = 'cannot resolve a..b:80: an empty label in the name',
    ['127.0.0.1 eighty'] = 'cannot resolve 127.0.0.1:eighty: unknown service',
    ['127.0.0.1 65536'] = '127.0.0.1:65536: no such port: Invalid argument',
    ['192.0.2.1 0'] = '192.0.2.1:0: Cannot assign requested address',
  } do
    local host, port = address:match('(%S+) (%S+)')
    local server <close> = example.start(program, host, port)
    local status, _, err = server:wait()
    test.equal({ status, err }, { 1, 'echo: ' .. problem .. '\n' })
  end
end)

test.finish()
