-- mona_server_test.lua: MonaServer's TCP servers.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local loggers = require 'loggers'
local loopback = require 'loopback'
local mona_peers = require 'mona_peers'
local fiber = require 'fiber'
local socket = require 'socket'
local mona = require 'coir.compat.mona'

local port_of = mona_peers.port_of

-- -- Server -------------------------------------------------------------------------------------------

test.case('start: every form of address', function()
  local free = loopback.listener()
  local port = free:name().port
  free:close()
  for _, form in ipairs { { { 0 }, '^0%.0%.0%.0:%d+$' }, { { '0' }, '^0%.0%.0%.0:%d+$' },
                          { { '127.0.0.1', 0 }, '^127%.0%.0%.1:%d+$' }, { { '127.0.0.1:0' }, '^127%.0%.0%.1:%d+$' },
                          { { '[::1]:0' }, '^%[::1%]:%d+$' }, { { 'localhost', 0 }, '^127%.0%.0%.1:%d+$' },
                          { { mona:createSocketAddress('127.0.0.1', port) }, '^127%.0%.0%.1:' .. port .. '$' } } do
    local server = mona:createTCPServer()
    test.equal({ server.running, server.address }, { false, '0.0.0.0:0' })
    test.equal({ server:start(table.unpack(form[1])) }, { true })
    test.match(server.address, form[2])
    test.equal(server.running, true)
    server:stop()
    server:stop()
    test.equal({ server.running, server.address }, { false, '0.0.0.0:0' })
  end
end)

test.case('start again: true on the same address, moves to another', function()
  local server = mona:createTCPServer()
  server:start('127.0.0.1', 0)
  local address = server.address
  test.equal({ server:start(address), server.address }, { true, address })
  test.equal({ server:start('127.0.0.1', 0), server.address }, { true, address })
  server:start('0.0.0.0:0')
  test.ok(server.address ~= address)
  local other = mona:createTCPServer()
  test.ok(other:start(address), 'the old port is free')
  other:stop()
  server:stop()
end)

test.case('a taken port and nonsense give false and a log', function()
  local _, port = loopback.listener()
  loggers.take()
  for _, wrong in ipairs { { '127.0.0.1', port }, { '127.0.0.1' }, { 'x' }, { 70000 }, { -1 }, { nil },
                           { '127.0.0.1', 'x' } } do
    local server = mona:createTCPServer()
    test.equal({ server:start(table.unpack(wrong, 1, 2)) }, { false })
    test.equal(server.running, false)
    local lines = loggers.take()
    test.equal(#lines, 1)
    test.match(lines[1], '^ERROR Unable to start the TCPServer, ')
  end
  return _
end)

test.case('without onConnection a connection is closed at once', function()
  local server = mona:createTCPServer()
  server:start('127.0.0.1', 0)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port_of(server.address))
  test.equal(s:read(nil, 5), '')
  server:stop()
end)

test.case('clients outlive the server\'s stop', function()
  local server, got = mona:createTCPServer(), {}
  function server:onConnection(client)
    test.equal({ client.connected, type(client.peerAddress) }, { true, 'string' })
    client:send 'welcome '
    function client:onData(data) self:send(data) end
    got[#got + 1] = client
  end
  server:start('127.0.0.1', 0)
  local port = port_of(server.address)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port)
  test.equal(s:read(8, 5), 'welcome ')
  server:stop()
  local refused = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  test.refused('ECONNREFUSED', refused:sysconnect('127.0.0.1', port))
  s:write 'still'
  test.equal(s:read(5, 5), 'still')
  test.equal(#got, 1)
end)

test.case('an error in onConnection is logged and the connection stands', function()
  local server = mona:createTCPServer()
  loggers.take()
  function server:onConnection(client)
    function client:onData(data) self:send(data) end
    error 'in onConnection'
  end
  server:start('127.0.0.1', 0)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port_of(server.address))
  s:write 'x'
  test.equal(s:read(1, 5), 'x')
  test.match(table.concat(loggers.take()), 'in onConnection')
  server:stop()
end)

test.case('onConnection runs before any data, also when it waits', function()
  local server, order = mona:createTCPServer(), {}
  function server:onConnection(client)
    fiber.sleep(0.02)
    order[#order + 1] = 'connection'
    function client:onData(data) order[#order + 1] = data end
  end
  server:start('127.0.0.1', 0)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port_of(server.address))
  s:write 'data'
  test.eventually(function() return #order == 2 end)
  test.equal(order, { 'connection', 'data' })
  server:stop()
end)

test.case('connections have TCP_NODELAY, listeners no SO_REUSEPORT', function()
  local server, other = mona:createTCPServer(), mona:createTCPServer()
  server:start('127.0.0.1', 0)
  test.equal(other:start(server.address), false)
  server:stop()
end)

test.finish()
