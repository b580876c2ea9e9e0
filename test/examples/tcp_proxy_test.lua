-- tcp_proxy_test.lua: examples/tcp_proxy.lua between our clients and servers, and somebody else's.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local fiber = require 'fiber'
local loopback = require 'loopback'
local socket = require 'socket'
local test = require 'test'

local function connect(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:sysconnect('127.0.0.1', port, 10))
  return s
end

--- A connection through the proxy: the proxy, the client's end and the server's.
local function connect_through()
  local listener, target = loopback.listener()
  local proxy, port = example.server('tcp_proxy.lua', '127.0.0.1', target)
  local client = connect(port)
  local server = assert(listener:accept(10))
  listener:close()
  return proxy, client, server
end

example.server_cases('tcp_proxy.lua', 7002)

test.case('bytes go both ways, and it tells how many', function()
  local proxy <close>, client, server = connect_through()
  client:write('to the server\n')
  test.equal(server:readline('\n', 10), 'to the server\n')
  server:write('to the client\n')
  test.equal(client:readline('\n', 10), 'to the client\n')
  client:close()
  test.equal(server:read(1, 10), '')
  server:close()
  proxy:expect('127%.0%.0%.1:%d+: 14 bytes there, 14 back\n')
end)

test.case('one end may speak on when the other has said all', function()
  local proxy <close>, client, server = connect_through()
  client:write('all')
  client:shutdown('W')
  test.equal(server:read(nil, 10), 'all')
  server:write('and the answer')
  server:close()
  test.equal(client:read(nil, 10), 'and the answer')
  client:close()
end)

test.case('megabytes at once both ways arrive whole', function()
  local proxy <close>, client, server = connect_through()
  local size = 4 * 1024 * 1024
  local function send(s, byte) return s:write(byte:rep(size), 20) and s:shutdown('W') end
  fiber.new(send, client, 'c')
  fiber.new(send, server, 's')
  local at_server = fiber.spawn(function() return server:read(nil, 20) end)
  local at_client = client:read(nil, 20)
  local _, from_client = at_server:join()
  test.ok(from_client == ('c'):rep(size) and at_client == ('s'):rep(size))
end)

test.case('many connections are carried side by side', function()
  local echo <close>, echo_port = example.server('echo_server.lua')
  local proxy <close>, port = example.server('tcp_proxy.lua', '127.0.0.1', echo_port)
  local clients = {}
  for i = 1, 50 do clients[i] = connect(port) end
  for i = 50, 1, -1 do clients[i]:write(i .. '\n') end
  for i = 1, 50 do test.equal(clients[i]:readline('\n', 10), i .. '\n') end
  for i = 1, 50 do clients[i]:close() end
end)

test.case('where nobody listens behind it, the client is let go and the reason told', function()
  local listener, target = loopback.listener()
  listener:close()
  local proxy <close>, port = example.server('tcp_proxy.lua', '127.0.0.1', target)
  local client <close> = connect(port)
  test.equal(client:read(1, 10), '')
  proxy:expect(('127%%.0%%.0%%.1:%%d+: 127%%.0%%.0%%.1:%d: Connection refused\n'):format(target))
end)

example.case_with('curl', 'curl fetches a page of our HTTP server through it', function()
  local listener, target = loopback.listener()
  fiber.new(function()
    local s <close> = assert(listener:accept(10))
    s:readline({ '\r\n\r\n' }, 10)
    s:write('HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\npage\n')
  end)
  local proxy <close>, port = example.server('tcp_proxy.lua', '127.0.0.1', target)
  local curl <close> = example.start('curl', '-s', '-m', '20', '--noproxy', '*',
    ('http://127.0.0.1:%d/'):format(port))
  test.equal({ curl:wait() }, { 0, 'page\n', '' })
end)

test.finish()
