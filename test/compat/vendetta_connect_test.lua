-- vendetta_connect_test.lua: connecting and listening with the class TCPSocket.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local base = require 'coir.compat.base'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

local TCPSocket = require('coir.compat.vendetta').TCPSocket

-- -- Connect ----------------------------------------------------------------------------------------

test.case('Connect returns 1 and nil, and does not wait', function()
  local _listener, port = vendetta.plain_listener()
  local tcp = TCPSocket()
  local switches = fiber.self():csw()
  local results = table.pack(tcp:Connect('127.0.0.1', port))
  test.equal(fiber.self():csw(), switches)
  test.equal(results, { n = 2, 1, nil })
  return _listener
end)

test.case('Connect takes the port as text', function()
  local listener, port = vendetta.plain_listener()
  test.equal(TCPSocket():Connect('127.0.0.1', tostring(port)), 1)
  test.ok(listener:accept(10))
end)

test.case('Connect takes the name of this machine', function()
  local listener, port = vendetta.plain_listener()
  test.equal(TCPSocket():Connect('localhost', port), 1)
  test.ok(listener:accept(10))
end)

for about, arguments in pairs {
  ['no arguments'] = {},
  ['no port'] = { '127.0.0.1' },
  ['a port that is no number'] = { '127.0.0.1', 'http' },
  ['port 65536'] = { '127.0.0.1', 65536 },
  ['a negative port'] = { '127.0.0.1', -1 },
  ['half a port'] = { '127.0.0.1', 80.5 },
  ['an empty host'] = { '', 80 },
  ['a table for a host'] = { {}, 80 },
  ['a table for a port'] = { '127.0.0.1', {} },
} do
  test.case('Connect with ' .. about .. ' fails at once with a message', function()
    local tcp = TCPSocket()
    tcp:SetWriteHandler(function() error('called') end)
    local started, message = tcp:Connect(arguments[1], arguments[2])
    test.equal(started, nil)
    test.equal(type(message), 'string')
    test.equal(next(vendetta.logged(test.settle)), nil)
    test.equal(base.kept[tcp], nil)
  end)
end

test.case('the write handler is called when the connection stands, not inside Connect', function()
  local _listener, port = vendetta.plain_listener()
  local tcp, told, inside = TCPSocket(), fiber.channel(10), true
  tcp:SetWriteHandler(function(self)
    tcp:SetWriteHandler(nil)
    told:put({ self == tcp, inside, tcp:GetSocketError(), tcp:GetPeerName() })
  end)
  tcp:Connect('127.0.0.1', port)
  inside = false
  test.equal(told:get(10), { true, false, nil, '127.0.0.1:' .. port })
  return _listener
end)

test.case('a write handler that is set after Connect is called, too', function()
  local _listener, port = vendetta.plain_listener()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:Connect('127.0.0.1', port)
  test.eventually(function() return tcp:GetPeerName() end)
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    told:put('now')
  end)
  test.equal(told:get(10), 'now')
  return _listener
end)

test.case('a refused connection calls only the write handler, and once', function()
  local tcp, calls, told = TCPSocket(), {}, fiber.channel(10)
  tcp:SetReadHandler(function() calls[#calls + 1] = 'read' end)
  tcp:SetWriteHandler(function()
    calls[#calls + 1] = 'write'
    told:put(tcp:GetSocketError())
  end)
  test.equal(tcp:Connect('127.0.0.1', vendetta.dead_port()), 1)
  test.equal(told:get(10), 'Connection refused')
  test.settle()
  test.equal(calls, { 'write' })
  test.equal(tcp:GetSocketError(), 'Connection refused')
  test.equal(tcp:GetPeerName(), nil)
  test.equal(tcp:Send('x'), -1)
  test.equal(base.kept[tcp], nil)
end)

test.case('a refusal waits for a write handler', function()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:Connect('127.0.0.1', vendetta.dead_port())
  test.eventually(function() return tcp:GetSocketError() end)
  tcp:SetWriteHandler(function() told:put(tcp:GetSocketError()) end)
  test.equal(told:get(10), 'Connection refused')
end)

test.case('a name that cannot be resolved is reported like a refusal', function()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:SetWriteHandler(function() told:put(tcp:GetSocketError()) end)
  test.equal(tcp:Connect('no such name', 80), 1)
  test.equal(type(told:get(15)), 'string')
end)

test.case('Connect forgets the last failure', function()
  local _listener, port = vendetta.plain_listener()
  local tcp = TCPSocket()
  tcp:Connect('127.0.0.1', vendetta.dead_port())
  test.eventually(function() return tcp:GetSocketError() end)
  tcp:Connect('127.0.0.1', port)
  test.equal(tcp:GetSocketError(), nil)
  test.eventually(function() return tcp:GetPeerName() end)
  return _listener
end)

test.case('Connect of a connected socket drops the old connection, and nobody is told', function()
  local listener, port = vendetta.plain_listener()
  local tcp, other = vendetta.pair()
  tcp:SetReadHandler(function() error('called') end)
  local lines = vendetta.logged(function()
    tcp:Connect('127.0.0.1', port)
    test.equal(other:read(1, 10), '')
    test.ok(listener:accept(10))
    test.settle()
  end)
  test.equal(lines, {})
  test.eventually(function() return tcp:GetPeerName() end)
  test.equal(tcp:GetPeerName(), '127.0.0.1:' .. port)
end)

test.case('Connect of a listening socket ends the listening', function()
  local _listener, port = vendetta.plain_listener()
  local tcp, own_port = vendetta.listener()
  tcp:Connect('127.0.0.1', port)
  test.refused('ECONNREFUSED', assert(socket('AF_INET', 'SOCK_STREAM')):sysconnect('127.0.0.1', own_port))
  test.equal(tcp:Accept(), nil)
  return _listener
end)

test.case('Disconnect while it connects: no handler is called', function()
  local listener, port = vendetta.plain_listener()
  local tcp = TCPSocket()
  tcp:SetWriteHandler(function() error('called') end)
  local lines = vendetta.logged(function()
    tcp:Connect('127.0.0.1', port)
    tcp:Disconnect()
    test.settle()
    tcp:Connect('127.0.0.1', port)
    fiber.yield()
    tcp:Disconnect()
    test.settle()
  end)
  test.equal(lines, {})
  test.equal(tcp:GetPeerName(), nil)
  test.equal(base.kept[tcp], nil)
  listener:close()
end)

-- -- Listen, Accept ---------------------------------------------------------------------------------

test.case('Listen returns 1 and nil, on all interfaces', function()
  local tcp = TCPSocket()
  test.equal(table.pack(tcp:Listen(0)), { n = 2, 1, nil })
  test.match(tcp:GetSockName(), '^0%.0%.0%.0:%d+$')
  tcp:Disconnect()
end)

test.case('Listen on a taken port fails with a message', function()
  local first, port = vendetta.listener()
  local started, message = TCPSocket():Listen(port)
  test.equal(started, nil)
  test.match(message, 'Address already in use')
  first:Disconnect()
end)

test.case('Listen takes the port again after Disconnect, also while old connections end', function()
  local tcp, port = vendetta.listener()
  local s = vendetta.plain(port)
  local accepted
  test.eventually(function() accepted = tcp:Accept() return accepted end)
  accepted:Disconnect()
  tcp:Disconnect()
  s:close()
  test.equal(tcp:Listen(tostring(port)), 1)
  tcp:Disconnect()
end)

for _, port in ipairs { 'x', -1, 65536, 1.5, {} } do
  test.case('Listen fails for the port ' .. type(port) .. ' ' .. tostring(port), function()
    local started, message = TCPSocket():Listen(port)
    test.equal(started, nil)
    test.equal(type(message), 'string')
  end)
end

test.case('Accept returns nil when none waits, and never waits itself', function()
  local tcp = vendetta.listener()
  local switches = fiber.self():csw()
  test.equal(tcp:Accept(), nil)
  test.equal(fiber.self():csw(), switches)
  tcp:Disconnect()
  test.equal(tcp:Accept(), nil)
  test.equal(TCPSocket():Accept(), nil)
end)

test.case('the connect handler is called while a connection waits', function()
  local tcp, port = vendetta.listener()
  local accepted, told = {}, fiber.channel(10)
  tcp:SetConnectHandler(function(self)
    accepted[#accepted + 1] = self:Accept() -- one for each call
    told:put(#accepted)
  end)
  local clients = {}
  for i = 1, 3 do clients[i] = vendetta.plain(port) end
  for i = 1, 3 do test.equal(told:get(10), i) end
  for i = 1, 3 do
    test.equal(accepted[i]:GetPeerName(), tostring(clients[i]:name()))
    accepted[i]:Disconnect()
  end
  tcp:Disconnect()
end)

test.case('a connect handler that accepts nothing is called again, and others go on', function()
  local tcp, port = vendetta.listener()
  local calls = 0
  tcp:SetConnectHandler(function() calls = calls + 1 end)
  local _client = vendetta.plain(port)
  test.eventually(function() return calls > 10 end)
  tcp:SetConnectHandler(nil)
  test.settle()
  local before = calls
  test.settle()
  test.equal(calls, before)
  tcp:Disconnect()
  return _client
end)

test.case('an accepted socket has no handlers, and its first write call comes at once', function()
  local tcp, port = vendetta.listener()
  local _client, told = vendetta.plain(port), fiber.channel(10)
  local accepted
  test.eventually(function() accepted = tcp:Accept() return accepted end)
  accepted:SetWriteHandler(function(self)
    self:SetWriteHandler(nil)
    told:put(self == accepted)
  end)
  test.equal(told:get(10), true)
  tcp:Disconnect()
  accepted:Disconnect()
  return _client
end)

test.case('a read handler on a listening socket is not called; a connect handler on a connection is not', function()
  local listening, port = vendetta.listener()
  listening:SetReadHandler(function() error('read') end)
  local tcp, other = vendetta.pair()
  tcp:SetConnectHandler(function() error('connect') end)
  local lines = vendetta.logged(function()
    local _client = vendetta.plain(port)
    other:write('data')
    test.eventually(function() return listening:Accept() end)
    test.settle()
    return _client
  end)
  test.equal(lines, {})
  listening:Disconnect()
end)

test.finish()
